import * as z from 'zod';
import type { Ending, Judgement, Rules, RulesDeps } from '../contracts/rules.js';
import type { Kind } from '../contracts.js';
import { isObject, parsedOrNothing } from '../core/json.js';
import { integer } from '../core/schema.js';

const codes = z.array(z.int()).max(100);

const options = z.strictObject({
  /** Error codes by which a server says that it failed. */
  failures: codes.default([-32603]),
  /** Error codes by which it says: not now. */
  temporary: codes.default([]),
  /** Longer answers are judged by their status. */
  readBytes: integer(1, 1024 * 1024).prefault(16 * 1024),
});

type Options = z.infer<typeof options>;

/** What a server says in JSON-RPC, where its HTTP says that all is well. */
class JsonRpcRules implements Rules {
  readonly readBytes: number;
  readonly #failures: ReadonlySet<unknown>;
  readonly #temporary: ReadonlySet<unknown>;

  constructor({ failures, temporary, readBytes }: Options) {
    this.readBytes = readBytes;
    this.#failures = new Set(failures);
    this.#temporary = new Set(temporary);
  }

  judge({ body }: Ending): Judgement | undefined {
    const said = body ? errorCodes(body) : [];
    if (said.length === 0) return undefined;
    return {
      ...(said.some((code) => this.#failures.has(code)) ? { health: 'bad' } : {}),
      ...(said.some((code) => this.#temporary.has(code)) ? { temporary: true } : {}),
    };
  }
}

/** Of one message, or of a batch. */
function errorCodes(body: Buffer): unknown[] {
  const messages = parsedOrNothing(body.toString());
  return [messages].flat().flatMap((message) => {
    const error: unknown = isObject(message) ? message.error : undefined;
    return isObject(error) ? [error.code] : [];
  });
}

export default {
  options,
  create: (given) => new JsonRpcRules(given),
} satisfies Kind<Rules, Options, RulesDeps>;
