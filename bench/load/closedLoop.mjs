import { nowUs } from '../clock.mjs';
import { Histogram } from './histogram.mjs';
import { summary } from './summary.mjs';

/** As fast as answers come: every connection sends its next request at the last byte of the answer before. */
export function closedLoop(connections, ms) {
  return new Promise((resolve) => {
    const latencies = new Histogram();
    const started = nowUs();
    const deadline = started + ms * 1000;
    let running = connections.length;
    const answered = (connection) => {
      const now = nowUs();
      latencies.record(now - connection.sentAt);
      if (now < deadline) return connection.send(answered, now);
      running -= 1;
      if (running === 0) resolve(summary(latencies, now - started));
    };
    for (const connection of connections) connection.send(answered);
  });
}
