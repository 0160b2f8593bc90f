import type { Clock } from '../contracts.js';
import { CredentialError, LoginRequired } from '../core/errors.js';
import type { Asks } from './attempts.js';
import type { TokenMemory } from './tokenMemory.js';

/** So long a note of whoever asks a person is believed, and so often it is written again. Milliseconds. */
const NOTE_MS = 15_000;
const AGAIN_MS = 5_000;
/** Between two looks at who asks. Milliseconds. */
const LOOK_MS = 1_000;
const MOST_LOOKS = 50;

/**
 * Asks a person, unless that is being done already: by another process, or for the configuration before this one. Then
 * whoever calls is told the same address, and nobody gets a second tab. No crash leaves more behind than a note of 15 s.
 */
export async function inTurn<Value>(memory: TokenMemory, clock: Clock, ask: () => Promise<Value>): Promise<Value> {
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const note = await memory.asked(clock.now());
    if (note) throw new LoginRequired(note.url, note.userCode);
    const tired = new AbortController();
    const mine = new AbortController();
    clock.sleep(LOOK_MS, mine.signal).then(
      () => tired.abort(),
      () => {},
    );
    try {
      return await memory.asking(tired.signal, () => {
        mine.abort();
        return ask();
      });
    } catch (error) {
      if (mine.signal.aborted || !tired.signal.aborted || error !== tired.signal.reason) throw error;
    }
  }
  throw new CredentialError('another process is obtaining this token', 'Repeat the call when the login there is over.');
}

/** The same, leaving a note for others for as long as the person is away. */
export function noting(memory: TokenMemory, clock: Clock, asks: Asks): Asks {
  return (url, back, userCode) => {
    const over = new AbortController();
    const code = userCode === undefined ? {} : { userCode };
    void keepNote(memory, clock, over.signal, { url: url.href, ...code });
    back.catch(() => {}).then(() => over.abort());
    asks(url, back, userCode);
  };
}

async function keepNote(
  memory: TokenMemory,
  clock: Clock,
  over: AbortSignal,
  where: { url: string; userCode?: string },
): Promise<void> {
  try {
    while (!over.aborted) {
      await memory.noteAsking({ ...where, until: clock.now() + NOTE_MS });
      await clock.sleep(AGAIN_MS, over);
    }
  } catch {
    // The person is back, or the folder is gone: either way there is nobody to be told.
  }
  await memory.noteAsking(undefined).catch(() => {});
}
