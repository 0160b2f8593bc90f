import * as z from 'zod';
import type { Clock } from '../../contracts.js';

/** What a call may use. */
export interface ToolContext {
  readonly clock: Clock;
  /** Aborts when the caller leaves. */
  readonly left: AbortSignal;
  readonly claims: Claims;
  /** Tells the caller how far it is; does nothing where the caller can't hear it. */
  progress(done: number, total: number, message: string): void;
}

/** What the caller's token says. Times are epoch seconds (RFC 7519 section 4.1). */
export interface Claims {
  readonly sub?: string | undefined;
  readonly iat?: number | undefined;
  readonly exp?: number | undefined;
  readonly jti?: string | undefined;
}

/** A tool of the demo; `call` checks the arguments and answers with text. */
export interface DemoTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: object;
  /** Whether it has something to report on the way. */
  readonly reports: boolean;
  call(given: unknown, context: ToolContext): Promise<ToolResult>;
}

/** `result` of a `tools/call`. */
export interface ToolResult {
  readonly content: readonly { readonly type: 'text'; readonly text: string }[];
  readonly isError?: true;
}

const TICK_MS = 200;

const echo = tool({
  name: 'echo',
  description: 'Says what it is told.',
  input: z.strictObject({ text: z.string() }),
  run: ({ text }) => text,
});

const whoami = tool({
  name: 'whoami',
  description: 'Shows the token that this call came with. When the token was renewed, its id is another one.',
  input: z.strictObject({}),
  run: (_nothing, { claims }) =>
    JSON.stringify(
      { subject: claims.sub, issuedAt: date(claims.iat), expiresAt: date(claims.exp), id: claims.jti },
      null,
      2,
    ),
});

const countdown = tool({
  name: 'countdown',
  description: 'Counts down to zero, five times a second, and reports its progress to whoever wants to know.',
  input: z.strictObject({ from: z.int().min(1).max(100) }),
  reports: true,
  async run({ from }, { clock, left, progress }) {
    for (let done = 1; done <= from; done++) {
      await clock.sleep(TICK_MS, left);
      progress(done, from, String(from - done));
    }
    return 'Lift-off';
  },
});

/** All that the demo can do, by name. */
export const TOOLS: ReadonlyMap<string, DemoTool> = new Map(
  [echo, whoami, countdown].map((entry) => [entry.name, entry]),
);

interface Definition<Input extends z.ZodType> {
  readonly name: string;
  readonly description: string;
  readonly input: Input;
  readonly reports?: boolean;
  run(input: z.output<Input>, context: ToolContext): string | Promise<string>;
}

/** Wrong arguments are an answer of the tool, so that a model can mend them (SEP-1303). */
function tool<Input extends z.ZodType>(definition: Definition<Input>): DemoTool {
  const { name, description, input, reports = false } = definition;
  return {
    name,
    description,
    inputSchema: z.toJSONSchema(input),
    reports,
    async call(given, context) {
      const parsed = input.safeParse(given ?? {});
      if (!parsed.success) return { ...text(z.prettifyError(parsed.error)), isError: true };
      return text(await definition.run(parsed.data, context));
    },
  };
}

function text(value: string): ToolResult {
  return { content: [{ type: 'text', text: value }] };
}

function date(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : new Date(seconds * 1000).toISOString();
}
