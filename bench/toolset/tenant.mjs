/** A tenant of Qlik Cloud, and the identity provider of its callers' tokens, as a process of its own. */
import { once } from 'node:events';
import http from 'node:http';
import { startMockQlik } from '../../dist/testing.js';
import { takeOrders } from '../orders.mjs';

let mock;
let provider;

takeOrders({
  /** Starts both, with so many users; `jwks` is what the provider answers. */
  open: async ({ users, client, jwks }) => {
    provider = http.createServer((_, response) => response.end(JSON.stringify(jwks))).listen(0, '127.0.0.1');
    await once(provider, 'listening');
    const ids = Array.from({ length: users }, (_, index) => `user-${index}`);
    mock = await startMockQlik({
      clients: [client],
      users: ids.map((id) => ({ id, subject: id, name: id })),
      spaces: [],
      apps: ids.map((id) => app(id)),
    });
    return { origin: mock.origin, keys: `http://127.0.0.1:${provider.address().port}/keys` };
  },
  /** What it was asked since the last time. */
  count: async () => {
    const counted = {
      tokenRequests: mock.count({ kind: 'login', path: '/oauth/token' }),
      sockets: mock.count({ kind: 'socket' }),
      openDocs: mock.count({ kind: 'frame', method: 'OpenDoc' }),
      engineCalls: mock.count({ kind: 'frame' }),
      openSockets: mock.openSockets,
    };
    mock.forget();
    return counted;
  },
});

/** Everybody has an app of their own, with a sum of their own. */
function app(id) {
  const tables = { Orders: Array.from({ length: 20 }, (_, index) => ({ Order: index, Amount: index })) };
  return { id: `app-of-${id}`, name: id, ownerId: id, tables };
}
