import { nowUs } from '../clock.mjs';
import { STAMP_KEY } from '../workloads.mjs';
import { Histogram } from './histogram.mjs';
import { summary } from './summary.mjs';

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
    for (const connection of connections) ask(connection);
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
  for (let at = 0; at < connections.length; at += HELD_AT_ONCE) {
    await Promise.all(connections.slice(at, at + HELD_AT_ONCE).map(holdOne));
  }
  return { held: connections.length };
}

const HELD_AT_ONCE = 100;

function holdOne(connection) {
  return new Promise((resolve) => {
    connection.onBody = resolve;
    connection.send(() => connection.onFailure(new Error('a stream ended that should stay open')));
  });
}
