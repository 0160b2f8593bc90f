import { faultsOf, load } from './loadConfig.js';

const NAME = 'mcp-proxy-config.json';
const destinations = { tools: { kind: 'http', url: 'https://tools.example.com/mcp' } };
const identity = { keys: { kind: 'api-key' } };

async function told(config: object): Promise<string[]> {
  const faults = await faultsOf({ files: { [NAME]: { destinations, ...config } } });
  return faults.map(({ path, message }) => `${path}: ${message}`);
}

describe('listening beyond loopback', () => {
  const exposed = { server: { host: '0.0.0.0' }, destinations };

  it('is refused where nothing knows the callers', async () => {
    expect(await told(exposed)).toEqual([expect.stringMatching(/^server\.host: .* nothing would know who calls$/)]);
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', 'gateway.example.com'])('is listening on %s', async (host) => {
    expect(await told({ server: { host } })).toHaveLength(1);
  });

  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost'])('is not listening on %s', async (host) => {
    expect((await load({ files: { [NAME]: { server: { host }, destinations } } })).server.host).toBe(host);
  });

  it('is refused for the listener of the management API too, which serves the metrics', async () => {
    expect(await told({ server: { admin: { host: '0.0.0.0', port: 0 } } })).toEqual([
      expect.stringMatching(/^server\.admin\.host: .* nothing would know who calls$/),
    ]);
  });

  it('is allowed where identity is configured, and where the operator insists', async () => {
    const files = { [NAME]: { ...exposed, identity } };
    expect((await load({ files })).identity.size).toBe(1);
    const insisted = await load({ files: { [NAME]: exposed }, flags: { insecureNoAuth: true } });
    expect(insisted.server.host).toBe('0.0.0.0');
  });
});

describe('rules about callers', () => {
  it('need callers that are known', async () => {
    expect(await told({ permissions: { roles: {} } })).toEqual([
      'permissions: nobody can have a role where callers are not known',
    ]);
  });

  it.each(['__proto__', 'constructor', 'prototype'])(
    'take no role or tenant called %s, rather than drop it in silence',
    async (name) => {
      const config = JSON.stringify({
        destinations,
        identity,
        permissions: { roles: { NAME: { deny: ['tools/*'] } }, tenants: { NAME: { destinations: ['tools'] } } },
      });
      const faults = await faultsOf({ files: { [NAME]: config.replaceAll('"NAME"', JSON.stringify(name)) } });
      expect(faults.map(({ path }) => path)).toEqual([`permissions.roles.${name}`, `permissions.tenants.${name}`]);
      const words = name === '__proto__' ? 'is not allowed' : "can't be a name here";
      for (const { message } of faults) expect(message).toContain(`${name} ${words}`);
    },
  );

  it('are told where a condition cannot be compiled, all at once', async () => {
    const roles = { a: { allow: [{ rule: 'tools/*', when: 'principal.' }] }, b: { when: 'nonsense(' } };
    const faults = await told({ identity, permissions: { roles } });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'permissions.roles.a.allow.0.when',
      'permissions.roles.b.when',
    ]);
  });

  it('draw from a store that is there', async () => {
    expect(await told({ quotas: { perCaller: '1/s', store: 'shared' } })).toEqual([
      'quotas.store: there is no store "shared"',
    ]);
    const stores = { shared: { kind: 'redis', url: 'redis://127.0.0.1:6379' } };
    const files = { [NAME]: { destinations, stores, quotas: { perCaller: '1/s', store: 'shared' } } };
    expect((await load({ files })).stores.size).toBe(1);
  });
});
