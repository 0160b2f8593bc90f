import type { HeaderLines, Reply } from '../contracts.js';
import { isObject, parsedOrNothing } from '../core/json.js';
import { headerValue } from '../wire/headers.js';
import type { Json, Said } from './messageCallerSaid.js';

/** So many subscriptions are taken along into a new session; those made longest ago are forgotten first. */
const MOST_SUBSCRIPTIONS = 1_000;

/** What a server declares that it tells changes of, and how. */
const TOLD = ['tools', 'prompts', 'resources'] as const;

/** A session of the revisions up to 2025-11-25, and what it takes to begin it anew. */
export class LegacySession {
  /** As the caller sent it; undefined: no session was ever asked for. */
  initialize: Said | undefined = undefined;
  initialized: Said | undefined = undefined;
  id: string | undefined = undefined;
  revision: string | undefined = undefined;
  /** What every message in it says. */
  lines: HeaderLines = [];
  /** Grows with every session that begins. */
  generation = 0;
  #server: Json | undefined = undefined;
  #level: Said | undefined = undefined;
  readonly #subscriptions = new Map<string, Said>();

  /** The caller begins: what it asked for in an older session is none of the new one's. */
  begin(initialize: Said): void {
    this.end();
    this.initialize = initialize;
    this.initialized = undefined;
    this.#server = undefined;
    this.#level = undefined;
    this.#subscriptions.clear();
  }

  /** No session is named any more. */
  end(): void {
    this.id = undefined;
    this.revision = undefined;
    this.lines = [];
  }

  /** The server answered an `initialize`. True where it isn't the server that the caller knows. */
  established({ headers }: Reply, text: string): boolean {
    const answer = parsedOrNothing(text);
    const result = isObject(answer) && isObject(answer.result) ? answer.result : {};
    this.id = headerValue(headers, 'mcp-session-id');
    this.revision = typeof result.protocolVersion === 'string' ? result.protocolVersion : undefined;
    this.lines = [
      ...(this.id === undefined ? [] : ['Mcp-Session-Id', this.id]),
      ...(this.revision === undefined ? [] : ['MCP-Protocol-Version', this.revision]),
    ];
    this.generation += 1;
    const known = this.#server;
    const server = { serverInfo: result.serverInfo, capabilities: result.capabilities };
    this.#server ??= server;
    return known !== undefined && JSON.stringify(known) !== JSON.stringify(server);
  }

  /** Notifications that make a caller look anew at what the server it first met said it would tell changes of. */
  changes(): string[] {
    const capabilities = isObject(this.#server?.capabilities) ? this.#server.capabilities : {};
    const declared = TOLD.filter((kind) => {
      const capability = capabilities[kind];
      return isObject(capability) && capability.listChanged === true;
    });
    return declared.map((kind) => JSON.stringify({ jsonrpc: '2.0', method: `notifications/${kind}/list_changed` }));
  }

  /** A request of the caller was answered; some of them hold for as long as the session. */
  note(said: Said): void {
    const { method } = said.call;
    if (method === 'logging/setLevel') this.#level = said;
    const { uri } = said.params;
    if (typeof uri !== 'string') return;
    if (method === 'resources/unsubscribe') this.#subscriptions.delete(uri);
    if (method !== 'resources/subscribe') return;
    this.#subscriptions.delete(uri);
    this.#subscriptions.set(uri, said);
    if (this.#subscriptions.size > MOST_SUBSCRIPTIONS) {
      this.#subscriptions.delete(this.#subscriptions.keys().next().value as string);
    }
  }

  /** What a new session has to be told again. */
  again(): Said[] {
    return [...(this.#level ? [this.#level] : []), ...this.#subscriptions.values()];
  }
}
