/**
 * The load on bridges, as a process of its own that is told over IPC what to do: `{ op, … }`, answered by `{ result }` or
 * `{ error }`. It holds one client per contender: on the stdin and stdout of a process that it starts, or on HTTP.
 */
import { closedLoop } from '../load/closedLoop.mjs';
import { HttpClient } from './httpClient.mjs';
import { StdioClient } from './stdioClient.mjs';

const clients = new Map();
/** Ends the running order: figures of a run in which a call failed would say nothing. */
let fail = () => {};

const operations = {
  /** Starts a bridge and walks to its first answered call. */
  start: async ({ name, argv, cwd, env }) => {
    const client = new StdioClient(argv, { cwd, env }, (error) => fail(error));
    clients.set(name, client);
    return client.begin();
  },
  /** Opens a session with an HTTP server. */
  connect: async ({ name, url }) => {
    const client = new HttpClient(url, (error) => fail(error));
    clients.set(name, client);
    return client.begin();
  },
  closed: async ({ name, inFlight, ms }) => {
    const client = clients.get(name);
    try {
      return await closedLoop(await client.lanes(inFlight), ms);
    } finally {
      client.rest?.();
    }
  },
  stop: async ({ name }) => {
    await clients.get(name)?.end();
    clients.delete(name);
  },
};

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
process.on('disconnect', async () => {
  await Promise.all([...clients.values()].map((client) => client.end()));
  process.exit();
});
