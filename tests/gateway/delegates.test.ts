import type { Route, Upstream } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { createProxyClient } from '../../src/gateway/proxyClient.js';
import { FakeBroker, FakeClock, FakeSignals, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';

it('an upstream that only calls others is called once, and no failure of theirs counts against it', async () => {
  let calls = 0;
  const upstream = {
    name: 'all',
    delegates: true,
    safeToRepeat: () => true,
    send: async () => {
      calls += 1;
      throw new GatewayError('UPSTREAM_UNREACHABLE', 'a member is down');
    },
  } as Partial<Upstream> as Upstream;
  const route: Route = {
    destination: 'all',
    upstream,
    url: new URL('federation:all'),
    publicOnly: false,
    credential: undefined,
  };
  const client = createProxyClient({
    broker: new FakeBroker(),
    clock: new FakeClock(),
    signals: new FakeSignals(),
    protection: () => {
      throw new Error('it has none');
    },
  });
  for (let i = 1; i <= 10; i++) {
    const exchange = fakeExchange(fakeInbound('/mcp/all'), { route, call: fakeCall('tools/list') });
    await expect(client(exchange)).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    expect([calls, exchange.costs.attempts]).toEqual([i, 1]);
  }
});
