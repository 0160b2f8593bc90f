import type { Admission } from '../../src/contracts/callers.js';
import type { Exchange, McpCall, Principal } from '../../src/contracts.js';
import { createQuotas, type Refusal, type RunningQuotas } from '../../src/policy/quotas.js';
import { quotasSchema } from '../../src/policy/quotasSchema.js';
import { parseCall } from '../../src/wire/mcp.js';
import { FakeClock, FakeSignals, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';

function quotas(options: object) {
  const clock = new FakeClock();
  const signals = new FakeSignals();
  const deps = { clock, signals, clientAddress: (socket: string, behind: string | undefined) => behind ?? socket };
  return { clock, signals, made: createQuotas(quotasSchema.parse(options), deps) };
}

const principal = (subject: string, tenant?: string): Principal => ({
  subject,
  roles: [],
  claims: {},
  ...(tenant === undefined ? {} : { tenant }),
});

function exchange(caller: Principal | undefined, destination: string, call: McpCall, address = '192.0.2.1'): Exchange {
  return fakeExchange(fakeInbound('/mcp', { 'x-forwarded-for': address, 'mcp-name': 'harmless' }), {
    principal: caller,
    call,
    decision: { strategy: 'PROXY', destination, by: 'path' },
  });
}

const list = fakeCall('tools/list');
const alice = principal('keys:alice', 'red');
const bob = principal('keys:bob', 'red');
const carol = principal('keys:carol', 'blue');

/** `ok`, or the limit that refuses. */
function ask(made: RunningQuotas, caller: Principal | undefined, destination = 'qlik', call = list, address?: string) {
  return verdict(made.admitCall(exchange(caller, destination, call, address)) as Admission | Refusal);
}

const verdict = (answer: Admission | Refusal) => ('limit' in answer ? answer.limit : 'ok');
const times = <Value>(count: number, ask: () => Value) => Array.from({ length: count }, ask);

describe('quotas', () => {
  it('without a promise where nothing is shared', () => {
    expect(quotas({ perCaller: '1/m' }).made.admitCall(exchange(alice, 'qlik', list))).not.toBeInstanceOf(Promise);
  });

  it('of one caller are never drawn by another, whatever names they choose', () => {
    const { made } = quotas({ perCaller: '2/m' });
    const twin = principal('["keys:alice"]');
    expect(times(3, () => ask(made, alice))).toEqual(['ok', 'ok', 'perCaller']);
    for (const other of [bob, carol, twin, principal('keys:alice'), principal('keys:alice', 'blue')]) {
      expect(times(3, () => ask(made, other))).toEqual(['ok', 'ok', 'perCaller']);
    }
  });

  it('list each limit as it was written, and reset it as a whole', async () => {
    const { made } = quotas({ perAddress: '9/s', perCaller: '2/m burst 3', perDestination: { 'ql*': '4/d' } });
    expect((await made.list()).map(({ limit, allowed, about }) => [limit, allowed, about])).toEqual([
      ['perAddress', '9/s', undefined],
      ['perCaller', '2/m burst 3', undefined],
      ['perDestination', '4/d', 'ql*'],
    ]);
    times(3, () => ask(made, alice));
    made.blame('192.0.2.7');
    expect((await made.list()).slice(3)).toMatchObject([
      { limit: 'perAddress', about: '192.0.2.7', drawn: 9, remaining: 0 },
      { limit: 'perCaller', subject: 'keys:alice', tenant: 'red', drawn: 3, remaining: 0 },
      { limit: 'perDestination', about: 'ql* qlik', drawn: 3, remaining: 1 },
    ]);
    expect(ask(made, alice)).toBe('perCaller');
    await made.reset((await made.list())[1]?.id ?? '');
    expect(ask(made, alice)).toBe('ok');
  });

  it('of thousands of callers are listed as far as that is of use, those who drew most first', async () => {
    const { made } = quotas({ perCaller: '9/h' });
    for (let count = 0; count < 1_500; count += 1) ask(made, principal(`keys:${count}`, 'red'));
    times(2, () => ask(made, carol));
    const lines = await made.list();
    expect(lines).toHaveLength(1_001);
    expect(lines[1]).toMatchObject({ subject: 'keys:carol', drawn: 2 });
    expect(await made.list('blue')).toHaveLength(2);
  });

  it('know a caller again, whichever object describes it', () => {
    const { made } = quotas({ perCaller: '2/m' });
    expect(times(3, () => ask(made, principal('keys:alice', 'red')))).toEqual(['ok', 'ok', 'perCaller']);
  });

  it('take the address for a caller that nobody knows', () => {
    const { made } = quotas({ perCaller: '1/m' });
    expect(ask(made, undefined, 'qlik', list, '192.0.2.1')).toBe('ok');
    expect(ask(made, undefined, 'qlik', list, '192.0.2.1')).toBe('perCaller');
    expect(ask(made, undefined, 'qlik', list, '192.0.2.2')).toBe('ok');
  });

  it('of a tenant are shared within it and by nobody else', () => {
    const { made } = quotas({ perTenant: '3/m' });
    expect([ask(made, alice), ask(made, bob), ask(made, alice), ask(made, bob)]).toEqual([
      'ok',
      'ok',
      'ok',
      'perTenant',
    ]);
    expect(ask(made, carol)).toBe('ok');
    expect(times(5, () => ask(made, principal('keys:lonely')))).toEqual(times(5, () => 'ok'));
  });

  it('of a destination count all callers together, each destination for itself', () => {
    const { made } = quotas({ perDestination: { 'qlik*': '2/m' } });
    expect([ask(made, alice), ask(made, carol), ask(made, bob)]).toEqual(['ok', 'ok', 'perDestination']);
    expect(ask(made, alice, 'qlik-eu')).toBe('ok');
    expect(times(3, () => ask(made, alice, 'files'))).toEqual(['ok', 'ok', 'ok']);
  });

  it('a caller beyond its own limit draws on nobody else', () => {
    const { made } = quotas({ perCaller: '1/m', perTenant: '3/m', perDestination: { qlik: '3/m' } });
    times(50, () => ask(made, alice));
    expect([ask(made, bob), ask(made, principal('keys:eve', 'red'))]).toEqual(['ok', 'ok']);
  });

  it('fill up again', () => {
    const { made, clock } = quotas({ perCaller: '60/m burst 1' });
    expect(times(2, () => ask(made, alice))).toEqual(['ok', 'perCaller']);
    clock.time += 1000;
    expect(times(2, () => ask(made, alice))).toEqual(['ok', 'perCaller']);
  });
});

describe('limits of tools', () => {
  const reload = fakeCall('tools/call', 'qlik_start_app_reload');
  const rules = { perTool: { 'qlik/tools/call:qlik_start_*': '2/m' } };

  it('are each caller’s own, and touch no other call', () => {
    const { made } = quotas(rules);
    expect(times(3, () => ask(made, alice, 'qlik', reload))).toEqual(['ok', 'ok', 'perTool']);
    expect(ask(made, bob, 'qlik', reload)).toBe('ok');
    expect(ask(made, alice, 'qlik', fakeCall('tools/call', 'qlik_get'))).toBe('ok');
    expect(ask(made, alice, 'files', reload)).toBe('ok');
    expect(ask(made, alice, 'qlik', fakeCall('prompts/get', 'qlik_start_app_reload'))).toBe('ok');
  });

  it('a tool can’t be smuggled past its limit by Mcp-Name', () => {
    const { made } = quotas(rules);
    const smuggled = exchange(alice, 'qlik', reload);
    expect(smuggled.request.header('mcp-name')).toBe('harmless');
    expect(times(3, () => verdict(made.admitCall(smuggled) as Admission | Refusal))[2]).toBe('perTool');
  });

  it('a tool can’t be smuggled past its limit by a batch', () => {
    const { made } = quotas({ ...rules, perCaller: '100/m' });
    const call = (name: string) => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } });
    const batch = (...names: string[]) =>
      parseCall(Buffer.from(JSON.stringify(names.map(call))), { header: () => undefined });
    const start = 'qlik_start_app_reload';
    expect(ask(made, alice, 'qlik', batch('a', start, 'b', start, 'c', start))).toBe('perTool');
    expect(ask(made, alice, 'qlik', batch('a', start, 'b', start))).toBe('ok');
    expect(ask(made, alice, 'qlik', batch('a', start))).toBe('perTool');
    expect(ask(made, alice, 'qlik', batch(...times(90, () => 'a')))).toBe('ok');
    expect(ask(made, alice, 'qlik', batch(...times(90, () => 'a')))).toBe('perCaller');
    const endless = made.admitCall(exchange(bob, 'qlik', batch(...times(101, () => 'a')))) as Refusal;
    expect(endless).toMatchObject({ limit: 'perCaller', retryAfterMs: 60_000 });
  });
});

