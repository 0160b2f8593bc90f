import type { Clock, Logins } from '../contracts.js';
import type { AskedLogin, Asks } from './askedLogin.js';
import type { Attempt } from './attempts.js';

/** Between two looks at whom another process asks. Milliseconds. */
const LOOK_MS = 200;

/** Whose attempt it is, and what is known of a login that somebody is asked for. */
export interface Turn {
  readonly attempt: Attempt;
  readonly asked: AskedLogin;
  readonly clock: Clock;
  readonly logins: Logins;
}

/** What may ask a person. `quiet`: no browser is opened for it. */
export type Job<Value> = (asks: Asks, quiet: boolean) => Promise<Value>;

/**
 * Asks a person when nobody else does: while another process, or the configuration before this one, has its turn, those who
 * wait are told whom that one asks, and nobody gets a second tab.
 */
export async function inTurn<Value>(turn: Turn, job: Job<Value>): Promise<Value> {
  const { attempt, asked } = turn;
  const mine = new AbortController();
  watch(turn, mine.signal).catch(() => {});
  try {
    return await asked.alone(() => {
      mine.abort();
      attempt.tell(undefined);
      return atOnce(turn, job);
    });
  } finally {
    mine.abort();
  }
}

/** Queues behind nobody: somebody is there who means to log in. All others are told all the same. */
export async function atOnce<Value>({ attempt, asked, logins }: Turn, job: Job<Value>): Promise<Value> {
  const quiet = !logins.present && (await asked.isQuiet());
  let noted: Promise<void> | undefined;
  const asks: Asks = (login) => {
    // A code is told, and nothing opened, however the last login ended.
    attempt.asks(login, quiet && login.userCode === undefined);
    noted = asked.during(login).catch(() => {});
  };
  try {
    return await job(asks, quiet);
  } finally {
    await noted;
  }
}

async function watch({ attempt, asked, clock }: Turn, mine: AbortSignal): Promise<void> {
  for (;;) {
    const where = await asked.where();
    if (mine.aborted) return;
    attempt.tell(where);
    await clock.sleep(LOOK_MS, mine);
  }
}
