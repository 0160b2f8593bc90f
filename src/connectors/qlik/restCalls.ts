import type { HeaderLines, RestRequest, RestResponse } from '../../contracts.js';
import { GatewayError } from '../../core/errors.js';
import { ToolError } from '../../core/toolErrors.js';
import { retryAfterMs } from '../../wire/headers.js';
import { budgetOf } from './endpoints.js';
import { noAnswer, objectIn, refusalOf, saidIn } from './restAnswers.js';
import type { Budget } from './restBudgets.js';
import { cursorOf, cursorQuery, expandPath, queryOf, type Values } from './restPath.js';
import type { Keep, QlikTenant, QlikUser } from './restTenant.js';
import { spanned } from './spans.js';

type Json = Record<string, unknown>;
type Method = RestRequest['method'];

/** What is asked, besides the path of the table. */
export interface Asked {
  readonly variables?: Values;
  readonly query?: Values;
  /** Absent: the answer is never kept. */
  readonly keep?: Keep;
}

export interface Sent extends Pick<Asked, 'variables' | 'query'> {
  readonly body?: unknown;
  /** True for a POST that only asks: nothing that is kept is any older for it. */
  readonly asks?: boolean;
}

export interface Page {
  readonly data: readonly Json[];
  /** What to ask for next; absent at the end. */
  readonly nextCursor?: string;
}

/** One call on the wire. */
interface Call {
  readonly method: Method;
  readonly template: string;
  readonly target: string;
  readonly body?: string;
}

/** 429 that one call takes, each with a time to wait that fits into its bound. */
const MOST_REFUSALS = 3;

/** Calls on behalf of one caller. Rejects with a ToolError, a CredentialRefused, a GatewayError, or the signal's reason. */
export class QlikCalls {
  readonly #tenant: QlikTenant;
  readonly #user: QlikUser;

  constructor(tenant: QlikTenant, user: QlikUser) {
    this.#tenant = tenant;
    this.#user = user;
  }

