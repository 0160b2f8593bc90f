import type { Exchange, McpCall, Outcome } from '../contracts.js';
import { globs } from '../core/glob.js';
import { isObject, parsedOrNothing } from '../core/json.js';
import type { AuditedEntry } from '../policy/auditChain.js';
import type { AuditSettings } from '../policy/auditSchema.js';

/** What of a call's arguments is kept. */
export interface ArgumentRule {
  readonly names: boolean;
  /** Whether the values are kept too. */
  values(destination: string): boolean;
}

export const NAMES_ONLY: ArgumentRule = { names: true, values: () => false };

/** Refusals that are ours to give; the same status from an upstream is its answer to a call that was let through. */
const REFUSALS = new Set([401, 403, 429]);
/** Methods whose `params.arguments` a person or a model chose. */
const WITH_ARGUMENTS = new Set(['tools/call', 'prompts/get']);
const MOST_NAMES = 100;
const LONGEST_NAME = 64;
const LONGEST_VALUE = 200;

export function argumentRule(settings: Pick<AuditSettings, 'arguments' | 'values'>): ArgumentRule {
  return { names: settings.arguments === 'names', values: globs(settings.values) };
}

/**
 * What the audit log keeps of an exchange that is over. The body is looked at here and only for calls that have arguments.
 * `at` in epoch milliseconds, `address` the caller's own.
 */
export function entryOf(
  exchange: Exchange,
  address: string,
  outcome: Outcome,
  status: number,
  at: number,
  rule: ArgumentRule = NAMES_ONLY,
): AuditedEntry {
  const { call, failure, principal, request } = exchange;
  const destination = exchange.route?.destination ?? exchange.decision?.destination;
  const shown = argumentsOf(call, rule);
  const entry = {
    at,
    requestId: exchange.id,
    action: call?.kind === 'batch' ? 'batch' : (call?.method ?? request.method),
    subject: principal?.subject,
    tenant: principal?.tenant,
    address,
    destination,
    method: request.method,
    name: call?.kind === 'batch' ? batchNames(call) : call?.name,
    argumentNames: Object.keys(shown).slice(0, MOST_NAMES).map(legible),
    outcome: verdictOf(failure?.code, outcome, status),
    status,
    code: failure?.code,
  };
  if (destination === undefined || entry.argumentNames.length === 0 || !rule.values(destination)) return entry;
  return { ...entry, argumentValues: valuesOf(shown) };
}

/** A session of somebody else's is refused as if it were gone (404): it counts as what it is. */
function verdictOf(code: string | undefined, outcome: Outcome, status: number): AuditedEntry['outcome'] {
  if (code !== undefined && (REFUSALS.has(status) || code === 'SESSION_LOST')) return 'refused';
  return code !== undefined || status >= 500 || outcome === 'upstream-broke' ? 'failed' : 'allowed';
}

const NONE: Readonly<Record<string, unknown>> = {};

function argumentsOf(call: McpCall | undefined, rule: ArgumentRule): Readonly<Record<string, unknown>> {
  if (!rule.names || !call?.body || call.kind !== 'request' || !WITH_ARGUMENTS.has(call.method ?? '')) return NONE;
  const given = member(member(parsedOrNothing(call.body.toString()), 'params'), 'arguments');
  return isObject(given) ? given : NONE;
}

/** `tools/call echo, tools/list`: a batch has one line, and says what was in it. */
function batchNames(call: McpCall): string {
  const messages = call.body ? parsedOrNothing(call.body.toString()) : [];
  if (!Array.isArray(messages)) return '';
  return messages
    .slice(0, MOST_NAMES)
    .map((message) => {
      const name = member(member(message, 'params'), 'name') ?? member(member(message, 'params'), 'uri');
      return [member(message, 'method'), name].filter((part) => typeof part === 'string').join(' ');
    })
    .join(', ');
}

function member(value: unknown, key: string): unknown {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** Callers choose these: bounded, and without what a terminal obeys. */
function legible(name: string): string {
  const short = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
  return short.replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const REDACTED = '[redacted]';
/** Names of members that hold secrets, by what they are usually called. */
const SECRET_NAME =
  /pass|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|^key$|auth|credential|cookie|session|bearer|signature|jwt|otp|^pin$/i;
/** Values that are secrets by their shape: a JWT, a scheme of `Authorization`, a PEM key, user and password in a URL. */
const SECRET_VALUE = /\beyJ[\w-]{8,}\.[\w-]+|\b(?:bearer|basic)\s+\S{8,}|-----BEGIN |:\/\/[^\s/@]+:[^\s/@]+@/i;

function valuesOf(shown: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(shown)
    .slice(0, MOST_NAMES)
    .map(([name, value]) => (SECRET_NAME.test(name) ? REDACTED : clip(JSON.stringify(value, redact) ?? '')));
}

function redact(key: string, value: unknown): unknown {
  if (SECRET_NAME.test(key)) return REDACTED;
  return typeof value === 'string' && SECRET_VALUE.test(value) ? REDACTED : value;
}

function clip(text: string): string {
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}
