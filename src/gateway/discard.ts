import type { Flow, Reply, Sink } from '../contracts.js';

/** An answer that nobody will read is drained so far and so long, that its connection may serve again, and cut past that. */
const DRAIN_BYTES = 64 * 1024;
const DRAIN_MS = 1000;

/** Lets go of an answer's body. */
export function discard(reply: Reply): void {
  if (typeof reply.body !== 'function') return;
  let drained = 0;
  let flow: Flow | undefined;
  const late = setTimeout(() => flow?.cancel(), DRAIN_MS);
  const done = () => clearTimeout(late);
  const sink: Sink = {
    write(chunk) {
      drained += chunk.length;
      if (drained > DRAIN_BYTES) flow?.cancel();
      return true;
    },
    end: done,
    fail: done,
  };
  flow = reply.body(sink);
}
