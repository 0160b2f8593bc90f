/**
 * Lets this process be told over IPC what to do: `{ op, … }`, answered by `{ result }` or `{ error }`, one order at a time;
 * when nobody is left to tell it, it ends. The returned `fail(error)` ends the running order: figures of a run in which
 * something failed would say nothing.
 */
export function takeOrders(operations, beforeTheEnd = async () => {}) {
  let fail = () => {};
  process.on('message', async ({ op, ...order }) => {
    try {
      const failed = new Promise((_, reject) => {
        fail = reject;
      });
      process.send({ result: await Promise.race([operations[op](order), failed]) });
    } catch (error) {
      process.send({ error: error.message });
    }
  });
  process.on('disconnect', () => beforeTheEnd().then(() => process.exit()));
  return (error) => fail(error);
}
