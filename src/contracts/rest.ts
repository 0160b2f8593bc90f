/** A control call: small JSON or form in, small JSON out. Never follows a redirect; has a deadline and a size limit. */
export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** Of the answer's body, decompressed, and for the whole call, in milliseconds; absent: what is usual for control calls. */
  readonly maxBytes?: number;
  readonly deadlineMs?: number;
  /** Of a GET: by a connection that served before, where there is one. Sent twice where the server had closed that one. */
  readonly keepAlive?: boolean;
  /** Client certificate and key (RFC 8705), and the authorities to trust instead of Node's own; PEM. */
  readonly tls?: { readonly cert?: string; readonly key?: string; readonly ca?: string };
}

export interface RestResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The `Set-Cookie` lines, where there are any: they can't be joined (RFC 6265 section 3). */
  readonly cookies?: readonly string[];
  readonly body: string;
}
