import type { z } from 'zod';
import type { Tool, ToolContext } from '../contracts/tools.js';
import { GatewayError } from '../core/errors.js';
import { CredentialRefused, ToolError } from '../core/toolErrors.js';

const MIB = 1024 * 1024;
/** No model reads more; bytes of JSON. */
const LARGEST = MIB;
const MOST_ISSUES = 10;
const LONGEST_MESSAGE = 4_000;

/** The result of a `tools/call` (2026-07-28, Tools). */
export interface CallResult {
  readonly content: readonly { readonly type: 'text'; readonly text: string }[];
  readonly structuredContent?: object;
  readonly isError?: true;
}

/**
 * Runs a tool. What its arguments or its answer have wrong with them, and what it says itself, is a result.
 * @throws GatewayError, CredentialRefused as the tool does; any other error is a fault of ours
 */
export async function runTool(tool: Tool, given: unknown, context: ToolContext): Promise<CallResult> {
  const parsed = tool.input.safeParse(given ?? {});
  if (!parsed.success) return failed(`The arguments are wrong: ${issuesOf(parsed.error)}.`);
  try {
    return whole(checked(tool, await tool.run(parsed.data as never, context)));
  } catch (error) {
    if (error instanceof ToolError) return failed(error.message.slice(0, LONGEST_MESSAGE));
    throw error;
  }
}

/** True for what a tool says by contract; anything else that it throws is a fault of its own. */
export function isForeseen(error: unknown): error is GatewayError | CredentialRefused {
  return error instanceof GatewayError || error instanceof CredentialRefused;
}

/** Of a tool that broke: nothing of why. */
export function broken(requestId: string): CallResult {
  return failed(
    `The tool broke, which is no fault of the call. An operator finds the cause by request id ${requestId}.`,
  );
}

/** Clients refuse an answer that isn't what `tools/list` said of it, so it is seen to here. */
function checked({ name, output }: Tool, result: object): object {
  if (!output) return result;
  const parsed = output.safeParse(result);
  if (parsed.success) return parsed.data;
  throw new TypeError(`${name} answers what its schema doesn't say: ${issuesOf(parsed.error)}`);
}

function whole(structuredContent: object): CallResult {
  const text = JSON.stringify(structuredContent);
  const bytes = Buffer.byteLength(text);
  if (bytes <= LARGEST) return { content: [{ type: 'text', text }], structuredContent };
  const size = (bytes / MIB).toFixed(1);
  return failed(
    `The result is too large: ${size} MiB of JSON, where at most ${LARGEST / MIB} MiB is given. ` +
      'Ask for less: a smaller page or limit, fewer fields, or a narrower filter.',
  );
}

function failed(text: string): CallResult {
  return { content: [{ type: 'text', text }], isError: true };
}

/** Names what is wrong, never the value. */
function issuesOf({ issues }: z.core.$ZodError): string {
  const told = issues.slice(0, MOST_ISSUES).map(({ path, message }) => {
    const where = path.map(String).join('.');
    return where === '' ? message : `${where}: ${message}`;
  });
  return told.join('; ');
}
