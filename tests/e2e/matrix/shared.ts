import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

export const WATCHED = 'test://watched';
/** Where the user is sent by a URL elicitation. */
export const PAGE = 'https://confirm.example.com/once';

export const form = {
  type: 'object' as const,
  properties: { name: { type: 'string' as const } },
  required: ['name'],
};

export function says(text: string) {
  return { content: [{ type: 'text' as const, text }] };
}

/**
 * A tool works on after its last word, as real ones do. The SDKs' clients over stdio forget what progress means that they read
 * in one piece with the answer, as one does that a busy machine kept waiting: that is between them and nobody else.
 */
export async function counted() {
  await sleep(300);
  return says('counted');
}

export function citiesFrom(start: string): string[] {
  return ['paris', 'park', 'prague'].filter((city) => city.startsWith(start));
}

/** Work that ends only by being cancelled, counted for a whole server. */
export class Work {
  cancelled = 0;

  async wait(signal: AbortSignal) {
    if (!signal.aborted) await once(signal, 'abort');
    this.cancelled += 1;
    return says('cancelled');
  }
}
