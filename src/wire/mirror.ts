/**
 * Headers that repeat what a body of 2026-07-28 says (SEP-2243), for whoever makes such messages itself, and for whoever
 * stands where a server would have to check them.
 */
import { headerAnnotations, type ParamAnnotation, valueAt } from './paramAnnotations.js';

/** The parameter that `Mcp-Name` repeats (the rows of `tasks/*` are the tasks extension's). */
const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** A message as far as headers repeat it. */
export interface Mirrored {
  readonly method?: unknown;
  readonly params?: unknown;
}

/** `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name` of a message, as header lines; a response has no method to repeat. */
export function mirrorLines({ method, params }: Mirrored, revision: string): string[] {
  const lines = ['MCP-Protocol-Version', revision];
  if (typeof method !== 'string') return lines;
  lines.push('Mcp-Method', encodeValue(method));
  const key = NAMED_BY.get(method);
  const name = key === undefined ? undefined : valueAt(params, [key]);
  if (typeof name === 'string') lines.push('Mcp-Name', encodeValue(name));
  return lines;
}

const BEGIN = '=?base64?';
const END = '?=';

/** A value as a header line can carry it: as it is where that is visible ASCII without spaces around, else in base64. */
export function encodeValue(value: string): string {
  const plain = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(value);
  if (plain && !(value.startsWith(BEGIN) && value.endsWith(END))) return value;
  return `${BEGIN}${Buffer.from(value).toString('base64')}${END}`;
}

/** What `encodeValue` was given; undefined for base64 or UTF-8 that nobody would write so. */
export function decodeValue(line: string): string | undefined {
  const value = line.trim();
  if (!value.startsWith(BEGIN) || !value.endsWith(END)) return value;
  const encoded = value.slice(BEGIN.length, -END.length);
  const text = Buffer.from(encoded, 'base64').toString();
  return Buffer.from(text).toString('base64') === encoded ? text : undefined;
}

/** So many tools with annotations are remembered; past that the ones learnt longest ago are forgotten. */
const MOST_TOOLS = 2_000;

/** The `Mcp-Param-*` lines of `tools/call`, which a tool asks for by `x-mcp-header` in its input schema. */
export class ParamHeaders {
  readonly #tools = new Map<string, readonly ParamAnnotation[]>();

  /**
   * Learns from the result of a `tools/list`, or one page of it. Names the tools whose annotations break the rules: a
   * client must not use them.
   */
  learn(result: unknown): string[] {
    const tools = valueAt(result, ['tools']);
    return Array.isArray(tools) ? tools.filter((tool) => !this.#learnTool(tool)).map(nameOf) : [];
  }

  /** True where a tool is known to have such headers. */
  knows(name: string): boolean {
    return this.#tools.has(name);
  }

  lines(name: string, args: unknown): string[] {
    const lines: string[] = [];
    for (const { header, path } of this.#tools.get(name) ?? []) {
      const text = asText(valueAt(args, path));
      if (text !== undefined) lines.push(`Mcp-Param-${header}`, encodeValue(text));
    }
    return lines;
  }

  /** What is wrong with a call's headers, for a -32020; undefined where they agree. `header` is asked by lower-case names. */
  verify(name: string, args: unknown, header: (name: string) => string | undefined): string | undefined {
    for (const annotation of this.#tools.get(name) ?? []) {
      const value = valueAt(args, annotation.path);
      const text = asText(value);
      if (text === undefined) continue;
      const line = header(`mcp-param-${annotation.header.toLowerCase()}`);
      if (line === undefined) return `Mcp-Param-${annotation.header} is missing`;
      if (!says(decodeValue(line), value, text)) return `Mcp-Param-${annotation.header} differs from the body`;
    }
    return undefined;
  }

  #learnTool(tool: unknown): boolean {
    const name = nameOf(tool);
    this.#tools.delete(name);
    const annotations = headerAnnotations(valueAt(tool, ['inputSchema']));
    if (!annotations) return false;
    if (annotations.length === 0) return true;
    if (this.#tools.size >= MOST_TOOLS) this.#tools.delete(this.#tools.keys().next().value as string);
    this.#tools.set(name, annotations);
    return true;
  }
}

function nameOf(tool: unknown): string {
  const name = valueAt(tool, ['name']);
  return typeof name === 'string' ? name : '';
}

/** Undefined for what no header is sent for: nothing, no single value, and numbers that were rounded when they were read. */
function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'number' || (Number.isInteger(value) && !Number.isSafeInteger(value))) return undefined;
  return String(value);
}

/** Numbers are compared as such: `42.0` says 42. */
function says(said: string | undefined, value: unknown, text: string): boolean {
  if (said === text) return true;
  return typeof value === 'number' && said !== undefined && /^-?\d+(?:\.\d+)?$/.test(said) && Number(said) === value;
}
