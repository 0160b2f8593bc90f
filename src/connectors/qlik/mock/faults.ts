import type { MockFaults, MockTier } from './types.js';

interface Counted<Fault> {
  readonly fault: Fault;
  left: number;
}

/** Faults that wait for what they are meant for, and run out. */
class Waiting<Fault> {
  readonly #faults: Counted<Fault>[] = [];

  add(fault: Fault, times = 1): void {
    this.#faults.push({ fault, left: times });
  }

  /** The first that fits; one of its times is used up. */
  take(fits: (fault: Fault) => boolean): Fault | undefined {
    const found = this.#faults.find(({ fault, left }) => left > 0 && fits(fault));
    if (found) found.left -= 1;
    return found?.fault;
  }
}

/** The faults of a tenant, as tests set them and as its parts meet them. */
export class Faults implements MockFaults {
  readonly limits = new Waiting<{ readonly tier: MockTier; readonly seconds: number }>();
  readonly failures = new Waiting<{ readonly path: string; readonly status: number }>();
  readonly closings = new Waiting<{ readonly method: string; readonly code: number }>();
  readonly openings = new Waiting<number>();
  readonly refusals = new Waiting<{ readonly method: string; readonly code: number }>();
  readonly deadSelections = new Waiting<true>();
  loops = false;
  foreign: string | undefined;
  readonly #delays = new Map<string, number>();
  readonly #methodDelays = new Map<string, number>();
  readonly #dropped: () => void;
  readonly #closed: (code: number, reason: string) => void;

  constructor(dropTokens: () => void, closeSockets: (code: number, reason: string) => void) {
    this.#dropped = dropTokens;
    this.#closed = closeSockets;
  }

  limit(tier: MockTier, times?: number, seconds = 1): void {
    this.limits.add({ tier, seconds }, times);
  }

  fail(path: string, status: number, times?: number): void {
    this.failures.add({ path, status }, times);
  }

  delay(path: string, ms: number): void {
    this.#delays.set(path, ms);
  }

  loopPages(on: boolean): void {
    this.loops = on;
  }

  foreignNext(origin: string | undefined): void {
    this.foreign = origin;
  }

  dropTokens(): void {
    this.#dropped();
  }

  closeSockets(code: number, reason = ''): void {
    this.#closed(code, reason);
  }

  closeOn(method: string, code: number, times?: number): void {
    this.closings.add({ method, code }, times);
  }

  closeNextSockets(code: number, times?: number): void {
    this.openings.add(code, times);
  }

  refuse(method: string, code: number, times?: number): void {
    this.refusals.add({ method, code }, times);
  }

  delayMethod(method: string, ms: number): void {
    this.#methodDelays.set(method, ms);
  }

  selectNothing(times?: number): void {
    this.deadSelections.add(true, times);
  }

  /** Milliseconds. */
  delayOf(path: string): number {
    const [, ms = 0] = [...this.#delays].find(([prefix]) => path.startsWith(prefix)) ?? [];
    return ms;
  }

  methodDelayOf(method: string): number {
    return this.#methodDelays.get(method) ?? 0;
  }
}
