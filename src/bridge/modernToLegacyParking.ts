import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { scopeKey } from '../core/scopeKey.js';
import type { Seal } from '../core/seal.js';
import type { LegacyCall } from './modernToLegacyCall.js';
import type { Limits } from './modernToLegacyLimits.js';
import { Timer } from './modernToLegacyTimer.js';

interface Parked {
  readonly id: string;
  readonly call: LegacyCall;
  readonly timer: Timer;
}

/** What a `requestState` stands for: a call that is held here, or one that is to be made again once its URLs were visited. */
export type Kept =
  | { readonly kind: 'parked'; readonly id: string; readonly here: boolean }
  | { readonly kind: 'again'; readonly keys: readonly string[] };

/** Calls whose caller must answer something first, and the states under which they are found again. */
export class Parking {
  readonly #seal: Seal;
  readonly #limits: Limits;
  readonly #expired: (call: LegacyCall) => void;
  readonly #calls = new Map<string, Parked>();
  /** So that another replica with the same secret says the truth about it. */
  readonly #place = randomBytes(8).toString('base64url');

  constructor(seal: Seal, limits: Limits, expired: (call: LegacyCall) => void) {
    this.#seal = seal;
    this.#limits = limits;
    this.#expired = expired;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** @throws GatewayError OVERLOADED where too many wait */
  park(call: LegacyCall): string {
    const { parked, parkedPerOwner, parkMs } = this.#limits;
    const own = [...this.#calls.values()].filter((other) => other.call.session.owner === call.session.owner).length;
    if (this.#calls.size >= parked || own >= parkedPerOwner) {
      throw new GatewayError('OVERLOADED', 'too many calls wait for an answer of their caller', { retryAfter: 30 });
    }
    const id = randomBytes(16).toString('base64url');
    const timer = new Timer(() => this.#expire(id));
    timer.start(parkMs);
    this.#calls.set(id, { id, call, timer });
    return this.#close({ park: id, at: this.#place }, call);
  }

  /** The state of a call that is made anew. */
  again(keys: readonly string[], call: LegacyCall): string {
    return this.#close({ again: keys }, call);
  }

  /** Undefined for what wasn't given to this caller for this very thing. */
  open(state: string, boundTo: string): Kept | undefined {
    const text = this.#seal.open(state, boundTo);
    const kept = text === undefined ? undefined : (JSON.parse(text) as unknown);
    if (!isObject(kept)) return undefined;
    if (Array.isArray(kept.again)) return { kind: 'again', keys: kept.again as string[] };
    return { kind: 'parked', id: kept.park as string, here: kept.at === this.#place };
  }

  /** Takes a call out; `back` puts it where it was. */
  take(id: string): { readonly call: LegacyCall; back(): void } | undefined {
    const parked = this.#calls.get(id);
    if (!parked) return undefined;
    this.#calls.delete(id);
    parked.timer.stop();
    const back = () => {
      this.#calls.set(id, parked);
      parked.timer.start(this.#limits.parkMs);
    };
    return { call: parked.call, back };
  }

  close(): void {
    for (const id of [...this.#calls.keys()]) this.take(id)?.call.abandon('the gateway stops');
  }

  #close(kept: object, call: LegacyCall): string {
    return this.#seal.close(JSON.stringify(kept), stateKey(call.session.owner, call.method, call.params));
  }

  #expire(id: string): void {
    const call = this.take(id)?.call;
    if (call) this.#expired(call);
  }
}

/** What a state is bound to. */
export function stateKey(owner: string, method: string, params: Readonly<Record<string, unknown>>): string {
  return scopeKey(null, 'modern-to-legacy', owner, method, String(params.name ?? params.uri ?? ''));
}

/** A retry says what the first try said, apart from what every request has of its own (2026-07-28, MRTR). */
export function sameParams(one: Readonly<Record<string, unknown>>, other: Readonly<Record<string, unknown>>): boolean {
  return isDeepStrictEqual(bare(one), bare(other));
}

function bare(params: Readonly<Record<string, unknown>>): object {
  const { _meta, inputResponses: _responses, requestState: _state, ...rest } = params;
  return rest;
}
