/** A control call got no answer. */
export class RestError extends Error {
  readonly reason: 'unreachable' | 'timeout' | 'tls' | 'too-large' | 'aborted';

  constructor(reason: RestError['reason'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RestError';
    this.reason = reason;
  }
}
