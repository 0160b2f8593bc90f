import type { Exchange, Kind, McpCall, Reply, Upstream, UpstreamDeps } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { safeToRepeat } from '../resilience/retry.js';
import { acceptedReply } from '../wire/messages.js';
import { envelopeFault, unknownMethod, unknownThing } from './federationAnswers.js';
import { Calls, Failure, type Json, type Request } from './federationCalls.js';
import { Directory, isListMethod, paramsOf } from './federationDirectory.js';
import { Discovery } from './federationDiscover.js';
import { Finder } from './federationFinder.js';
import { Health } from './federationHealth.js';
import { Listening } from './federationListen.js';
import { Lists } from './federationLists.js';
import { Members } from './federationMembers.js';
import { type FederationOptions, federationOptions } from './federationOptions.js';
import { Shelf } from './federationShelf.js';
import { withText } from './federationText.js';

type Answer = (calls: Calls, call: McpCall) => Promise<Reply>;

/**
 * Many destinations as one (2026-07-28 to its callers and to its members). Each member is called as its caller would call
 * it itself, so its permissions, limits and credential hold, whatever its things are called here.
 */
class Federation implements Upstream {
  readonly name: string;
  readonly strategy = 'PROXY';
  readonly url: URL;
  readonly allowedOrigins = [];
  readonly allowPrivate = false;
  readonly era = 'modern';
  readonly delegates = true;
  /** Members may be shown headers of the caller's own. */
  readonly personal = true;
  readonly #deps: UpstreamDeps;
  readonly #listMs: number;
  readonly #members: Members;
  readonly #directory: Directory;
  readonly #health: Health;
  readonly #finder: Finder;
  readonly #lists: Lists;
  readonly #discovery: Discovery;
  readonly #listenings = new Set<Listening>();
  readonly #answers: ReadonlyMap<string, Answer>;

