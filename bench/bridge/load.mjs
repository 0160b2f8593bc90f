/**
 * The load on bridges, as a process of its own. It holds one client per contender: on the stdin and stdout of a process that
 * it starts, or on HTTP.
 */
import { closedLoop } from '../load/closedLoop.mjs';
import { takeOrders } from '../orders.mjs';
import { HttpClient } from './httpClient.mjs';
import { StdioClient } from './stdioClient.mjs';

const clients = new Map();

const fail = takeOrders(
  {
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
  },
  endAll,
);

async function endAll() {
  await Promise.all([...clients.values()].map((client) => client.end()));
}
