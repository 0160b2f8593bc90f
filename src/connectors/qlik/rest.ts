import { createHash } from 'node:crypto';
import type { ToolContext } from '../../contracts/tools.js';
import type { Credential } from '../../contracts.js';
import { scopeKey } from '../../core/scopeKey.js';
import { Budgets } from './restBudgets.js';
import { QlikCalls } from './restCalls.js';
import type { QlikTenant, QlikUser, RestSettings } from './restTenant.js';

type Caller = Pick<ToolContext, 'owner' | 'credential' | 'signal'>;

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

  /** Tells one user from every other; nobody gets a credential back from it. */
  userOf(caller: Caller): string {
    return userOf(caller, this.#tenant.origin).cache;
  }
}

function userOf({ owner, credential, signal }: Caller, origin: string): QlikUser {
  const shown = fingerprint(credential);
  return {
    headers: headersOf(credential),
    budget: shown === '' ? scopeKey(owner, origin) : scopeKey(null, origin, shown),
    // A caller may have no name, or another user tomorrow: what was shown is part of whose an answer is.
    cache: scopeKey(owner, origin, shown),
    signal,
  };
}

function headersOf(credential: Credential | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  const lines = credential?.headers ?? [];
  for (let at = 0; at + 1 < lines.length; at += 2) headers[(lines[at] ?? '').toLowerCase()] = lines[at + 1] ?? '';
  return headers;
}

function fingerprint(credential: Credential | undefined): string {
  if (!credential) return '';
  return createHash('sha256').update(JSON.stringify(credential.headers)).digest('base64url');
}
