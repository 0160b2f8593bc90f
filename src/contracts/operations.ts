/** The contract about what an operator may do to the process itself. Types only. */
import type { LogLevels } from './logLevels.js';
import type { ToolTurn } from './toolSwitches.js';

/** Something wrong with a configuration: where it stands, and what mends it. */
export interface ConfigFault {
  readonly file: string;
  readonly path: string;
  readonly line?: number;
  readonly message: string;
  readonly hint?: string;
  readonly severity: 'fault' | 'warning';
}

/** What became of a configuration that was loaded anew. */
export type Reloaded =
  | {
      readonly taken: true;
      readonly destinations: readonly string[];
      /** Settings that have changed, and that only a new process can take. */
      readonly restart: readonly string[];
      readonly notices: readonly string[];
    }
  /** The running one stays as it is. */
  | { readonly taken: false; readonly faults: readonly ConfigFault[] };

/** What is absent can't be done here. */
export interface Operations {
  readonly log?: LogLevels;
  reload?(): Promise<Reloaded>;
  /** Has other processes of this port do what was done here. */
  tellTurn?(turn: ToolTurn): void;
}
