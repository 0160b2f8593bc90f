/** The contract of a destination's rules: what counts as a failure, and what may be repeated. Types only. */
import type { Clock } from './house.js';
import type { Health } from './pools.js';

/** How one attempt at a server ended. */
export interface Ending {
  /** Of JSON-RPC; absent where the call carried no message. */
  readonly method?: string;
  /** The name of the tool or prompt, or the URI of the resource. */
  readonly name?: string;
  /** Of the answer; absent where none came. */
  readonly status?: number;
  /** A header of the answer, by its lower-case name. */
  header(name: string): string | undefined;
  /** Why no answer came, by its code in the table of errors, such as `UPSTREAM_TIMEOUT`. */
  readonly failure?: string;
  /** True where nothing of the call has reached the server. */
  readonly neverSent: boolean;
  /** An answer in JSON, whole; absent where it is anything else, or longer than `readBytes`. */
  readonly body?: Buffer;
}

/** What is left out is judged as if there were no such rules. */
export interface Judgement {
  /** What the breaker counts, and a pool. */
  readonly health?: Health;
  /** Whether it may be different a moment later: such a call is repeated, where it may be. */
  readonly temporary?: boolean;
}

/** Rules of a kind of one's own. */
export interface Rules {
  /** So many bytes of an answer in JSON are read before it is judged; absent: none, answers are judged by their heads. */
  readonly readBytes?: number;
  /** Asked once for each attempt, but for those whose caller left; undefined: as if there were no such rules. */
  judge(ending: Ending): Judgement | undefined;
  /** Whether a call that may have been done already may be done again; undefined: as if there were no such rules. */
  mayRepeat?(method: string, name: string | undefined): boolean | undefined;
}

export interface RulesDeps {
  /** The destination's. */
  readonly name: string;
  readonly clock: Clock;
  /** Relative file names start here. */
  readonly baseDir: string;
}
