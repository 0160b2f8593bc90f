import { PendingLogins } from '../../src/edge/pendingLogins.js';
import { MemoryVault } from '../../src/stores/vault.js';
import { SteppedClock } from '../credentials/steppedClock.js';

const REDIRECT = new URL('https://mcp.example.com/gate/oauth/callback');
const SERVER = new URL('https://notes.example.com/mcp?tenant=1');

function wanted(state: string, subject: string | null = 'keys:ada') {
  const owner = subject === null ? null : { subject };
  const purpose = { owner, server: SERVER, credential: 'notes' };
  return { state, redirectUri: REDIRECT, authorization: new URL('https://as.example.com/authorize'), purpose };
}

const back = (query: string, place = REDIRECT.href) => new URL(`${place}?${query}`);

describe('logins under way', () => {
  function bench(shared = true) {
    const [clock, vault] = [new SteppedClock(), new MemoryVault()];
    const make = () => new PendingLogins({ clock, vault, shared });
    return { clock, vault, here: make(), there: make() };
  }

  it('end by what comes back to exactly their redirect URI, once', async () => {
    const { here } = bench(false);
    const { done } = here.expect(wanted('state'));
    const strange = [
      back('state=other&code=c'),
      back('code=c'),
      back('state=state&state=state&code=c'),
      back('state=state&code=c&code=d'),
      back('state=state&code=c', 'https://mcp.example.com/oauth/callback'),
      back('state=state&code=c', 'http://mcp.example.com/gate/oauth/callback'),
      back('state=state&code=c', 'https://user@mcp.example.com/gate/oauth/callback'),
      back('state=state&code=c', 'https://evil.example.com/gate/oauth/callback'),
    ];
    for (const said of strange) expect([said.href, await here.arrive(said)]).toEqual([said.href, 'not-yours']);
    expect(await here.arrive(back('state=state&code=c&iss=https%3A%2F%2Fas'))).toBe('done');
    expect(await done).toEqual({ code: 'c', iss: 'https://as' });
    expect(await here.arrive(back('state=state&code=c'))).toBe('not-yours');
  });

  it('are known by a name that says nothing of their state, and are shown without it', async () => {
    const { here } = bench(false);
    const { id } = here.expect(wanted('the-state'));
    expect(id).toMatch(/^[\w-]{43}$/);
    expect(await here.find(id)).toMatchObject({ subject: 'keys:ada', server: 'https://notes.example.com/mcp' });
    expect(await here.find('the-state')).toBeUndefined();
  });

  it('are refused in words that are harmless', async () => {
    const { here } = bench(false);
    const [first, second] = [here.expect(wanted('1')), here.expect(wanted('2'))];
    expect(await here.arrive(back('state=1&error=access_denied'))).toBe('refused');
    expect(await here.arrive(back('state=2&error=%3Cscript%3E'))).toBe('refused');
    await expect(first.done).rejects.toThrow('the login was refused: access_denied');
    await expect(second.done).rejects.toThrow(/refused$/);
  });

  it('are found by whoever shares the vault, and taken once there too', async () => {
    const { here, there, clock, vault } = bench();
    const { id, done, kept } = here.expect(wanted('state'));
    await kept;
    expect(await there.find(id)).toMatchObject({ credential: 'notes' });
    expect(await there.arrive(back('state=state&code=c'))).toBe('done');
    expect(await here.arrive(back('state=state&code=d'))).toBe('not-yours');
    expect(await there.arrive(back('state=state&code=e'))).toBe('not-yours');
    await clock.advance(1000);
    expect(await done).toEqual({ code: 'c' });
    expect(await vault.list()).toEqual([]);
    expect(await there.arrive(back('state=state&code=f'))).toBe('not-yours');
  });

  it('are taken once where two come back at the same moment', async () => {
    const { here, there, clock } = bench();
    const { done, kept } = here.expect(wanted('state'));
    await kept;
    const codes = ['a', 'b', 'c', 'd'];
    const arrivals = await Promise.all(
      codes.map((code, at) => (at % 2 ? here : there).arrive(back(`state=state&code=${code}`))),
    );
    expect(arrivals.filter((arrival) => arrival === 'done')).toHaveLength(1);
    await clock.advance(1000);
    expect((await done).code).toBe(codes[arrivals.indexOf('done')]);
  });

  it('end when nobody comes back in time, and leave nothing behind', async () => {
    const { here, there, clock, vault } = bench();
    const { id, done, kept } = here.expect(wanted('state'));
    await kept;
    await clock.advance(5 * 60_000);
    await expect(done).rejects.toThrow('nobody logged in in time');
    expect([await there.find(id), await vault.list()]).toEqual([undefined, []]);
  });

  it('that a process left behind are swept by the next', async () => {
    const { here, there, clock, vault } = bench();
    await here.expect(wanted('state')).kept;
    const [left] = await vault.list();
    here.close();
    await vault.write(left?.name ?? '', left?.document ?? {});
    await clock.advance(6 * 60_000);
    await there.expect(wanted('another')).kept;
    expect((await vault.list()).map(({ name }) => name)).not.toContain(left?.name);
  });

  it('are limited: of one caller, and of all', () => {
    const { here } = bench(false);
    for (let count = 0; count < 20; count++) here.expect(wanted(`${count}`));
    expect(() => here.expect(wanted('one more'))).toThrow('too many people are logging in');
    for (let count = 20; count < 1000; count++) here.expect(wanted(`${count}`, `keys:${count}`));
    expect(() => here.expect(wanted('one more', 'keys:other'))).toThrow('too many people are logging in');
    expect(() => here.expect(wanted('one more', null))).toThrow('too many people are logging in');
    here.close();
  });

  it('that nobody knows may not be asked for without end', async () => {
    const { here, clock } = bench();
    const { done, kept } = here.expect(wanted('mine'));
    await kept;
    const strange = (count: number) =>
      Promise.allSettled(Array.from({ length: count }, (_, at) => here.arrive(back(`state=${at}&code=c`))));
    const refused = (await strange(150)).filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(50);
    expect(refused[0]).toMatchObject({ reason: { code: 'OVERLOADED' } });
    // Who is waited for here isn't kept waiting by them.
    expect(await here.arrive(back('state=mine&code=c'))).toBe('done');
    expect(await done).toEqual({ code: 'c' });
    await clock.advance(1000);
    expect((await strange(20)).every(({ status }) => status === 'fulfilled')).toBe(true);
  });
});