describe('the header lines of a limit', () => {
  it('describe the tightest, as structured fields', () => {
    const { made, clock } = quotas({ perCaller: '600/m burst 50', perTenant: '6000/m' });
    const answer = made.admitCall(exchange(alice, 'qlik', list)) as Admission;
    expect(answer.headers).toEqual(['ratelimit', '"perCaller";r=49;t=1', 'ratelimit-policy', '"perCaller";q=600;w=60']);
    times(49, () => ask(made, alice));
    const refused = made.admitCall(exchange(alice, 'qlik', list)) as Refusal;
    expect(refused.headers.slice(0, 2)).toEqual(['ratelimit', '"perCaller";r=0;t=1']);
    expect(refused.retryAfterMs).toBeCloseTo(100, 0);
    clock.time += 101;
    expect(ask(made, alice)).toBe('ok');
  });

  it('tell nobody how much others use', () => {
    const { made } = quotas({ perDestination: { qlik: '1/m' } });
    expect((made.admitCall(exchange(alice, 'qlik', list)) as Admission).headers).toEqual([]);
    expect((made.admitCall(exchange(carol, 'qlik', list)) as Refusal).headers).toEqual([]);
  });
});

describe('concurrent calls', () => {
  it('are counted per caller, tenant and destination, and given back once', () => {
    const { made } = quotas({ concurrent: { perCaller: 1, perTenant: 2, perDestination: { qlik: 3 } } });
    const [first] = [alice, bob].map((caller) => made.admitCall(exchange(caller, 'qlik', list)) as Admission);
    expect(ask(made, alice)).toBe('concurrent.perCaller');
    expect(ask(made, principal('keys:eve', 'red'))).toBe('concurrent.perTenant');
    expect(ask(made, carol)).toBe('ok');
    expect(ask(made, principal('keys:dan', 'blue'))).toBe('concurrent.perDestination');
    first?.release();
    first?.release();
    expect(ask(made, alice)).toBe('ok');
    expect(ask(made, principal('keys:dan', 'blue'))).toBe('concurrent.perDestination');
  });

  it('that are refused cost no token, and refused tokens no place', () => {
    const { made } = quotas({ perCaller: '2/m', concurrent: { perCaller: 1 } });
    const first = made.admitCall(exchange(alice, 'qlik', list)) as Admission;
    times(5, () => ask(made, alice));
    first.release();
    (made.admitCall(exchange(alice, 'qlik', list)) as Admission).release();
    expect(ask(made, alice)).toBe('perCaller');
    expect(ask(made, alice)).toBe('perCaller');
  });
});

