import * as z from 'zod';
import type { Tool, Toolset, ToolsetKind } from '../../contracts/tools.js';
import type { Clock } from '../../contracts.js';
import { integer } from '../../core/schema.js';
import { scopeKey } from '../../core/scopeKey.js';
import { ToolError } from '../../core/toolErrors.js';

/** Callers whose counters are kept; the oldest are forgotten first. */
const MOST_COUNTERS = 1_000;

const options = z.strictObject({
  /** Between two steps of `count_to`; milliseconds. */
  stepMs: integer(1, 60_000).default(200),
});

type Options = z.infer<typeof options>;

/** A tool whose `run` agrees with its schema. */
function tool<Input extends z.ZodObject>(
  definition: Omit<Tool<z.output<Input>>, 'input'> & { readonly input: Input },
): Tool {
  return definition;
}

/** A counter for each caller: nobody sees, or moves, another one's. */
class Counters {
  readonly #values = new Map<string, number>();

  get(key: string): number {
    return this.#values.get(key) ?? 0;
  }

  set(key: string, value: number): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    const [oldest] = this.#values.keys();
    if (this.#values.size > MOST_COUNTERS && oldest !== undefined) this.#values.delete(oldest);
  }

  delete(key: string): boolean {
    return this.#values.delete(key);
  }
}

const count = z.object({ count: z.int() });

function getTime(clock: Clock): Tool {
  return tool({
    name: 'get_time',
    version: '1.0.0',
    category: 'clock',
    effect: 'read',
    description: 'The time of day in a time zone.',
    input: z.strictObject({ timeZone: z.string().max(64).default('UTC').describe('IANA name, such as Europe/Paris.') }),
    output: z.object({ time: z.string(), timeZone: z.string() }),
    run: async ({ timeZone }) => {
      try {
        const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
        return { time: format.format(clock.now()), timeZone };
      } catch (cause) {
        throw new ToolError('There is no such time zone: give an IANA name, such as Europe/Paris.', { cause });
      }
    },
  });
}

function getCount(counters: Counters): Tool {
  return tool({
    name: 'get_count',
    version: '1.0.0',
    category: 'counter',
    effect: 'read',
    description: "The caller's own counter.",
    input: z.strictObject({}),
    output: count,
    run: async (_nothing, { owner }) => ({ count: counters.get(scopeKey(owner)) }),
  });
}

function add(counters: Counters): Tool {
  return tool({
    name: 'add',
    version: '1.0.0',
    category: 'counter',
    effect: 'write',
    description: "Adds to the caller's counter.",
    input: z.strictObject({ by: z.int().min(-1_000).max(1_000).default(1) }),
    output: count,
    run: async ({ by }, { owner }) => {
      const key = scopeKey(owner);
      counters.set(key, counters.get(key) + by);
      return { count: counters.get(key) };
    },
  });
}

function countTo(clock: Clock, stepMs: number): Tool {
  return tool({
    name: 'count_to',
    version: '1.0.0',
    category: 'counter',
    effect: 'read',
    description: 'Counts from one, step by step, and tells how far it is.',
    input: z.strictObject({ to: z.int().min(1).max(100) }),
    output: count,
    run: async ({ to }, { signal, progress }) => {
      for (let done = 1; done <= to; done++) {
        await clock.sleep(stepMs, signal);
        progress(done, to);
      }
      return { count: to };
    },
  });
}

function forgetCount(counters: Counters): Tool {
  return tool({
    name: 'forget_count',
    version: '1.0.0',
    category: 'counter',
    effect: 'destroy',
    idempotent: true,
    description: "Forgets the caller's counter for good.",
    input: z.strictObject({}),
    output: z.object({ forgotten: z.boolean() }),
    run: async (_nothing, { owner }) => ({ forgotten: counters.delete(scopeKey(owner)) }),
  });
}

/** A clock and a counter: something to try permissions, quotas and switches on, with no account anywhere. */
const demo: ToolsetKind<Options> = {
  options,
  placeless: true,
  create({ stepMs }, { clock }): Toolset {
    const counters = new Counters();
    return {
      tools: [getTime(clock), getCount(counters), add(counters), countTo(clock, stepMs), forgetCount(counters)],
      instructions: 'Every caller has a counter of its own: add to it, read it, forget it.',
      close: async () => {},
    };
  },
};

export default demo;
