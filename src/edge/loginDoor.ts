import type { Exchange, Handler, Inbound, Reply, Signals } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import type { Seal } from '../core/seal.js';
import { splitTarget } from '../wire/paths.js';
import { confirmPage, onwardPage, type Page, pageOf, pastePage } from './loginPage.js';
import { CALLBACK_PATH, loginIdIn } from './loginPaths.js';
import { type AdminListener, type OwnListenerDeps, ownListener } from './ownListener.js';
import { idOf, PERSON_MS, type PendingLogins } from './pendingLogins.js';

/** A pasted address. Bytes. */
const MOST_PASTED = 16 * 1024;

export interface LoginDoorDeps extends OwnListenerDeps {
  readonly signals: Signals;
  readonly pending: PendingLogins;
  readonly seal: Seal;
  /** The redirect URI at our own address; absent where browsers come back to a port of their own. */
  readonly callback?: URL;
  /** What browsers know us by, where that isn't what they ask for behind a proxy. */
  readonly origin?: string;
}

/** `/login/<id>`, and the redirect URI at the public address, for people who log in. */
export function createLoginDoor(deps: LoginDoorDeps): AdminListener {
  return ownListener(new LoginPages(deps).handler, deps);
}

class LoginPages {
  readonly #deps: LoginDoorDeps;

  constructor(deps: LoginDoorDeps) {
    this.#deps = deps;
  }

  readonly handler: Handler = async (exchange) => {
    const { method, target } = exchange.request;
    const [path, query = ''] = splitTarget(target);
    if (path === CALLBACK_PATH) {
      assertMethod(method, 'GET');
      return reply(await this.#back(exchange.request, query));
    }
    assertMethod(method, 'GET', 'POST');
    return this.#page(loginIdIn(path) ?? '', exchange);
  };

  async #page(id: string, exchange: Exchange): Promise<Reply> {
    const pending = await this.#deps.pending.find(id);
    if (!pending) return reply(pageOf('not-yours'));
    const public_ = pending.redirectUri === this.#deps.callback?.href;
    if (exchange.request.method === 'GET') return reply(public_ ? confirmPage(pending) : pastePage(pending));
    assertOurs(exchange, this.#deps.origin);
    if (!public_) return reply(await this.#pasted(id, exchange));
    return reply(onwardPage(pending.authorization), ['set-cookie', this.#cookie(id)]);
  }

  /** A browser comes back that said yes here before: one that was sent to the login by another's link has not. */
  async #back(request: Inbound, query: string): Promise<Page> {
    const said = new URL(this.#deps.callback as URL);
    said.search = query;
    const id = idOf(said);
    if (id === undefined || !(await this.#deps.pending.find(id))) return pageOf('not-yours');
    if (!this.#isConfirmed(id, request)) {
      this.#deps.signals.emit('login.foreign');
      return pageOf('foreign');
    }
    return pageOf(await this.#deps.pending.arrive(said));
  }

  async #pasted(id: string, { request }: Exchange): Promise<Page> {
    const form = await request.body(MOST_PASTED, (bytes) => new URLSearchParams(bytes.toString()));
    const address = (form.get('address') ?? '').trim();
    const said = URL.canParse(address) ? new URL(address) : undefined;
    if (!said || idOf(said) !== id) return pageOf('not-pasted');
    const arrival = await this.#deps.pending.arrive(said);
    return pageOf(arrival === 'not-yours' ? 'not-pasted' : arrival);
  }

  /** For as long as a login may take. It proves that this browser said yes to that login, and nothing else. */
  #cookie(id: string): string {
    const secure = this.#isSecure ? '; Secure' : '';
    const life = Math.ceil(PERSON_MS / 1000);
    return `${this.#cookieName(id)}=${this.#proof(id)}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${life}${secure}`;
  }

  #isConfirmed(id: string, request: Inbound): boolean {
    const name = `${this.#cookieName(id)}=`;
    const cookies = (request.header('cookie') ?? '').split(';').map((each) => each.trim());
    return cookies.some(
      (each) => each.startsWith(name) && this.#deps.seal.isSigned(each.slice(name.length), boundTo(id)),
    );
  }

  #proof(id: string): string {
    return this.#deps.seal.sign(boundTo(id));
  }

  /** No other host, and nobody on plain http, can set one of this prefix (RFC 6265bis section 4.1.3.2). */
  #cookieName(id: string): string {
    return `${this.#isSecure ? '__Host-' : ''}drawbridge-login-${id.slice(0, 12)}`;
  }

  get #isSecure(): boolean {
    return this.#deps.callback?.protocol === 'https:';
  }
}

function boundTo(id: string): string {
  return scopeKey(null, 'login-confirmed', id);
}

function reply({ status, headers, body }: Page, more: readonly string[] = []): Reply {
  return { status, headers: [...headers, ...more], body, origin: 'gateway' };
}

function assertMethod(method: string, ...allowed: readonly string[]): void {
  if (allowed.includes(method)) return;
  const allow = allowed.join(', ');
  throw new GatewayError('METHOD_NOT_ALLOWED', 'the path does not take this method', {
    hint: `Use ${allow}.`,
    headers: ['allow', allow],
  });
}

/** `guard` has refused foreign origins; a form of our own always says where it stands. */
function assertOurs({ browserOrigin, request }: Exchange, ours: string | undefined): void {
  const site = request.header('sec-fetch-site');
  const host = (request.header('host') ?? '').toLowerCase();
  const same = browserOrigin !== undefined && (browserOrigin === ours || browserOrigin.endsWith(`://${host}`));
  if (same && (site === undefined || site === 'same-origin')) return;
  throw new GatewayError('ORIGIN_NOT_ALLOWED', 'the form was not sent from its own page', {
    hint: 'Open the link in a browser, and say yes there.',
  });
}
