/** Says when a request is due, from a thread of its own: timers of the event loop are a whole millisecond coarse. */
import { parentPort, workerData } from 'node:worker_threads';
import { nowUs } from '../clock.mjs';

const { startUs, intervalUs, count } = workerData;
const never = new Int32Array(new SharedArrayBuffer(4));

for (let index = 0; index < count; index += 1) {
  const waitUs = startUs + index * intervalUs - nowUs();
  if (waitUs > 0) Atomics.wait(never, 0, 0, waitUs / 1000);
  parentPort.postMessage(index);
}