  constructor(options: FederationOptions, deps: UpstreamDeps) {
    const { name, clock, signals } = deps;
    this.name = name;
    // Nothing is served there: every destination is routed to some URL.
    this.url = new URL(`federation:${name}`);
    this.#deps = deps;
    this.#listMs = options.listMs;
    this.#members = new Members(options);
    this.#health = new Health(signals, name);
    this.#directory = new Directory(options, this.#health, new Shelf(clock));
    this.#finder = new Finder(this.#members, this.#directory, options.graceMs, clock);
    this.#lists = new Lists(name, this.#members, this.#directory);
    this.#discovery = new Discovery(name, this.#members, this.#directory, new Shelf(clock), options.graceMs);
    this.#answers = new Map<string, Answer>([
      ['server/discover', (calls, call) => this.#discovery.answer(calls, call)],
      ['tools/call', (calls, call) => this.#callNamed(calls, call, 'tools', ['params', 'name'])],
      ['prompts/get', (calls, call) => this.#callNamed(calls, call, 'prompts', ['params', 'name'])],
      ['resources/read', (calls, call) => this.#read(calls, call)],
      ['completion/complete', (calls, call) => this.#complete(calls, call)],
      ['subscriptions/listen', (calls, call) => this.#listen(calls, call)],
      ...['tasks/get', 'tasks/update', 'tasks/cancel'].map((method): [string, Answer] => [
        method,
        (calls, call) => this.#task(calls, call),
      ]),
    ]);
  }

  safeToRepeat(call: McpCall): boolean {
    return safeToRepeat(call, () => false);
  }

  resolve(base: URL): URL {
    return base;
  }

  async send(exchange: Exchange): Promise<Reply> {
    const { call } = exchange;
    if (!call || exchange.request.method !== 'POST') {
      throw new GatewayError('METHOD_NOT_ALLOWED', 'a federation has no sessions and no streams to take up', {
        hint: 'Use POST.',
        headers: ['allow', 'POST'],
      });
    }
    if (call.kind === 'notification') return acceptedReply();
    if (call.kind !== 'request') throw new GatewayError('INVALID_REQUEST', `a ${call.kind} can't be answered`);
    const params = paramsOf(call.body);
    return envelopeFault(call, params) ?? this.#answer(new Calls(exchange, this.#deps), call);
  }

  async close(): Promise<void> {
    for (const listening of this.#listenings) listening.close();
  }

  #answer(calls: Calls, call: McpCall): Promise<Reply> {
    const { method = '' } = call;
    if (isListMethod(method)) return this.#lists.answer(calls, call, method);
    const answer = this.#answers.get(method);
    if (answer) return answer(calls, call);
    const { only } = this.#members;
    return only === undefined
      ? Promise.resolve(unknownMethod(call))
      : this.#pass(calls, call, only, unknownMethod(call));
  }

  /** A call by a name of ours, which becomes the member's own; not one byte else changes. */
  async #callNamed(
    calls: Calls,
    call: McpCall,
    kind: 'tools' | 'prompts',
    path: readonly string[],
    name = call.name,
  ): Promise<Reply> {
    const unknown = unknownThing(call, `Unknown ${kind === 'tools' ? 'tool' : 'prompt'}: ${name ?? ''}`);
    const found = name === undefined ? undefined : await this.#finder.named(calls, kind, name);
    if (!found) return unknown;
    if (found instanceof Failure) return found.give();
    return this.#pass(calls, call, found.member, unknown, withText(textOf(call), path, found.own));
  }

  async #read(calls: Calls, call: McpCall): Promise<Reply> {
    const { name: uri } = call;
    if (uri === undefined) return unknownThing(call, 'uri is required');
    // What a person answered, and what one member asked to be told again, is for that member alone.
    const { inputResponses: _, requestState: __, ...asked } = paramsOf(call.body);
    return this.#passTo(calls, call, await this.#finder.resource(calls, uri, question(call, 'resources/read', asked)));
  }

  /** Of the tasks extension: whoever knows the task has it. */
  async #task(calls: Calls, call: McpCall): Promise<Reply> {
    const { taskId, _meta } = paramsOf(call.body);
    if (typeof taskId !== 'string') return unknownThing(call, 'taskId is required');
    const probe = question(call, 'tasks/get', { taskId, _meta });
    return this.#passTo(calls, call, await this.#finder.asked(calls, taskId, probe));
  }

  async #complete(calls: Calls, call: McpCall): Promise<Reply> {
    const { ref } = paramsOf(call.body);
    if (!isObject(ref)) return unknownThing(call, 'ref is required');
    if (ref.type === 'ref/prompt') {
      const name = typeof ref.name === 'string' ? ref.name : undefined;
      return this.#callNamed(calls, call, 'prompts', ['params', 'ref', 'name'], name);
    }
    const template = typeof ref.uri === 'string' ? ref.uri : '';
    return this.#passTo(calls, call, await this.#finder.template(calls, template));
  }

  #passTo(calls: Calls, call: McpCall, owner: string | Failure | undefined): Promise<Reply> | Reply {
    if (owner instanceof Failure) return owner.give();
    const unknown = unknownThing(call, `Not found: ${call.name ?? ''}`);
    return owner === undefined ? unknown : this.#pass(calls, call, owner, unknown);
  }

  /** `unknown` is the answer of a member that the caller may not see: it has nothing. */
  async #pass(calls: Calls, call: McpCall, member: string, unknown: Reply, text = textOf(call)): Promise<Reply> {
    try {
      return await calls.pass(JSON.parse(text) as Request, member, text);
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'UNKNOWN_DESTINATION') return unknown;
      throw error;
    }
  }

  #listen(calls: Calls, call: McpCall): Promise<Reply> {
    const deps = {
      members: this.#members,
      finder: this.#finder,
      directory: this.#directory,
      health: this.#health,
      listMs: this.#listMs,
    };
    const listening: Listening = new Listening(deps, calls, call, () => this.#listenings.delete(listening));
    this.#listenings.add(listening);
    return listening.answer();
  }
}

function textOf({ body }: McpCall): string {
  return (body as Buffer).toString();
}

/** What is asked to find out whose something is. */
function question(call: McpCall, method: string, params: Json): Request {
  return { jsonrpc: '2.0', id: call.id ?? 0, method, params };
}

const federation: Kind<Upstream, FederationOptions, UpstreamDeps> = {
  options: federationOptions,
  create: (given, deps) => new Federation(given, deps),
};

export default federation;
