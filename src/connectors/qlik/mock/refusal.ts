/** One of Qlik's `errors`. */
export interface ErrorDetail {
  readonly code: string;
  readonly title: string;
  readonly detail?: string;
  readonly meta?: unknown;
}

/** What a request is refused with: Qlik's own body, never RFC 6749's and never RFC 9457's. */
export class Refusal extends Error {
  readonly status: number;
  readonly error: ErrorDetail;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, title: string, detail?: string, headers: Record<string, string> = {}) {
    super(title);
    this.name = 'Refusal';
    this.status = status;
    this.error = { code, title, ...(detail === undefined ? {} : { detail }) };
    this.headers = headers;
  }

  body(traceId: string): object {
    return { errors: [{ ...this.error, status: String(this.status) }], traceId };
  }
}

export const notFound = (detail?: string): Refusal => new Refusal(404, 'HTTP-404', 'Not found', detail);
export const badRequest = (detail: string): Refusal => new Refusal(400, 'HTTP-400', 'Bad request', detail);
export const forbidden = (detail?: string): Refusal => new Refusal(403, 'HTTP-403', 'Forbidden', detail);
export const unauthorized = (): Refusal =>
  new Refusal(401, 'AUTHN-1', 'Unauthorized', 'Invalid or missing credentials.', { 'www-authenticate': 'Bearer' });

/** Of a caller that has used up its tier. Qlik sends no X-RateLimit headers. */
export function limited(seconds: number): Refusal {
  const detail = `You need to wait ${seconds} seconds before making more requests.`;
  return new Refusal(429, 'HTTP-429', 'API rate limit reached.', detail, { 'retry-after': String(seconds) });
}
