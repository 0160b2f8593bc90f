/** What the model that called a tool should hear: what went wrong, and what to do about it. Becomes a result with `isError`. */
export class ToolError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ToolError';
  }
}

/** A vendor refused the credential that a tool showed (401): it is renewed once, and the call repeated. */
export class CredentialRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CredentialRefused';
  }
}
