import type { Clock } from './contracts.js';
import { CredentialError, ERRORS, errorCode, GatewayError } from './core/errors.js';
import { printable } from './keysCommand.js';

export const STEPS = [
  'configuration',
  'dns',
  'proxy',
  'tcp',
  'tls',
  'command',
  'discovery',
  'client',
  'token',
  'era',
  'tools/list',
] as const;

export type StepName = (typeof STEPS)[number];

/** One step of a walk, as it is told. */
export interface Step {
  readonly step: StepName;
  readonly state: 'ok' | 'failed' | 'skipped';
  readonly ms: number;
  /** What was found, or what is wrong; one line, never a secret. */
  readonly said: string;
  /** What mends it. */
  readonly mend?: string;
}

/** A step that doesn't apply, and why. */
export class Skipped {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

/** A step that failed. */
export class Failed extends Error {
  readonly mend: string;

  constructor(message: string, mend: string) {
    super(message);
    this.name = 'Failed';
    this.mend = mend;
  }
}

const NOT_REACHED = 'an earlier step failed';
const LONGEST = 400;

/** A walk through the steps, in order; nothing is tried behind one that failed. */
export class DoctorWalk {
  readonly steps: Step[] = [];
  readonly #clock: Clock;
  readonly #told: (step: Step) => void;

  constructor(clock: Clock, told: (step: Step) => void) {
    this.#clock = clock;
    this.#told = told;
  }

  get failed(): boolean {
    return this.steps.some(({ state }) => state === 'failed');
  }

  /** What `job` found, where it found anything: `said` tells of it. Never rejects. */
  async step<Found>(
    step: StepName,
    job: () => Promise<Found | Skipped>,
    said: (found: Found) => string,
  ): Promise<Found | undefined> {
    if (this.failed) return void this.#tell({ step, state: 'skipped', ms: 0, said: NOT_REACHED });
    const startedAt = this.#clock.monotonic();
    const ms = () => Math.round(this.#clock.monotonic() - startedAt);
    try {
      const found = await job();
      if (found instanceof Skipped) return void this.#tell({ step, state: 'skipped', ms: ms(), said: found.why });
      this.#tell({ step, state: 'ok', ms: ms(), said: said(found) });
      return found;
    } catch (error) {
      this.#tell({ step, state: 'failed', ms: ms(), ...wordsOf(error) });
      return undefined;
    }
  }

  #tell(step: Step): void {
    const told = { ...step, said: line(step.said), ...(step.mend === undefined ? {} : { mend: line(step.mend) }) };
    this.steps.push(told);
    this.#told(told);
  }
}

function wordsOf(error: unknown): { said: string; mend: string } {
  if (error instanceof Failed || error instanceof CredentialError) return { said: error.message, mend: error.mend };
  if (error instanceof GatewayError) return { said: error.message, mend: error.hint };
  const code = errorCode(error) ?? (error instanceof Error ? error.name : 'no code');
  return { said: `it failed (${code})`, mend: ERRORS.INTERNAL.hint };
}

function line(text: string): string {
  const clean = printable(text).replace(/[\p{C}\p{Z}]+/gu, ' ');
  return clean.length > LONGEST ? `${clean.slice(0, LONGEST)}…` : clean;
}
