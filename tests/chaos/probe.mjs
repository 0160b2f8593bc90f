/**
 * Preloaded into Drawbridge (`--expose-gc --import`). `{clock: ms}` sets its clock that much off, as a correction of the
 * machine's time would: Date jumps, and what counts from the start (`performance.now`, timers) doesn't. `{}` asks for the memory in use.
 */
const Real = Date;
let offset = 0;

globalThis.Date = class extends Real {
  constructor(...given) {
    super(...(given.length === 0 ? [Real.now() + offset] : given));
  }

  static now() {
    return Real.now() + offset;
  }
};

process.on('message', ({ clock }) => {
  if (clock !== undefined) offset = clock;
  // What the first collection finalises, the second frees.
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send({ heap: heapUsed + external, rss, now: Date.now() - Real.now() });
});
process.on('disconnect', () => process.exit());
process.channel.unref();
