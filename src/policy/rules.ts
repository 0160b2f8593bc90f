import type { McpCall } from '../contracts.js';
import { globs } from '../core/glob.js';

/** `<destination>/<method>`, or with `:<name>`. A destination's name never holds a slash, a method may, a name may hold anything. */
const RULE = /^([\w.*-]{1,64})\/([^\s:]{1,200})(?::(.{1,1000}))?$/s;

export const RULE_FORM =
  'must be <destination>/<method> or <destination>/<method>:<name>, such as qlik/tools/call:qlik_get_*';

/** True for text that `Rule` takes. */
export function isRule(text: string): boolean {
  return RULE.test(text);
}

/** Which calls are meant: three globs, compared exactly, character by character. */
export class Rule {
  readonly #methodGlob: string;
  readonly #nameGlob: string | undefined;
  readonly #destination: (name: string) => boolean;
  readonly #method: (name: string) => boolean;
  readonly #name: ((name: string) => boolean) | undefined;

  /** @throws TypeError for text that is no rule */
  constructor(text: string) {
    const [, destination, method, name] = RULE.exec(text) ?? [];
    if (destination === undefined || method === undefined) throw new TypeError(`a rule ${RULE_FORM}`);
    this.#methodGlob = method;
    this.#nameGlob = name;
    this.#destination = globs([destination]);
    this.#method = globs([method]);
    this.#name = name === undefined ? undefined : globs([name]);
  }

  concerns(destination: string): boolean {
    return this.#destination(destination);
  }

  /** A rule without a name means any; a rule with one doesn't mean a call that names nothing. */
  means(method: string, name: string | undefined): boolean {
    return this.#method(method) && (this.#name === undefined || (name !== undefined && this.#name(name)));
  }

  /** True where every call that `other` means is meant by this rule too: only a star can stand for a star. */
  covers(other: Rule): boolean {
    return this.means(other.#methodGlob, other.#nameGlob ?? (this.#nameGlob === '*' ? '*' : undefined));
  }
}

/** What uses a thing must name it: a name that isn't text would pass every deny, and some servers make text of it. */
const NAMING: ReadonlySet<string> = new Set([
  'tools/call',
  'prompts/get',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'completion/complete',
]);

export function mustName(method: string): boolean {
  return NAMING.has(method);
}

/** What the call is about. Subscriptions and completions say it elsewhere than `Mcp-Name` would. */
export function nameOf(call: McpCall): string | undefined {
  switch (call.method) {
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return textIn(paramsOf(call), 'uri');
    case 'completion/complete': {
      const ref = objectIn(paramsOf(call), 'ref');
      return textIn(ref, textIn(ref, 'type') === 'ref/prompt' ? 'name' : 'uri');
    }
    default:
      return call.name;
  }
}

/** The parameters of a message that was found to be JSON; empty where there are none. */
export function paramsOf(call: McpCall): object {
  return call.body === null ? {} : objectIn(JSON.parse(call.body.toString()), 'params');
}

function objectIn(from: unknown, key: string): object {
  const value = memberOf(from, key);
  return typeof value === 'object' && value !== null ? value : {};
}

function textIn(from: unknown, key: string): string | undefined {
  const value = memberOf(from, key);
  return typeof value === 'string' ? value : undefined;
}

/** A member of its own: never one of the prototype's. */
export function memberOf(from: unknown, key: string): unknown {
  return typeof from === 'object' && from !== null && Object.hasOwn(from, key) ? Reflect.get(from, key) : undefined;
}