  async get(path: string, asked: Asked = {}): Promise<Json> {
    return objectIn(await this.text(path, asked), this.#tenant.origin);
  }

  /** For what isn't JSON, such as logs. */
  text(path: string, asked: Asked = {}): Promise<string> {
    return this.#read(path, asked, queryOf(asked.query));
  }

  /** One page of a list; the first one where there is no cursor. */
  async page(path: string, asked: Asked = {}, cursor?: string): Promise<Page> {
    const { origin } = this.#tenant;
    const query = cursor === undefined ? queryOf(asked.query) : cursorQuery(cursor);
    const { data, links } = objectIn(await this.#read(path, asked, query), origin) as PageBody;
    if (!Array.isArray(data)) throw new GatewayError('UPSTREAM_GARBAGE', `${origin} answered a list without data`);
    const next = cursorOf(links?.next?.href, origin);
    if (next !== undefined && next === query) throw looping();
    return { data: data as Json[], ...(next === undefined ? {} : { nextCursor: next }) };
  }

  /** Page by page, at most so many. One who stops earlier finds the way on in the last page. */
  async *pages(path: string, asked: Asked = {}, mostPages = 20, from?: string): AsyncGenerator<Page> {
    const seen = new Set<string>();
    let cursor = from;
    for (let count = 0; count < mostPages; count++) {
      const page = await this.page(path, asked, cursor);
      yield page;
      cursor = page.nextCursor;
      if (cursor === undefined) return;
      if (seen.has(cursor)) throw looping();
      seen.add(cursor);
    }
  }

  /** What changes something: answers that are kept of that resource are forgotten, whoever they were for. */
  async send(method: Exclude<Method, 'GET'>, path: string, sent: Sent = {}): Promise<Json> {
    const target = targetOf(path, sent.variables, queryOf(sent.query));
    const body = sent.body === undefined ? {} : { body: JSON.stringify(sent.body) };
    try {
      const answer = await this.#exchange({ method, template: path, target, ...body });
      return objectIn(answer.body, this.#tenant.origin);
    } finally {
      // Also where it failed: it may have been done.
      if (!sent.asks) await this.forget(resourceOf(path));
    }
  }

  /** Drops what is kept of a resource, or of one of its members, and the lists of items that show them. */
  async forget(resource: string, id?: string): Promise<void> {
    this.#tenant.forgotten++;
    const { cache, origin } = this.#tenant;
    await cache.drop(id === undefined ? `${origin} ${resource} ` : `${origin} ${resource} ${encodeURIComponent(id)} `);
    await cache.drop(`${origin} items `);
  }

  async #read(path: string, { variables = {}, keep }: Asked, query: string): Promise<string> {
    const target = targetOf(path, variables, query);
    const ttlMs = keep === undefined ? 0 : this.#tenant.lives[keep];
    const call: Call = { method: 'GET', template: path, target };
    if (!(ttlMs > 0)) return (await this.#exchange(call)).body;
    const { cache, deps, forgotten } = this.#tenant;
    const key = this.#keyOf(path, variables, target);
    const kept = await cache.get(key);
    deps.signals.emit(kept === undefined ? 'qlik.cache-missed' : 'qlik.cache-hit', { destination: deps.name });
    if (kept !== undefined) return kept;
    const { body } = await this.#exchange(call);
    if (this.#tenant.forgotten === forgotten) await cache.set(key, body, ttlMs);
    return body;
  }

  /** What it is about comes first, so that it can be forgotten; none of those parts can hold a space. */
  #keyOf(path: string, variables: Values, target: string): string {
    const [id = ''] = Object.values(variables);
    const { origin, apiVersion, common } = this.#tenant;
    const { cache, commonCache } = this.#user;
    const keeper = common?.has(String(variables.appId)) ? commonCache : cache;
    return `${origin} ${resourceOf(path)} ${encodeURIComponent(id)} ${keeper} ${apiVersion} ${target}`;
  }

  async #exchange(call: Call): Promise<RestResponse> {
    const { deps, budgets, maxWaitMs, origin } = this.#tenant;
    const budget = budgetOf(call.method, call.template);
    let left = maxWaitMs;
    for (let refusals = 1; ; refusals++) {
      left = await this.#turn(budget, left);
      const answer = await this.#send(call);
      this.#noteEnd(call, answer);
      if (answer.status >= 200 && answer.status < 300) return answer;
      if (answer.status !== 429) throw refusalOf(answer, origin);
      const waitMs = retryAfterMs(answer.headers['retry-after'], deps.clock.now());
      // Without a time to wait it isn't the rate: a reload of that app is pending already, for one.
      if (waitMs === undefined) throw new ToolError(`Qlik answered 429${saidIn(answer.body)}`);
      budgets.close(this.#user.budget, budget, waitMs);
      if (refusals >= MOST_REFUSALS) throw tooMany(budget, waitMs);
    }
  }

  /** A path's template is the same for everybody: no span holds what it was filled in with. */
  #send(call: Call): Promise<RestResponse> {
    const { deps } = this.#tenant;
    const { signal, span } = this.#user;
    const sending = (lines: HeaderLines) =>
      deps.rest(this.#requestOf(call, lines)).catch((error: unknown) => {
        throw noAnswer(error, signal);
      });
    return spanned(span, `${call.method} ${call.template}`, sending, ({ status }) => status);
  }

  /** Waits until the budget has room. Resolves with what is left of the time to wait. */
  async #turn(budget: Budget, leftMs: number): Promise<number> {
    const { deps, budgets } = this.#tenant;
    let left = leftMs;
    for (;;) {
      const ms = budgets.take(this.#user.budget, budget);
      if (ms === 0) return left;
      if (ms > left) throw tooMany(budget, ms);
      deps.signals.emit('qlik.slowed', { destination: deps.name, budget: budget.name, ms: Math.ceil(ms) });
      await deps.clock.sleep(ms, this.#user.signal);
      left -= ms;
    }
  }

  #requestOf({ method, template, target, body }: Call, lines: HeaderLines): RestRequest {
    const { origin, apiVersion, maxBytes, deadlineMs } = this.#tenant;
    const headers: Record<string, string> = { accept: 'application/json, text/plain;q=0.9', ...this.#user.headers };
    if (!template.startsWith('/api/v1/')) headers['qlik-api-version'] = apiVersion;
    for (let at = 0; at + 1 < lines.length; at += 2) headers[lines[at] ?? ''] = lines[at + 1] ?? '';
    if (body !== undefined) headers['content-type'] = 'application/json';
    const sent = body === undefined ? {} : { body };
    const bounds = { signal: this.#user.signal, maxBytes, deadlineMs };
    return { method, url: `${origin}${target}`, headers, keepAlive: method === 'GET', ...bounds, ...sent };
  }

  /** Once per endpoint: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594). */
  #noteEnd({ method, template }: Call, { headers }: RestResponse): void {
    const { deps, ending } = this.#tenant;
    const { deprecation, sunset } = headers;
    const endpoint = `${method} ${template}`;
    if ((deprecation === undefined && sunset === undefined) || ending.has(endpoint)) return;
    ending.add(endpoint);
    deps.signals.emit('qlik.deprecated', { destination: deps.name, endpoint, deprecation, sunset });
  }
}

interface PageBody {
  readonly data?: unknown;
  readonly links?: { readonly next?: { readonly href?: string | null } };
}

function targetOf(path: string, variables: Values | undefined, query: string): string {
  const expanded = expandPath(path, variables);
  return query === '' ? expanded : `${expanded}?${query}`;
}

/** `/api/v1/spaces/{spaceId}` and `/api/scheduling/tasks` → the third part, in both ways to write it. */
function resourceOf(path: string): string {
  return path.split('/')[3] ?? '';
}

function looping(): ToolError {
  return new ToolError('Qlik names the same next page twice: the list was broken off rather than read for ever.');
}

function tooMany({ name, perMinute }: Budget, ms: number): ToolError {
  const seconds = Math.ceil(ms / 1000);
  const limit = `${perMinute} calls a minute (${name})`;
  return new ToolError(`Qlik Cloud takes at most ${limit} from one user: repeat the call in ${seconds} seconds.`);
}
