import { randomFillSync } from 'node:crypto';

/** A place in a trace (W3C Trace Context, `traceparent`). */
export interface Parent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/** Later versions may append fields (section 3.3.2); version 00 has none. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 0x01;

/** Undefined for what isn't one: then there is no trace to join. */
export function parseTraceparent(text: string | undefined): Parent | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more] = TRACEPARENT.exec(text ?? '') ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 };
}

export function traceparent({ traceId, spanId, sampled }: Parent): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** Random digits for ids, drawn many at a time. */
export class Ids {
  readonly #pool = Buffer.alloc(4096);
  #at = this.#pool.length;

  trace(): string {
    return this.#take(16);
  }

  span(): string {
    return this.#take(8);
  }

  #take(bytes: number): string {
    if (this.#at + bytes > this.#pool.length) {
      randomFillSync(this.#pool);
      this.#at = 0;
    }
    this.#at += bytes;
    const hex = this.#pool.toString('hex', this.#at - bytes, this.#at);
    // All zeros are no id (section 3.2.2.3).
    return /[1-9a-f]/.test(hex) ? hex : this.#take(bytes);
  }
}
