import type { ToolContext } from '../../contracts/tools.js';
import type { Credential } from '../../contracts.js';
import { claimsIn } from '../../core/claims.js';
import { scopeKey } from '../../core/scopeKey.js';
import { fingerprint } from './fingerprint.js';
import { Budgets } from './restBudgets.js';
import { QlikCalls } from './restCalls.js';
import type { QlikTenant, QlikUser, RestSettings } from './restTenant.js';

type Caller = Pick<ToolContext, 'owner' | 'credential' | 'signal' | 'span'>;

/**
 * The REST interface of one tenant. It knows nobody: `for` makes what calls on somebody's behalf, once per call, so that
 * nothing of one caller's can be left over for the next.
 */
export class QlikRest {
  readonly #tenant: QlikTenant;

  constructor(settings: RestSettings, deps: QlikTenant['deps']) {
    const { url, ...rest } = settings;
    const budgets = new Budgets(deps.clock);
    this.#tenant = { ...rest, origin: url.origin, deps, budgets, ending: new Set(), forgotten: 0 };
  }

  for(caller: Caller): QlikCalls {
    return new QlikCalls(this.#tenant, userOf(caller, this.#tenant.origin));
  }

  /** Tells those apart for whom the same app is kept twice; nobody gets a credential back from it. */
  keeperOf(caller: Caller, appId: string): string {
    const { common, origin } = this.#tenant;
    const { cache, commonCache } = userOf(caller, origin);
    return common?.has(appId) ? commonCache : cache;
  }
}

function userOf({ owner, credential, signal, span }: Caller, origin: string): QlikUser {
  const shown = credential ? fingerprint(credential.headers) : '';
  // A caller may have no name, or another user tomorrow: what was shown is part of whose an answer is.
  const seenAs = toldBy(credential) ?? shown;
  const cache = scopeKey(owner, origin, seenAs);
  return {
    headers: headersOf(credential),
    budget: shown === '' ? scopeKey(owner, origin) : scopeKey(null, origin, shown),
    cache,
    commonCache: credential?.callers ? cache : scopeKey(null, origin, seenAs),
    signal,
    span,
  };
}

/** Of these a token is made anew, for the same user with the same rights. */
const OF_ONE_TOKEN = ['exp', 'iat', 'nbf', 'jti'];

/**
 * What a token of the vendor's says, so that answers outlive it and replicas have them in common. Undefined where it says
 * nothing, something else is shown besides, or the caller has sent it: that one may say what it likes.
 */
function toldBy(credential: Credential | undefined): string | undefined {
  if (!credential || credential.callers) return undefined;
  const { headers, token } = credential;
  if (headers.length !== 2 || headers[1] !== `Bearer ${token.value}`) return undefined;
  const claims = claimsIn(token.value);
  if (typeof claims?.sub !== 'string') return undefined;
  const lasting = Object.entries(claims).filter(([name]) => !OF_ONE_TOKEN.includes(name));
  return `says ${fingerprint(lasting.toSorted(([a], [b]) => (a < b ? -1 : 1)))}`;
}

function headersOf(credential: Credential | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  const lines = credential?.headers ?? [];
  for (let at = 0; at + 1 < lines.length; at += 2) headers[(lines[at] ?? '').toLowerCase()] = lines[at + 1] ?? '';
  return headers;
}
