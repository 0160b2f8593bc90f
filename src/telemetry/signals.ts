import type { LogLevel } from '../contracts/logLevels.js';
import type { Signals } from '../contracts.js';

/** What signals are written to: the log manager, or a list in a test. */
export interface SignalLog {
  /** Of one destination, or of what has none (an empty name); without a name, whether it is wanted of any. */
  enabled(level: LogLevel, destination?: string): boolean;
  write(level: LogLevel, signal: string, text: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The one table of happenings: level and text. `docs/signals.md` is checked against it both ways. */
export const SIGNALS = {
  'server.listening': { level: 'info', text: 'listening' },
  'server.draining': { level: 'info', text: 'draining: new work is refused, running calls may finish' },
  'server.still-draining': { level: 'info', text: 'still draining' },
  'server.stopped': { level: 'info', text: 'stopped' },
  'server.cut': { level: 'warn', text: 'a second signal: ended at once, with whatever was under way' },
  'server.full': { level: 'warn', text: 'as many connections as this process can serve: further ones are refused' },
  'server.room': { level: 'info', text: 'there is room for connections again' },
  'memory.short': { level: 'warn', text: 'memory runs short: a share of new calls is refused' },
  'memory.enough': { level: 'info', text: 'there is enough memory again' },
  'service-manager.deaf': { level: 'warn', text: 'the service manager cannot be told how this process does' },
  'server.exposed': {
    level: 'warn',
    text: 'listening beyond loopback without knowing callers: whoever reaches this port uses its credentials',
  },
  'admin.listening': { level: 'info', text: 'the management API listens' },
  'identity.unavailable': {
    level: 'warn',
    text: 'callers cannot be checked: their issuer does not answer as it should',
  },
  'keys.unreadable': {
    level: 'error',
    text: 'the file of API keys cannot be used: the keys known so far stay',
  },
  'worker.lost': { level: 'warn', text: 'a worker ended by itself: another one takes its place' },
  'config.notice': { level: 'info', text: 'configuration' },
  'config.reloaded': { level: 'info', text: 'configuration reloaded' },
  'config.refused': { level: 'error', text: 'the changed configuration has faults; the running one stays' },
  'secrets.changed': { level: 'info', text: 'a secret has changed: the configuration is loaded again' },
  'secrets.lost': { level: 'warn', text: 'a secret manager does not show what it did: its last values stay' },
  'secrets.back': { level: 'info', text: 'the secret manager shows its secrets again' },
  exchange: { level: 'info', text: 'exchange' },
  'exchange.headers': { level: 'debug', text: 'request headers' },
  'exchange.failed': { level: 'error', text: 'an exchange failed for a reason that is ours' },
  'attempt.repeated': { level: 'info', text: 'repeating a call that is safe to repeat' },
  'attempt.replayed': { level: 'info', text: 'the upstream refused the credential: replaying once with a fresh one' },
  'attempt.budget-spent': {
    level: 'debug',
    text: 'not repeating: too many of the last calls to this destination were repeated',
  },
  'tool.failed': { level: 'error', text: 'a tool of this house broke: its caller is told no more than that' },
  'toolset.idle-pattern': { level: 'warn', text: 'a pattern of include or exclude is the name of no tool' },
  'toolset.warm': { level: 'info', text: 'a toolset has read ahead what callers will ask for' },
  'toolset.cold': { level: 'warn', text: 'a toolset could not be warmed up: the first calls do what is missing' },
  'federation.member-lost': { level: 'warn', text: 'a member of a federation does not answer: lists go without it' },
  'federation.member-back': { level: 'info', text: 'a member of a federation answers again' },
  'circuit.opened': { level: 'warn', text: 'the destination is left alone for a while' },
  'circuit.half-open': { level: 'info', text: 'the next call tries the destination' },
  'circuit.closed': { level: 'info', text: 'the destination serves again' },
  'circuit.held': { level: 'warn', text: 'an operator has the destination left alone' },
  'circuit.released': { level: 'info', text: 'the operator no longer has the destination left alone' },
  'circuit.suspected': { level: 'info', text: 'another process leaves the destination alone: the next call tries it' },
  'rules.failed': { level: 'warn', text: "the destination's own rules threw: it is judged as if it had none" },
  'answers.lost': {
    level: 'warn',
    text: 'the shared store does not answer: what a vendor said is kept in this process alone',
  },
  'answers.back': {
    level: 'info',
    text: 'the shared store answers again: what a vendor said is kept for all replicas',
  },
  'hints.lost': { level: 'warn', text: 'the shared store does not answer: breakers open by what this process sees' },
  'hints.back': { level: 'info', text: 'the shared store answers again: breakers hear of each other' },
  'fallback.used': { level: 'info', text: 'another destination answers in the place of one that cannot be had' },
  'pool.member-ejected': { level: 'warn', text: 'a member of a pool keeps failing: it is left out for a while' },
  'pool.member-unhealthy': { level: 'warn', text: 'a member of a pool fails its health checks: it is left out' },
  'pool.member-back': { level: 'info', text: 'a member of a pool gets calls again' },
  'token.acquired': { level: 'info', text: 'token acquired' },
  'token.refreshed': { level: 'info', text: 'token refreshed ahead of its end' },
  'token.failed': { level: 'warn', text: 'no token could be had' },
  'child.started': { level: 'info', text: 'a process was started' },
  'child.stopped': { level: 'info', text: 'a process was ended, and everything that it had started' },
  'child.lost': { level: 'warn', text: 'a process ended by itself: its sessions are lost' },
  'child.too-large': {
    level: 'warn',
    text: 'a process and what it started have more memory than they may: they are killed',
  },
  'child.unmeasured': {
    level: 'warn',
    text: 'the memory of processes cannot be read here: maxMemoryMiB has no effect',
  },
  'child.stderr': { level: 'info', text: 'a process wrote to its stderr' },
  'child.noise': { level: 'warn', text: 'a process writes to its stdout what is no message: it is ignored' },
  'store.full': { level: 'warn', text: 'the memory store is full: what it holds stays, nothing new is kept' },
  'admin.changed': { level: 'info', text: 'somebody changed something by the management API' },
  'audit.torn': { level: 'warn', text: 'the audit log ended in half a line: it was set aside, and the chain goes on' },
  'audit.dropped': {
    level: 'error',
    text: 'audit lines were lost: the queue is full, or the log was closed before they could be written',
  },
  'audit.failed': { level: 'error', text: 'the audit log cannot be written: what comes meanwhile waits' },
  'audit.recovered': { level: 'info', text: 'the audit log is written again' },
  'audit.connection-lost': { level: 'warn', text: 'the connection to the database of the audit log is gone' },
  'traces.lost': { level: 'warn', text: 'the collector takes no spans: some wait, and those past that are dropped' },
  'traces.back': { level: 'info', text: 'the collector takes spans again; so many were dropped' },
  'overload.began': { level: 'warn', text: 'the event loop lags: a share of new calls is refused' },
  'overload.ended': { level: 'info', text: 'the event loop keeps up again' },
  'store.lost': { level: 'warn', text: 'the shared store does not answer: limits are counted by this process alone' },
  'store.back': { level: 'info', text: 'the shared store answers again' },
  'bridge.session-lost': {
    level: 'info',
    text: 'the server forgot a session of the bridge: a new one takes its place',
  },
  'bridge.call-expired': { level: 'info', text: 'nobody answered what a server asked for: its call is cancelled' },
  'login.wanted': {
    level: 'warn',
    text: 'a person must log in: the browser, or the answer to the call, has the address',
  },
  'login.foreign': {
    level: 'warn',
    text: 'a browser came back from a login that it had not confirmed: nothing was taken from it',
  },
  'login.device': {
    level: 'warn',
    text: 'a person must log in on any device: at the address, with the code',
  },
  'vault.unreadable': { level: 'warn', text: 'a kept token cannot be read: it is as good as none' },
  'vault.unwritable': { level: 'warn', text: 'tokens cannot be kept on disk: they end with this process' },
  'vault.keychain-unusable': {
    level: 'warn',
    text: 'the keychain cannot be used: the key of the kept tokens stays in its file',
  },
  'vault.lost': {
    level: 'warn',
    text: 'the store of logins does not answer: this process keeps its tokens in memory until it does',
  },
  'vault.back': { level: 'info', text: 'the store of logins answers again, and has what was kept meanwhile' },
  'vault.superseded': {
    level: 'warn',
    text: 'another process has written a kept token since: what this one obtained is not kept',
  },
  'login.lost': {
    level: 'warn',
    text: 'a renewal was cut off, and the server takes the old refresh token no more: a person must log in again',
  },
  'qlik.deprecated': { level: 'warn', text: 'Qlik Cloud says that an endpoint ends' },
  'qlik.slowed': { level: 'debug', text: 'a call waits until Qlik Cloud takes more of that user' },
  'qlik.cache-hit': { level: 'debug', text: 'an answer of Qlik Cloud is taken from the cache' },
  'qlik.cache-missed': { level: 'debug', text: 'an answer of Qlik Cloud is not in the cache' },
  'qlik.cold': { level: 'info', text: 'an app could not be read ahead of the calls' },
  'qlik.engine-lost': {
    level: 'info',
    text: 'an engine session of Qlik Cloud ended by itself: the next call opens another',
  },
  'token.rejected': { level: 'info', text: 'token dropped: the upstream refused it' },
} as const satisfies Record<string, { level: LogLevel; text: string }>;

export type SignalName = keyof typeof SIGNALS;

/** Signals that write to a log. A name outside the table is a fault of ours and throws. */
export function createSignals(log: SignalLog): Signals {
  const row = (name: string) => {
    const found = (SIGNALS as Record<string, { level: LogLevel; text: string } | undefined>)[name];
    if (!found) throw new Error(`no such signal: ${name}`);
    return found;
  };
  return {
    enabled: (name, destination) => log.enabled(row(name).level, destination),
    emit(name, fields = {}) {
      const { level, text } = row(name);
      const { destination } = fields;
      if (log.enabled(level, typeof destination === 'string' ? destination : '')) log.write(level, name, text, fields);
    },
  };
}
