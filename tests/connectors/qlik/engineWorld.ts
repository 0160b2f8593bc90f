import { type EngineLimits, QlikEngine } from '../../../src/connectors/qlik/engine.js';
import { engineTools } from '../../../src/connectors/qlik/engineTools.js';
import type { Owner } from '../../../src/contracts/principal.js';
import type { Tool, ToolContext } from '../../../src/contracts/tools.js';
import type { Clock, Credential } from '../../../src/contracts.js';
import { systemClock } from '../../../src/core/async.js';
import { FakeSignals } from '../../helpers/fakes.js';

export const APP = '8c1d5b6e-0000-4000-8000-000000000001';

/** A bearer token, as a credential of the house shows it. */
export function bearer(value: string, more: Partial<Credential> = {}): Credential {
  const token = { value, obtainedAt: 0, expiresAt: Number.POSITIVE_INFINITY };
  return { headers: ['Authorization', `Bearer ${value}`], token, ...more };
}

export function contextOf(subject: string | null, more: Partial<ToolContext> & { tenant?: string } = {}): ToolContext {
  const { tenant, ...rest } = more;
  const owner: Owner | null = subject === null ? null : { subject, ...(tenant === undefined ? {} : { tenant }) };
  const credential = bearer(`token-of-${subject}`);
  return { signal: new AbortController().signal, owner, credential, progress: () => undefined, ...rest };
}

/** An engine of one tenant, and its tools by name. */
export class EngineWorld {
  readonly signals = new FakeSignals();
  readonly engine: QlikEngine;
  readonly tools: ReadonlyMap<string, Tool>;

  constructor(url: URL, limits: Partial<EngineLimits> = {}, clock: Clock = systemClock) {
    this.engine = new QlikEngine({ url, clock, signals: this.signals, destination: 'qlik', limits });
    this.tools = new Map(engineTools(this.engine, { access: 'write' }).map((tool) => [tool.name, tool]));
  }

  /** Calls a tool as the house would: its arguments are parsed first, and its answer is looked at. */
  async call<Result = Record<string, unknown>>(name: string, args: object, context: ToolContext): Promise<Result> {
    const tool = this.tools.get(name);
    if (!tool) throw new Error(`no tool ${name}`);
    const answer = (await tool.run(tool.input.parse(args) as never, context)) as Result;
    tool.output?.parse(answer);
    return answer;
  }
}
