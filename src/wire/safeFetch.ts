import type { Dispatcher } from 'undici';
import type { UpstreamDeps } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isLoopbackHost } from './loopback.js';
import { assertPublicHost } from './publicAddress.js';

const DEADLINE_MS = 10_000;
const MOST_BYTES = 1024 * 1024;
const MOST_REDIRECTS = 3;

/**
 * A `fetch` for addresses that come from metadata: whoever wrote them must not make this process reach into its own
 * network (MCP security best practices, SSRF). Only https, only public addresses, judged when the name is resolved; a
 * server on this machine may name others on this machine. A redirect is followed within its origin only, and never with
 * a body. Answers are read whole, up to 1 MiB, within 10 s.
 */
export function safeFetch(server: URL, dispatchers: UpstreamDeps['dispatchers']): typeof fetch {
  return async (input, init = {}) => {
    let url = new URL(input instanceof Request ? input.url : input);
    for (let redirects = 0; ; redirects++) {
      const answer = await fetchOnce(url, init, dispatcherFor(url, server, dispatchers));
      const next = init.body ? undefined : redirectOf(answer, url);
      if (!next) return answer;
      if (redirects >= MOST_REDIRECTS) throw refused(url, 'redirects without end');
      url = next;
    }
  };
}

function dispatcherFor(url: URL, server: URL, { open, publicOnly }: UpstreamDeps['dispatchers']): Dispatcher {
  const local = isLoopbackHost(server.hostname) && isLoopbackHost(url.hostname);
  if (local || url.origin === server.origin) return open;
  if (url.protocol !== 'https:') throw refused(url, 'is not https');
  assertPublicHost(url);
  return publicOnly;
}

/** Where a redirect leads; undefined for any other answer. */
function redirectOf({ status, headers }: Response, url: URL): URL | undefined {
  const next = headers.get('location');
  if (status < 300 || status >= 400 || next === null) return undefined;
  const target = new URL(next, url);
  if (target.origin === url.origin) return target;
  throw refused(target, 'is where a redirect leads');
}

async function fetchOnce(url: URL, init: RequestInit, dispatcher: Dispatcher): Promise<Response> {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const signal = init.signal ? AbortSignal.any([deadline, init.signal]) : deadline;
  const { fetch: undiciFetch } = await import('./undiciFetch.js');
  const answer = await undiciFetch(url, { ...(init as object), redirect: 'manual', dispatcher, signal });
  const headers = new Headers([...answer.headers]);
  // What is given on is decoded, and has another length.
  for (const name of ['content-encoding', 'content-length']) headers.delete(name);
  const body = await readWhole(answer.body, url);
  const bodiless = answer.status === 204 || answer.status === 304;
  return new Response(bodiless ? null : body, { status: answer.status, headers });
}

async function readWhole(body: AsyncIterable<Uint8Array> | null, url: URL): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MOST_BYTES) throw refused(url, `answers more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function refused(url: URL, why: string): GatewayError {
  return new GatewayError('ADDRESS_NOT_ALLOWED', `${url.origin} ${why}`);
}
