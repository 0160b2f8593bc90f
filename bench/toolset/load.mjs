/**
 * The users, as a process of its own. Each holds a token, the handle of an app, and connections that ask for the same again and again.
 */
import { nowUs } from '../clock.mjs';
import { closedLoop } from '../load/closedLoop.mjs';
import { Connection } from '../load/connection.mjs';
import { takeOrders } from '../orders.mjs';
import { contentOf, openApp, SUM, sumAmounts } from './calls.mjs';

const connections = [];

const fail = takeOrders({
  /** A user opens their app; resolves with the handle and how long it took. */
  open: async ({ port, user }) => {
    const { value, ms } = await once(port, openApp(port, user));
    return { handle: value.handle, ms };
  },
  /** One call on it, and how long it took. */
  call: async ({ port, user, handle }) => {
    const { value, ms } = await once(port, sumAmounts(port, user, handle));
    if (value.value !== SUM) throw new Error(`the sum was ${JSON.stringify(value)}`);
    return { ms };
  },
  connect: async ({ port, user, handle, count }) => {
    for (let opened = 0; opened < count; opened += 1)
      connections.push(await open(port, sumAmounts(port, user, handle)));
    return connections.length;
  },
  closed: ({ ms }) => closedLoop(connections, ms),
  close: async () => {
    for (const connection of connections.splice(0)) connection.close();
  },
});

async function open(port, request) {
  const connection = await Connection.open(port, request);
  connection.onFailure = (error) => fail(error);
  connection.onBody = (bytes) => {
    if (bytes.includes('"isError":true')) fail(new Error(`a call was answered ${bytes.toString().slice(0, 500)}`));
  };
  return connection;
}

async function once(port, request) {
  const connection = await open(port, request);
  const pieces = [];
  connection.onBody = (bytes) => pieces.push(bytes);
  await new Promise((resolve) => connection.send(resolve));
  const ms = (nowUs() - connection.sentAt) / 1000;
  connection.close();
  return { value: contentOf(Buffer.concat(pieces).toString()), ms };
}
