/** The load, as a process of its own. */
import { takeOrders } from '../orders.mjs';
import { requestBytes, WORKLOADS } from '../workloads.mjs';
import { closedLoop } from './closedLoop.mjs';
import { Connection } from './connection.mjs';
import { openLoop } from './openLoop.mjs';
import { hold, streams } from './streams.mjs';

const OPENED_AT_ONCE = 100;

let connections = [];

const fail = takeOrders({
  connect,
  close,
  verify,
  closed: ({ ms }) => closedLoop(connections, ms),
  open: ({ ms, rate }) => openLoop(connections, ms, rate),
  stream: ({ ms }) => streams(connections, ms),
});

async function connect({ port, path, workload, token, count }) {
  const { held } = WORKLOADS[workload];
  // A stream that is held has no first answer to take a session from.
  const known = token !== undefined && !held;
  const session = known ? await beginSession(port, requestBytes(workload, path, port, token)) : undefined;
  const request = requestBytes(workload, path, port, token, session);
  while (connections.length < count) {
    const more = Math.min(OPENED_AT_ONCE, count - connections.length);
    const opened = await Promise.all(Array.from({ length: more }, () => open(port, request)));
    connections.push(...opened);
    await prime(opened, WORKLOADS[workload]);
  }
}

/** A caller that is known can't make a session up: it gets one with its first answer, as a client does. */
async function beginSession(port, request) {
  const connection = await open(port, request);
  await readBody(connection);
  connection.close();
  return connection.session;
}

/** One request each, so that the contender's own connections stand before anything is measured, and its backlog never overflows. */
async function prime(opened, { answer, held }) {
  if (answer) await closedLoop(opened, 0);
  if (held) await hold(opened);
}

async function open(port, request) {
  const connection = await Connection.open(port, request);
  connection.onFailure = (error) => fail(error);
  return connection;
}

async function close() {
  for (const connection of connections) connection.close();
  connections = [];
}

/** Whether the answer comes through unchanged. */
async function verify({ port, path, workload, token }) {
  const connection = await open(port, requestBytes(workload, path, port, token));
  const body = await readBody(connection);
  connection.close();
  return body === WORKLOADS[workload].answer.body;
}

function readBody(connection) {
  return new Promise((resolve) => {
    const pieces = [];
    connection.onBody = (bytes) => pieces.push(bytes);
    connection.send(() => resolve(Buffer.concat(pieces).toString()));
  });
}
