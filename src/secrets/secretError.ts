/** A secret could not be read. Neither the message nor `mend`, which says what the operator can do, holds a value. */
export class SecretError extends Error {
  readonly mend: string;
  /** True where the same question may be answered a moment later. */
  readonly passing: boolean;

  constructor(message: string, mend: string, passing = false) {
    super(message);
    this.name = 'SecretError';
    this.mend = mend;
    this.passing = passing;
  }
}
