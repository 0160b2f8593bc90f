import { GatewayError } from '../../core/errors.js';
import { CredentialRefused, ToolError } from '../../core/toolErrors.js';

/** The engine's socket closed while somebody waited for an answer. */
export class EngineLost extends Error {
  /** The websocket's close code; 1006 where none came. */
  readonly code: number;

  constructor(code: number) {
    super(`the engine's socket closed with ${code}`);
    this.name = 'EngineLost';
    this.code = code;
  }

  /** False where another socket would be refused for the same reason, or where the engine asks for less. */
  get worthReopening(): boolean {
    return CLOSINGS[this.code]?.final !== true;
  }
}

/** The engine refused a method. Tools that know what a code means where they are say it better. */
export class EngineRefusal extends ToolError {
  /** Of the engine's own list. */
  readonly code: number;

  constructor(method: string, code: number, said: string) {
    super(`Qlik's engine refused ${method}: ${WORDS[code] ?? plain(said)} (code ${code}).`);
    this.name = 'EngineRefusal';
    this.code = code;
  }
}

/** A calculation that gave way to a change of the selection: worth another try. */
export const ABORTED = 15;
export const NOT_FOUND = 2;

/** What the engine's codes mean, where that helps; the names are LOCERR_… in its schema. */
const WORDS: Readonly<Record<number, string>> = {
  [NOT_FOUND]: 'there is no such object in this app',
  3: 'it exists already',
  5: 'this user may not do that',
  6: 'the engine is out of memory: ask for less, or select first',
  [ABORTED]: 'the calculation was broken off: repeat the call',
  19: 'the engine is out of memory: ask for less, or select first',
  1002: 'the app is open in another way',
  1003: 'there is no such app, or this user may not see it: check appId with qlik_search',
  1007: 'the app is damaged',
  1009: 'the app is open in another way',
  1015: 'the app is larger than this tenant opens',
  4000: 'this user may not do that',
  6001: 'the result is too large: ask for less, or select first',
  7000: 'a definition in it is not valid',
  7003: 'the calculation is too large: ask for less, or select first',
  7004: 'the calculation took too long: ask for less, or select first',
  7005: 'its calculation condition is not met: select something first',
  7009: 'the page is too large: ask for fewer rows',
};

interface Closing {
  readonly text: string;
  readonly final?: true;
}

/** Qlik's own close codes, and those of RFC 6455 section 7.4.1 that are met. */
const CLOSINGS: Readonly<Record<number, Closing>> = {
  1001: { text: 'the engine is going away' },
  1002: { text: 'the engine sent what is no message of its protocol' },
  1006: { text: 'the connection broke' },
  1009: { text: 'the answer is larger than maxMessageBytes allows: ask for less', final: true },
  1011: { text: 'the engine failed' },
  1012: { text: 'the engine restarts' },
  4001: { text: 'the engine ended the session since it was idle' },
  4005: {
    text: 'this user has as many engine sessions as Qlik allows: close apps with qlik_close_app, or wait a few minutes',
    final: true,
  },
  4006: { text: 'Qlik no longer takes the credential of this session' },
  4203: { text: 'this user may not open the app', final: true },
  4204: { text: 'there is no such app: check appId with qlik_search', final: true },
  4205: { text: 'too many requests: wait a minute', final: true },
  4230: {
    text: 'this user has no licence (entitlement) for analytics: ask the administrator of the tenant',
    final: true,
  },
  4240: { text: 'no engine has room for the app just now: try again in a minute', final: true },
};

/** The only close code that a fresh credential mends. */
export const REFUSED_CREDENTIAL = 4006;
/** Of the user's, wherever they are open. */
export const TOO_MANY_SESSIONS = 4005;

/** For a model: why the socket closed. */
export function closing(code: number): string {
  const known = CLOSINGS[code];
  return `${known?.text ?? 'the engine closed the session'} (close code ${code})`;
}

/** The engine closed the socket before the app was open: nothing of the call was sent. */
export function closedAtOpening(code: number, origin: string): Error {
  if (code === REFUSED_CREDENTIAL) return new CredentialRefused(closing(code));
  if (code < 4000)
    return new GatewayError('UPSTREAM_BROKE', `the engine of ${origin}: ${closing(code)}`, { neverSent: true });
  return new ToolError(`The app can't be opened: ${closing(code)}.`);
}

/** An answer to the upgrade that is no 101. */
export function upgradeRefused(origin: string, status: number, retryAfter: string | undefined): Error {
  if (status === 401) return new CredentialRefused(`the engine of ${origin} refused the credential`);
  if (status === 403) return new ToolError("The app can't be opened: this user may not open it (HTTP 403).");
  if (status === 404)
    return new ToolError("The app can't be opened: there is none (HTTP 404): check appId with qlik_search.");
  if (status === 429)
    return new ToolError(`Qlik takes no more sockets just now: wait ${waitOf(retryAfter)} (HTTP 429).`);
  const details = { neverSent: true };
  if (status >= 500)
    return new GatewayError('UPSTREAM_UNREACHABLE', `the engine of ${origin} answered ${status}`, details);
  return new GatewayError('UPSTREAM_REFUSED', `the engine of ${origin} answered the upgrade with ${status}`, details);
}

function waitOf(retryAfter: string | undefined): string {
  return retryAfter !== undefined && /^\d{1,5}$/.test(retryAfter) ? `${retryAfter} seconds` : 'a minute';
}

/** Words of the vendor's: one line of them, and not many. */
export function plain(said: string): string {
  const line = said.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  if (line === '') return 'it gave no reason';
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
