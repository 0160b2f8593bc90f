import type { ToolSwitches } from '../contracts/toolSwitches.js';
import type { ToolContext, Toolset, ToolsetUpstreamDeps } from '../contracts/tools.js';
import type { Attempt, Credential, Exchange, HeaderLines, McpCall, Reply, Trace, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { ownerOf } from '../core/scopeKey.js';
import type { CredentialRefused } from '../core/toolErrors.js';
import { safeToRepeat } from '../resilience/retry.js';
import { callerLeft } from '../wire/explain.js';
import { acceptedReply, jsonReply } from '../wire/messages.js';
import { envelopeFault } from './federationAnswers.js';
import { Answer } from './toolsetAnswer.js';
import type { ToolsetOptions } from './toolsetOptions.js';
import { broken, type CallResult, isForeseen, runTool } from './toolsetRun.js';
import { ToolServer } from './toolsetServer.js';
import { idlePatterns, ToolShelf } from './toolsetShelf.js';

/** One request under way. */
interface Under {
  readonly exchange: Exchange;
  readonly attempt: Attempt;
  readonly answer: Answer;
}

/** Makes the toolset, and whatever serves it. */
export async function openToolsetUpstream(given: ToolsetOptions, deps: ToolsetUpstreamDeps): Promise<Upstream> {
  const toolset = await deps.openToolset(given.toolset, given.options, given.url);
  try {
    return new ToolsetUpstream(given, deps, toolset);
  } catch (error) {
    await toolset.close();
    throw error;
  }
}

/** Tools that live in this house, as a server of 2026-07-28; older clients are bridged like everywhere. */
class ToolsetUpstream implements Upstream {
  readonly name: string;
  readonly strategy = 'PROXY';
  readonly era = 'modern';
  readonly url: URL;
  readonly allowedOrigins = [];
  readonly allowPrivate = false;
  readonly credential?: string;
  readonly personal: boolean;
  readonly tools: ToolSwitches;
  readonly warmUp?: (credential: Credential | undefined) => Promise<void>;
  readonly offers = (tool: string): boolean => this.#shelf.tool(tool) !== undefined;
  readonly #deps: ToolsetUpstreamDeps;
  readonly #toolset: Toolset;
  readonly #shelf: ToolShelf;
  readonly #server: ToolServer;
  /** By the number that the server knows it by. */
  readonly #under = new Map<number, Under>();
  #asked = 0;
  #closed: GatewayError | undefined;

  constructor(given: ToolsetOptions, deps: ToolsetUpstreamDeps, toolset: Toolset) {
    const { name } = deps;
    this.name = name;
    this.url = given.url ?? new URL(`toolset:${encodeURIComponent(name)}`);
    if (given.credential !== undefined) this.credential = given.credential;
    this.personal = deps.personal === true;
    this.#deps = deps;
    this.#toolset = toolset;
    this.#shelf = new ToolShelf(toolset.tools, given, () => this.#server.changed());
    this.tools = this.#shelf;
    this.#server = new ToolServer({
      name,
      instructions: toolset.instructions,
      listed: () => this.#shelf.listed,
      call: (ask, tool, args, progress) => this.#call(ask, tool, args, progress),
    });
    for (const pattern of idlePatterns(toolset.tools, given)) {
      deps.signals.emit('toolset.idle-pattern', { destination: name, pattern });
    }
    if (toolset.warmUp && !this.personal) this.warmUp = (credential) => this.#warmUp(credential);
  }

  safeToRepeat(call: McpCall): boolean {
    return safeToRepeat(call, (tool) => this.#shelf.isRepeatable(tool));
  }

  resolve(base: URL): URL {
    return base;
  }

  async send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const { call } = exchange;
    if (exchange.gone) throw callerLeft();
    if (this.#closed) throw this.#closed;
    if (!call || exchange.request.method !== 'POST') {
      throw new GatewayError('METHOD_NOT_ALLOWED', 'a toolset has no sessions and no streams to take up', {
        hint: 'Use POST.',
        headers: ['allow', 'POST'],
      });
    }
    if (call.kind === 'notification') return acceptedReply();
    if (call.kind !== 'request' || call.id === undefined) {
      throw new GatewayError('INVALID_REQUEST', `a ${call.kind} can't be answered`);
    }
    const message = JSON.parse((call.body as Buffer).toString()) as { params?: Record<string, unknown> };
    return envelopeFault(call, message.params ?? {}) ?? this.#ask(message, call.id, exchange, attempt);
  }

  async close(): Promise<void> {
    const closed = new GatewayError('DRAINING', 'the tools are no longer there');
    this.#closed = closed;
    await this.#server.close();
    for (const { answer } of [...this.#under.values()]) answer.close(closed);
    await this.#toolset.close();
  }

  #ask(message: object, id: string | number, exchange: Exchange, attempt: Attempt): Promise<Reply> {
    this.#asked += 1;
    const ask = this.#asked;
    const answer = new Answer(exchange, id, this.#deps.deadlines.firstByteMs, {
      over: () => {
        this.#under.delete(ask);
        this.#server.forget(ask);
      },
      failedLate: (error) => this.#deps.failedLate(exchange, error),
    });
    this.#under.set(ask, { exchange, attempt, answer });
    this.#server.ask(ask, message, answer);
    return answer.reply;
  }

  /** The result of a call; where it fails as a whole, its exchange does, and what is resolved with is of no account. */
  #call(ask: number, name: string, given: unknown, progress: (step: object) => void): Promise<CallResult> | undefined {
    const under = this.#under.get(ask);
    const tool = this.#shelf.tool(name);
    if (!under || !tool) return undefined;
    const context = contextOf(under, progress);
    return runTool(tool, given, context).catch((error: unknown) => this.#failed(error, under, name));
  }

  #failed(error: unknown, { exchange, attempt, answer }: Under, tool: string): CallResult {
    if (isForeseen(error)) fail(answer, attempt, error);
    else if (!answer.signal.aborted) {
      this.#deps.signals.emit('tool.failed', {
        requestId: exchange.id,
        destination: this.name,
        tool,
        cause: error instanceof Error ? error.stack : String(error),
      });
    }
    return broken(exchange.id);
  }

  async #warmUp(credential: Credential | undefined): Promise<void> {
    try {
      if (!this.#closed) await this.#toolset.warmUp?.(credential);
    } catch (error) {
      if (!this.#closed) throw error;
    }
  }
}

