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

/** A tool that works on for so long after its last word, as real ones do. */
export async function counted(restMs = 0) {
  if (restMs > 0) await sleep(restMs);
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
