import { Worker } from 'node:worker_threads';
import { nowUs } from '../clock.mjs';
import { Histogram } from './histogram.mjs';
import { summary } from './summary.mjs';

/** A thread takes some milliseconds to start; the first request is due after that. */
const LEAD_US = 100_000;
/** So long after the last request an overloaded contender is waited for. */
const GRACE_MS = 3_000;

/**
 * A fixed rate, whatever the answers do. A latency starts when its request was due, not when a connection was free to
 * send it: else a contender that stalls would be spared the requests that it kept from being sent.
 */
export function openLoop(connections, ms, rate) {
  const count = Math.round((ms * rate) / 1000);
  const intervalUs = 1e6 / rate;
  const startUs = nowUs() + LEAD_US;
  const pace = new Worker(new URL('./metronome.mjs', import.meta.url), { workerData: { startUs, intervalUs, count } });
  return new Promise((resolve, reject) => {
    const latencies = new Histogram();
    const lateness = new Histogram();
    const idle = [...connections];
    const due = [];
    const finish = () => {
      clearTimeout(overload);
      pace.terminate();
      const late = { latenessP50Us: lateness.percentile(0.5), latenessP99Us: lateness.percentile(0.99) };
      resolve({ ...summary(latencies, nowUs() - startUs), unanswered: count - latencies.total, ...late });
    };
    const overload = setTimeout(finish, LEAD_US / 1000 + ms + GRACE_MS);
    const answered = (connection) => {
      latencies.record(nowUs() - connection.sentAt);
      if (due.length > 0) connection.send(answered, due.shift());
      else idle.push(connection);
      if (latencies.total === count) finish();
    };
    pace.on('error', reject);
    pace.on('message', (index) => {
      const at = startUs + index * intervalUs;
      lateness.record(nowUs() - at);
      // The one that waited longest: all of them are used.
      if (idle.length > 0) idle.shift().send(answered, at);
      else due.push(at);
    });
  });
}