/** As if the vendor had said 401 to us directly: the attempt chain renews the credential, and repeats the call once. */
function fail(answer: Answer, { credential }: Attempt, error: GatewayError | CredentialRefused): void {
  if (error instanceof GatewayError) return answer.fail(error);
  if (credential && answer.mayFail) return answer.give(jsonReply({ error: { message: error.message } }, [], 401));
  answer.fail(new GatewayError('CREDENTIAL_REFUSED', error.message));
}

function contextOf({ exchange, attempt, answer }: Under, progress: (step: object) => void): ToolContext {
  return {
    signal: answer.signal,
    owner: exchange.principal ? ownerOf(exchange.principal) : null,
    credential: attempt.credential,
    ...(exchange.trace ? { span: spansOf(exchange.trace, attempt) } : {}),
    progress: (done, total, message) => {
      answer.alive();
      const more = { ...(total === undefined ? {} : { total }), ...(message === undefined ? {} : { message }) };
      progress({ progress: done, ...more });
    },
  };
}

/** Calls of the vendor are parts of the try that they are made by. What callers say to servers of their own, in `baggage`, stays here. */
function spansOf(trace: Trace, { route, trace: under }: Attempt): NonNullable<ToolContext['span']> {
  const about = { 'server.address': route.url.hostname, 'drawbridge.destination': route.destination };
  return (name) => {
    const step = trace.step(name, { client: true, under });
    const lines = step || !under ? trace.onwards(step) : under;
    return { lines: shownLines(lines), end: (more, error) => step?.end({ ...about, ...more }, error) };
  };
}

function shownLines(lines: HeaderLines): HeaderLines {
  const shown: string[] = [];
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [name = '', value = ''] = lines.slice(at, at + 2);
    if (value !== '' && name !== 'baggage') shown.push(name, value);
  }
  return shown;
}
