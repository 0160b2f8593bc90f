import { nowUs } from '../clock.mjs';
import { STAMP_KEY } from '../workloads.mjs';
import { Histogram } from './histogram.mjs';
import { summary } from './summary.mjs';

/** Between the starts of two streams, so that a first event doesn't wait for those of all others. */
const STAGGER_MS = 7;

const STAMP = new RegExp(`${STAMP_KEY}(\\d+)`);

/** Long streams, each followed by the next. An event's latency starts when the upstream wrote it. */
export function streams(connections, ms) {
  return new Promise((resolve) => {
    const events = new Histogram();
    const firsts = new Histogram();
    const started = nowUs();
    const deadline = started + ms * 1000;
    let running = connections.length;
    const ask = (connection) => {
      connection.onBody = eventReader(connection, firsts, events);
      connection.send(ended);
    };
    const ended = (connection) => {
      if (nowUs() < deadline) return ask(connection);
      running -= 1;
      if (running === 0) resolve({ ...summary(events, nowUs() - started), firstEventP50Us: firsts.percentile(0.5) });
    };
    connections.forEach((connection, index) => {
      setTimeout(ask, index * STAGGER_MS, connection);
    });
  });
}

/** Takes the pieces of one stream's body, however they are cut. */
function eventReader(connection, firsts, events) {
  let rest = '';
  let first = true;
  return (bytes) => {
    const now = nowUs();
    const whole = (rest + bytes.latin1Slice()).split('\n\n');
    rest = whole.pop();
    if (first && whole.length > 0) {
      firsts.record(now - connection.sentAt);
      first = false;
    }
    for (const event of whole) {
      const stamp = STAMP.exec(event);
      // The last event is the result and carries none.
      if (stamp) events.record(now - Number(stamp[1]) / 1000);
    }
  };
}

/** Opens streams that say nothing after their first bytes; resolves when each has brought those. */
export async function hold(connections) {
  await Promise.all(connections.map(holdOne));
}

function holdOne(connection) {
  return new Promise((resolve) => {
    connection.onBody = resolve;
    connection.send(() => connection.onFailure(new Error('a stream ended that should stay open')));
  });
}
