import { request } from 'undici';
import { EventSplitter, readEvent } from '../../src/wire/sse.js';

/** The stream of a client of HTTP+SSE (2024-11-05) that the test reads itself. */
export interface SseReader {
  /** As the first event named it. */
  readonly endpoint: string;
  /** All that came so far. */
  readonly messages: unknown[];
  /** Resolves with the next message that nobody has taken yet. */
  message(): Promise<unknown>;
  /** Reads nothing more from the socket. */
  pause(): void;
  /** Leaves. */
  close(): Promise<void>;
  /** Resolves when the stream has ended, whoever ended it. */
  readonly closed: Promise<void>;
}

/** Opens a session; rejects with the status where there is none to be had. */
export async function openSse(url: string, headers: Readonly<Record<string, string>> = {}): Promise<SseReader> {
  const leaving = new AbortController();
  const { statusCode, body } = await request(url, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: leaving.signal,
    bodyTimeout: 0,
  });
  if (statusCode !== 200) throw new Error(`${statusCode}: ${await body.text()}`);
  const messages: unknown[] = [];
  let taken = 0;
  let wake = () => {};
  let begin: (endpoint: string) => void = () => {};
  const begun = new Promise<string>((resolve) => {
    begin = resolve;
  });
  const splitter = new EventSplitter((bytes) => {
    const { event, data } = readEvent(bytes);
    if (event === 'endpoint') begin(data ?? '');
    else if (data !== undefined) messages.push(JSON.parse(data));
    wake();
  });
  const closed = new Promise<void>((resolve) => {
    body.on('error', () => {});
    body.on('close', resolve);
  });
  body.on('data', (chunk: Buffer) => splitter.write(chunk));
  return {
    endpoint: await begun,
    messages,
    closed,
    pause: () => void body.pause(),
    close: async () => {
      leaving.abort();
      await closed;
    },
    message: async () => {
      while (messages.length <= taken) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      taken += 1;
      return messages[taken - 1];
    },
  };
}
