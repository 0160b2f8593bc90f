import type { RawAnswer } from '../helpers/raw.js';

/** What a caller must be told. */
export interface Refusal {
  readonly status: number;
  /** `data.code`. */
  readonly code: string;
  /** JSON-RPC code; Drawbridge's own where absent. */
  readonly rpc?: number;
  /** The request's own id; absent where it can't have been read. */
  readonly id?: string | number;
}

/** Stack frames, source files and modules: nothing that a caller should learn of the machine. */
const INSIDES = /\n\s*at |node_modules|node:|file:\/\/|\.[cm]?[jt]s\b|\/(tmp|home|root|usr)\//;
const HINT = /\S+ \S+/;

/** A JSON-RPC error with everything that a caller is promised, and nothing besides. */
export function expectRefusal(answer: RawAnswer, { status, code, rpc = -31000, id }: Refusal): void {
  const requestId = answer.header('x-request-id');
  expect(requestId).toMatch(/^[\w-]{12}-[\da-z]+$/);
  expect({ status: answer.status, type: answer.header('content-type'), ...parsed(answer) }).toStrictEqual({
    status,
    type: 'application/json',
    jsonrpc: '2.0',
    ...(id === undefined ? {} : { id }),
    error: {
      code: rpc,
      message: expect.stringMatching(/\S/),
      data: { code, hint: expect.stringMatching(HINT), requestId },
    },
  });
  expectNoInsides(answer);
}

/** The plain form: for doors other than MCP's, and for what was too broken to have a door. */
export function expectPlainRefusal(answer: RawAnswer, { status, code }: Refusal): void {
  expect({ status: answer.status, type: answer.header('content-type'), ...parsed(answer) }).toMatchObject({
    status,
    type: 'application/json',
    error: { code, message: expect.stringMatching(/\S/), details: { hint: expect.stringMatching(HINT) } },
  });
  expectNoInsides(answer);
}

/** The message of a refusal. */
export function messageOf(answer: RawAnswer): string {
  return (parsed(answer) as { error: { message: string } }).error.message;
}

/** The hint of a refusal. */
export function hintOf(answer: RawAnswer): string {
  return (parsed(answer) as { error: { data: { hint: string } } }).error.data.hint;
}

function expectNoInsides(answer: RawAnswer): void {
  expect(answer.body.toString()).not.toMatch(INSIDES);
  expect(answer.body.toString()).not.toContain(process.cwd());
}

function parsed(answer: RawAnswer): object {
  return JSON.parse(answer.body.toString()) as object;
}
