/** Preloaded into Node contenders whose memory is measured (`--expose-gc --import`): answers any message with the memory in use. */
process.on('message', () => {
  // What the first collection finalises, the second frees.
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  // Array buffers are counted in `external`.
  process.send({ bytes: heapUsed + external });
});
process.on('disconnect', () => process.exit());
process.channel.unref();