describe('addresses', () => {
  const spent = (made: RunningQuotas, address: string) => (made.admitAddress(address) as Refusal | undefined)?.limit;

  it('are limited before anybody is known', () => {
    const { made } = quotas({ perAddress: '2/m' });
    expect(times(3, () => spent(made, '192.0.2.1'))).toEqual([undefined, undefined, 'perAddress']);
    expect(spent(made, '192.0.2.2')).toBeUndefined();
  });

  it('a bad proof costs ten more', () => {
    const { made, clock } = quotas({ perAddress: '60/m' });
    let looks = 0;
    while (!spent(made, '192.0.2.1')) {
      looks += 1;
      made.blame('192.0.2.1');
    }
    expect(looks).toBeLessThanOrEqual(6);
    clock.time += 1000;
    expect(spent(made, '192.0.2.1')).toBe('perAddress');
    expect(spent(made, '192.0.2.2')).toBeUndefined();
  });

  it('are one however they are written, and a whole IPv6 network is one', () => {
    const { made } = quotas({ perAddress: '1/m' });
    expect(spent(made, '::ffff:192.0.2.1')).toBeUndefined();
    expect(spent(made, '192.0.2.1')).toBe('perAddress');
    expect(spent(made, '2001:db8::1')).toBeUndefined();
    expect(spent(made, '2001:0DB8:0:0:ffff::7')).toBe('perAddress');
    expect(spent(made, '2001:db8:0:1::1')).toBeUndefined();
  });
});

describe('shedding', () => {
  it('sends a share of new calls away while the loop lags, and nobody afterwards', () => {
    const { made, clock, signals } = quotas({ shed: { lagMs: 250 } });
    clock.chance = 0.2;
    const shed = () => (made.admitAddress('192.0.2.1') as Refusal | undefined)?.limit;
    expect(shed()).toBeUndefined();
    times(20, () => made.observeLag(400));
    expect(shed()).toBe('shed');
    expect(ask(made, alice)).toBe('ok');
    times(40, () => made.observeLag(0));
    expect(shed()).toBeUndefined();
    expect(signals.emitted.map(({ name }) => name)).toEqual(['overload.began', 'overload.ended']);
    made.close();
  });
});
