import type { Clock, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { parsedObject } from '../core/json.js';
import { type EventStream, readMessages } from '../wire/messages.js';

/** A response as it came, and what it says. */
export interface Answer {
  readonly text: string;
  readonly message: Readonly<Record<string, unknown>>;
}

/**
 * Reads an answer up to its response. Notifications before it go to `heard`, as text. Rejects with a GatewayError where
 * it breaks off or isn't JSON-RPC, and with the signal's reason when that aborts: the answer is let go of then.
 */
export function readAnswer(reply: Reply, heard: (text: string) => void, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      flow?.cancel();
      reject(signal.reason);
    };
    const settle = (end: () => void) => {
      signal.removeEventListener('abort', leave);
      end();
    };
    signal.addEventListener('abort', leave, { once: true });
    const flow = readMessages(reply, {
      message(text) {
        const message = parsedObject(text);
        if (!message) settle(() => reject(new GatewayError('UPSTREAM_GARBAGE', 'the server answered no JSON-RPC')));
        else if (message.method === undefined) settle(() => resolve({ text, message }));
        // A server of this revision asks nothing by a request of its own.
        else if (message.id === undefined) heard(text);
      },
      end: () => settle(() => reject(new GatewayError('UPSTREAM_BROKE', 'the server ended without a response'))),
      fail: (cause) => settle(() => reject(broke(cause))),
    });
    if (signal.aborted) leave();
  });
}

function broke(cause: Error): GatewayError {
  if (cause instanceof GatewayError) return cause;
  return new GatewayError('UPSTREAM_BROKE', 'the server broke off in the middle of its answer', { cause });
}

/** Readers of old give a silent stream up after five minutes, and so do proxies before us after one. */
const SILENT_MS = 20_000;

/** Says nothing into a stream every now and then, until it or the signal is over. */
export async function keepAlive(stream: EventStream, clock: Clock, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(SILENT_MS, signal);
      if (stream.over) return;
      stream.keepAlive();
    }
  } catch {
    // The signal aborted: nobody has to be kept awake.
  }
}
