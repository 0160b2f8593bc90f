import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { EngineLimits } from '../../../src/connectors/qlik/engine.js';
import type { Clock } from '../../../src/contracts.js';
import { GatewayError } from '../../../src/core/errors.js';
import { CredentialRefused, ToolError } from '../../../src/core/toolErrors.js';
import { APP, bearer, contextOf, EngineWorld } from './engineWorld.js';
import { FakeEngine } from './fakeEngine.js';

const alice = contextOf('alice');
const bob = contextOf('bob');

/** Qlik's documented close codes. */
const CODES = [4203, 4204, 4205, 4230, 4240, 4001, 4005, 4006];
/** Those after which another socket may serve. */
const REOPENED = [4001, 4006, 1006, 1011, 4999];

let fake: FakeEngine;
let worlds: EngineWorld[];

beforeEach(async () => {
  fake = await FakeEngine.start();
  worlds = [];
});

afterEach(async () => {
  for (const world of worlds) await world.engine.close();
  await fake.close();
});

function worldOf(limits: Partial<EngineLimits> = {}, url = fake.url, clock?: Clock): EngineWorld {
  const world = new EngineWorld(url, limits, clock);
  worlds.push(world);
  return world;
}

async function opened(world: EngineWorld, context = alice): Promise<string> {
  return (await world.call<{ handle: string }>('qlik_open_app', { appId: APP }, context)).handle;
}

/** Selected by a bookmark, since that needs but one frame. */
async function selectIn(world: EngineWorld, handle: string, context = alice): Promise<void> {
  fake.answers.CreateSessionObject = () => ({ qReturn: { qType: 'GenericObject', qHandle: 2, qGenericId: 'x' } });
  fake.answers.GetLayout = () => ({ qLayout: { qSelectionObject: { qSelections: [] } } });
  fake.answers.DestroySessionObject = () => ({ qSuccess: true });
  await world.call('qlik_apply_bookmark', { handle, bookmarkId: 'b' }, context);
}

describe('a session', () => {
  it('is used again: the second call opens no socket and no app', async () => {
    const world = worldOf();
    const handle = await opened(world);
    for (let turn = 0; turn < 3; turn++) await world.call('qlik_get_script', { handle }, alice);
    expect([fake.upgrades.length, fake.count('OpenDoc'), fake.count('GetScript')]).toEqual([1, 1, 3]);
    for (let turn = 0; turn < 3; turn++) await world.call('qlik_get_script', { appId: APP }, alice);
    expect([fake.upgrades.length, fake.count('OpenDoc'), fake.count('GetScript')]).toEqual([2, 2, 6]);
  });

  it('has an unguessable handle, and an identity that is another one', async () => {
    const world = worldOf();
    const handles = [await opened(world), await opened(world)];
    const identities = fake.upgrades.map(({ url }) => url?.split('/identity/')[1]);
    expect(new Set([...handles, ...identities]).size).toBe(4);
    for (const text of [...handles, ...identities]) expect(text).toMatch(/^[\w-]{22}$/);
  });

  it('is opened once by calls that come at the same time', async () => {
    const world = worldOf();
    await Promise.all([1, 2, 3, 4].map(() => world.call('qlik_get_script', { appId: APP }, alice)));
    expect([fake.upgrades.length, fake.count('OpenDoc')]).toEqual([1, 1]);
  });

  it('shows its credential to the tenant, and to the app that was named', async () => {
    await opened(worldOf());
    expect(fake.upgrades[0]?.headers.authorization).toBe('Bearer token-of-alice');
    expect(fake.upgrades[0]?.url).toMatch(new RegExp(`^/app/${APP}/identity/[\\w-]{22}$`));
    expect(fake.upgrades[0]?.headers['sec-websocket-extensions']).toBeUndefined();
  });

  it('proves in the query that a session by cookies is not forged', async () => {
    const credential = { ...bearer('x'), headers: ['Cookie', 'a=b', 'qlik-csrf-token', 'c&d'] };
    await opened(worldOf(), contextOf('alice', { credential }));
    expect(fake.upgrades[0]?.headers.cookie).toBe('a=b');
    expect(fake.upgrades[0]?.url).toMatch(/\?qlik-csrf-token=c%26d$/);
  });

  it('follows no redirect with a credential', async () => {
    const elsewhere = await FakeEngine.start();
    fake.refusal = `302 Found\r\nlocation: ${elsewhere.url.href}app/${APP}`;
    await expect(opened(worldOf())).rejects.toMatchObject({ code: 'UPSTREAM_REFUSED' });
    expect(elsewhere.upgrades).toEqual([]);
    await elsewhere.close();
  });

  it('is never begun in the clear', () => {
    expect(() => new EngineWorld(new URL('http://tenant.eu.qlikcloud.com'))).toThrow('https only');
    expect(() => new EngineWorld(new URL('https://tenant.eu.qlikcloud.com'))).not.toThrow();
  });

  it.each(['../../v1/users/victim', 'a/b', '', '.', '..', 'a?b', 'x'.repeat(65), 'a\r\nb'])(
    'takes %j for no id of an app',
    async (appId) => {
      const world = worldOf();
      await expect(world.call('qlik_open_app', { appId }, alice)).rejects.toThrow('no id of an app');
      await expect(world.call('qlik_get_script', { appId }, alice)).rejects.toThrow('no id of an app');
      expect(fake.upgrades).toEqual([]);
    },
  );

  it('takes the app or its handle, and both where they agree', async () => {
    const world = worldOf();
    const handle = await opened(world);
    await expect(world.call('qlik_get_script', {}, alice)).rejects.toThrow('Give appId');
    await expect(world.call('qlik_get_script', { appId: 'other', handle }, alice)).rejects.toThrow('another app');
    await expect(world.call('qlik_get_script', { appId: APP, handle }, alice)).resolves.toBeDefined();
  });
});

describe('whose a session is', () => {
  it('a handle of another principal is unknown, in the same words as one that never was', async () => {
    const world = worldOf();
    const handle = await opened(world);
    const said = async (work: Promise<unknown>) =>
      work.then(
        () => 'served',
        (error: Error) => error.message,
      );
    const never = await said(world.call('qlik_get_script', { handle: 'AAAAAAAAAAAAAAAAAAAAAA' }, bob));
    expect(never).toMatch(/^Unknown handle/);
    for (const name of ['qlik_get_script', 'qlik_close_app', 'qlik_clear_selections']) {
      expect(await said(world.call(name, { handle }, bob))).toBe(never);
      expect(await said(world.call(name, { handle }, contextOf('alice', { tenant: 'other' })))).toBe(never);
    }
    expect(await said(world.call('qlik_get_script', { handle }, alice))).toBe('served');
    expect(fake.upgrades).toHaveLength(1);
  });

  it('a key of the map of sessions is no handle', async () => {
    const world = worldOf();
    await world.call('qlik_get_script', { appId: APP }, alice);
    const key = JSON.stringify([null, null, JSON.stringify([null, 'alice']), APP]);
    await expect(world.call('qlik_get_script', { handle: key }, alice)).rejects.toThrow('Unknown handle');
  });

  it('two users never share a socket, nor do two tenants of one subject', async () => {
    const world = worldOf();
    for (const context of [
      alice,
      bob,
      contextOf('alice', { tenant: 'x' }),
      contextOf('alice', { tenant: 'y' }),
      contextOf(null),
    ]) {
      await world.call('qlik_get_script', { appId: APP }, context);
    }
    expect(fake.upgrades).toHaveLength(5);
  });

  it('two API-key users on one app never share a socket, though they look alike to us', async () => {
    const world = worldOf();
    const [one, two] = ['one', 'two'].map((key) => contextOf(null, { credential: bearer(key, { callers: true }) }));
    if (!one || !two) throw new Error('two');
    await Promise.all([one, two, one, two].map((context) => world.call('qlik_get_script', { appId: APP }, context)));
    expect(fake.upgrades.map(({ headers }) => headers.authorization).sort()).toEqual(['Bearer one', 'Bearer two']);
    const handle = await opened(world, one);
    await expect(world.call('qlik_get_script', { handle }, two)).rejects.toThrow('Unknown handle');
  });

  it('one owner who is shown as another user of the vendor is served on another socket', async () => {
    const world = worldOf();
    const jwt = (sub: string, more = 1) => `x.${Buffer.from(JSON.stringify({ sub, more })).toString('base64url')}.y`;
    const as = (token: string) => contextOf('alice', { credential: bearer(token) });
    const handle = await opened(world, as(jwt('ben')));
    await expect(world.call('qlik_get_script', { handle }, as(jwt('cem')))).rejects.toThrow('Unknown handle');
    // The same user with a renewed token is the same.
    await expect(world.call('qlik_get_script', { handle }, as(jwt('ben', 2)))).resolves.toBeDefined();
    await Promise.all(['ben', 'cem'].map((sub) => world.call('qlik_get_script', { appId: APP }, as(jwt(sub)))));
    expect(fake.upgrades).toHaveLength(3);
  });

  it('refuses a session that somebody had already', async () => {
    fake.greeting = fake.greeting?.replace('CREATED', 'ATTACHED');
    await expect(opened(worldOf())).rejects.toBeInstanceOf(GatewayError);
  });

  it('shows a renewed token to new sockets, and lets go of a socket whose token is over', async () => {
    const world = worldOf({ pingMs: 20 });
    const over = { ...bearer('old').token, expiresAt: Date.now() - 1 };
    await world.call(
      'qlik_get_script',
      { appId: APP },
      contextOf('alice', { credential: bearer('old', { token: over }) }),
    );
    const [socket] = fake.sockets;
    if (socket) await once(socket, 'close');
    await world.call('qlik_get_script', { appId: APP }, contextOf('alice', { credential: bearer('new') }));
    expect(fake.upgrades.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer new']);
  });

  it('opens an app anew once it was reloaded, unless selections would be lost', async () => {
    const world = worldOf();
    const [plain, selected] = [await opened(world), await opened(world)];
    await selectIn(world, selected);
    fake.answers.GetScript = () => undefined;
    const asked = fake.next('GetScript');
    const running = world.call('qlik_get_script', { appId: APP }, alice);
    const { socket, id } = await asked;
    world.engine.renew(APP);
    world.engine.renew('another');
    delete fake.answers.GetScript;
    socket.send(JSON.stringify({ id, result: { qScript: 'before' } }));
    await expect(running).resolves.toMatchObject({ script: 'before' });
    expect(fake.upgrades).toHaveLength(3);
    for (const target of [{ appId: APP }, { handle: plain }, { handle: selected }]) {
      await expect(world.call('qlik_get_script', target, alice)).resolves.toMatchObject({ script: 'LOAD 1;' });
    }
    expect(fake.upgrades).toHaveLength(5);
  });

  it('where the engine says that its user has too many, one that nobody would miss is given up', async () => {
    const world = worldOf();
    await opened(world);
    const [first] = fake.sockets;
    let times = 0;
    fake.answers.OpenDoc = ({ socket }) => {
      times += 1;
      if (times === 1) socket.close(4005);
      return times === 1 ? undefined : { qReturn: { qType: 'Doc', qHandle: 1, qGenericId: APP } };
    };
    const closed = first ? once(first, 'close') : undefined;
    await expect(opened(world, bob)).resolves.toBeDefined();
    await closed;
    fake.answers.OpenDoc = ({ socket }) => void socket.close(4005) as undefined;
    await expect(worldOf().call('qlik_open_app', { appId: APP }, alice)).rejects.toThrow('qlik_close_app');
  });

  it('what changes something waits for what changed something before it', async () => {
    const world = worldOf();
    const handle = await opened(world);
    await selectIn(world, handle);
    fake.answers.ApplyBookmark = () => undefined;
    const asked = fake.next('ApplyBookmark');
    const first = world.call('qlik_apply_bookmark', { handle, bookmarkId: 'one' }, alice);
    const { socket, id } = await asked;
    const second = world.call('qlik_apply_bookmark', { handle, bookmarkId: 'two' }, alice);
    await world.call('qlik_get_script', { handle }, alice);
    expect(fake.count('ApplyBookmark')).toBe(2);
    const next = fake.next('ApplyBookmark');
    socket.send(JSON.stringify({ id, result: { qSuccess: true } }));
    await expect(first).resolves.toBeDefined();
    const frame = await next;
    expect(frame.params).toEqual(['two']);
    socket.send(JSON.stringify({ id: frame.id, result: { qSuccess: false } }));
    await expect(second).rejects.toThrow('did not apply the bookmark');
  });
});

describe('what can go wrong at opening', () => {
  it.each(CODES.filter((code) => code !== 4006))('%i is said in words', async (code) => {
    fake.answers.OpenDoc = ({ socket }) => void socket.close(code) as undefined;
    const failed = await opened(worldOf()).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(ToolError);
    expect((failed as Error).message).toMatch(new RegExp(`^The app can't be opened: .+ \\(close code ${code}\\)\\.$`));
  });

  it('4006 is a credential that was refused: it is renewed, and the call repeated', async () => {
    fake.answers.OpenDoc = ({ socket }) => void socket.close(4006) as undefined;
    await expect(opened(worldOf())).rejects.toBeInstanceOf(CredentialRefused);
  });

  it.each([4001, 1006])('by %i before the app is open: another socket is tried, once', async (code) => {
    let times = 0;
    fake.answers.OpenDoc = ({ socket }) => {
      times += 1;
      if (times > 1) return { qReturn: { qType: 'Doc', qHandle: 1, qGenericId: APP } };
      return void (code === 1006 ? socket.terminate() : socket.close(code)) as undefined;
    };
    await expect(opened(worldOf())).resolves.toBeDefined();
    expect(fake.upgrades).toHaveLength(2);
  });

  it('a socket that breaks is the vendor down', async () => {
    fake.answers.OpenDoc = ({ socket }) => void socket.terminate() as undefined;
    await expect(opened(worldOf())).rejects.toMatchObject({ code: 'UPSTREAM_BROKE', neverSent: true });
  });

  it.each([
    ['401 Unauthorized', CredentialRefused, 'refused the credential'],
    ['403 Forbidden', ToolError, 'may not open'],
    ['404 Not Found', ToolError, 'there is none'],
    ['429 Too Many\r\nretry-after: 13', ToolError, 'wait 13 seconds'],
    ['503 Service Unavailable', GatewayError, 'answered 503'],
    ['200 OK', GatewayError, 'with 200'],
  ])('an upgrade answered with %j', async (refusal, kind, text) => {
    fake.refusal = refusal;
    const failed = await opened(worldOf()).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(kind);
    expect((failed as Error).message).toContain(text);
    expect((failed as Error).message).not.toContain('token-of-alice');
  });

  it('nobody there is the vendor down', async () => {
    const nobody = createServer().listen(0, '127.0.0.1');
    await once(nobody, 'listening');
    const { port } = nobody.address() as { port: number };
    nobody.close();
    await once(nobody, 'close');
    const world = worldOf({}, new URL(`http://127.0.0.1:${port}`));
    await expect(opened(world)).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE', neverSent: true });
    expect(world.engine.sessions).toBe(0);
  });

  it('a handshake that never ends is given up', async () => {
    fake.deaf = true;
    await expect(opened(worldOf({ handshakeMs: 50 }))).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
  });

  it('an app that never opens is given up', async () => {
    fake.answers.OpenDoc = () => undefined;
    await expect(opened(worldOf({ openMs: 50 }))).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
  });

  it('what the engine refuses is said in its words, one line of them', async () => {
    fake.answers.OpenDoc = () => ({ error: { code: 77, parameter: '', message: `no\n\u0000way${'y'.repeat(500)}` } });
    const failed = (await opened(worldOf()).catch((error: unknown) => error)) as Error;
    expect(failed.message).toMatch(/^Qlik's engine refused openDoc: no way[y]{190,200}… \(code 77\)\.$/);
  });
});

describe('a socket that closes in mid-call', () => {
  it.each([...CODES, 4999, 1011])('by %i: a read hears why, or is done on another socket', async (code) => {
    const world = worldOf();
    const handle = await opened(world);
    let times = 0;
    fake.answers.GetScript = ({ socket }) => {
      times += 1;
      if (times > 1) return { qScript: 'again' };
      socket.close(code);
      return undefined;
    };
    const told = world.call('qlik_get_script', { handle }, alice);
    if (REOPENED.includes(code)) await expect(told).resolves.toMatchObject({ script: 'again' });
    else await expect(told).rejects.toThrow(new RegExp(`ended in mid-call: .+ \\(close code ${code}\\)`));
    expect(fake.upgrades).toHaveLength(REOPENED.includes(code) ? 2 : 1);
    expect(world.signals.named('qlik.engine-lost')).toEqual([{ destination: 'qlik', app: APP, code }]);
  });

  it.each([...CODES, 1006])('by %i: what changes the app is never done twice', async (code) => {
    const world = worldOf();
    fake.answers.SetScript = ({ socket }) =>
      void (code === 1006 ? socket.terminate() : socket.close(code)) as undefined;
    const failed = world.call('qlik_update_script', { appId: APP, script: 'x' }, alice);
    await expect(failed).rejects.toThrow(/It may have been done: look before you repeat it\.$/);
    expect(fake.count('SetScript')).toBe(1);
  });

  it('a read is repeated once, and no more', async () => {
    fake.answers.GetScript = ({ socket }) => void socket.terminate() as undefined;
    await expect(worldOf().call('qlik_get_script', { appId: APP }, alice)).rejects.toThrow('close code 1006');
    expect(fake.count('GetScript')).toBe(2);
  });

  it('while nobody used it: the next call opens another, whatever it does', async () => {
    const world = worldOf();
    const handle = await opened(world);
    const [socket] = fake.sockets;
    if (socket) await gone(socket, () => socket.close(4001));
    fake.answers.SetScript = () => ({});
    fake.answers.CheckScriptSyntax = () => ({ qErrors: [] });
    fake.answers.DoSave = () => ({});
    await expect(world.call('qlik_update_script', { handle, script: 'x' }, alice)).resolves.toMatchObject({
      saved: true,
    });
    expect(fake.upgrades).toHaveLength(2);
  });

  it('with selections: nobody gets an answer without them who was not told', async () => {
    const world = worldOf();
    const handle = await opened(world);
    await selectIn(world, handle);
    const [socket] = fake.sockets;
    if (socket) await gone(socket, () => socket.close(4001));
    await expect(world.call('qlik_get_script', { handle }, alice)).rejects.toThrow(/its selections with it.*4001/);
    await expect(world.call('qlik_get_script', { handle }, alice)).rejects.toThrow('its selections with it');
    await expect(world.call('qlik_clear_selections', { handle }, alice)).resolves.toEqual({ selections: [] });
    await expect(world.call('qlik_get_script', { handle }, alice)).resolves.toMatchObject({ script: 'LOAD 1;' });
  });

  it('with selections, in mid-call: it is not done again without them', async () => {
    const world = worldOf();
    const handle = await opened(world);
    await selectIn(world, handle);
    fake.answers.GetScript = ({ socket }) => void socket.terminate() as undefined;
    await expect(world.call('qlik_get_script', { handle }, alice)).rejects.toThrow('its selections with it');
    expect(fake.count('GetScript')).toBe(1);
  });
});

/** Closes a socket of the engine's, and waits until both sides know. */
async function gone(socket: { once(event: 'close', heard: () => void): unknown }, close: () => void): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    close();
  });
  await delay(20);
}

describe('a sick engine', () => {
  it.each([
    ['no JSON', 'x'],
    ['null', 'null'],
    ["a name of Object's own", '{"id":"constructor","result":{}}'],
    ['binary', Buffer.from([1, 2, 3])],
  ])('that sends %s ends a socket, and nothing else', async (_, message) => {
    const world = worldOf();
    const handle = await opened(world);
    let times = 0;
    fake.answers.GetScript = ({ socket }) => {
      times += 1;
      if (times === 1) socket.send(message);
      return times === 1 ? undefined : { qScript: 'again' };
    };
    await expect(world.call('qlik_get_script', { handle }, alice)).resolves.toMatchObject({ script: 'again' });
    expect(fake.upgrades).toHaveLength(2);
  });

  it('that sends more than is allowed is told to the model', async () => {
    fake.answers.GetScript = () => ({ qScript: 'x'.repeat(20_000) });
    const told = worldOf({ maxMessageBytes: 10_000 }).call('qlik_get_script', { appId: APP }, alice);
    await expect(told).rejects.toThrow(/larger than maxMessageBytes.*ask for less/);
  });

  it('that answers no ping is left for another socket', async () => {
    const world = worldOf({ pingMs: 20 });
    fake.autoPong = false;
    await opened(world);
    const [socket] = fake.sockets;
    if (socket) await once(socket, 'close');
    await expect(world.call('qlik_get_script', { appId: APP }, alice)).resolves.toBeDefined();
    expect(world.signals.named('qlik.engine-lost')).toEqual([{ destination: 'qlik', app: APP, code: 1006 }]);
  });

  it('is pinged, and kept by that', async () => {
    const world = worldOf({ pingMs: 10 });
    await opened(world);
    const [socket] = fake.sockets;
    for (let turn = 0; turn < 3; turn++) if (socket) await once(socket, 'ping');
    expect(fake.sockets.size).toBe(1);
  });

  it('that takes too long is given up, and told so', async () => {
    const world = worldOf({ callMs: 50 });
    await world.call('qlik_get_script', { appId: APP }, alice);
    fake.answers.GetScript = () => undefined;
    const cancelled = fake.next('CancelRequest');
    await expect(world.call('qlik_get_script', { appId: APP }, alice)).rejects.toThrow('took longer than 0.05 s');
    expect((await cancelled).params).toEqual([fake.frames.findLast(({ method }) => method === 'GetScript')?.id]);
  });
});

describe('a call that is cancelled', () => {
  it('tells the engine, and harms nobody else on its socket', async () => {
    const world = worldOf();
    const leaving = new AbortController();
    await world.call('qlik_get_script', { appId: APP }, alice);
    fake.answers.GetScript = () => undefined;
    const asked = fake.next('GetScript');
    const call = world.call('qlik_get_script', { appId: APP }, { ...alice, signal: leaving.signal });
    const frame = await asked;
    const cancelled = fake.next('CancelRequest');
    leaving.abort(new Error('left'));
    await expect(call).rejects.toThrow('left');
    expect((await cancelled).params).toEqual([frame.id]);
    fake.answers.GetScript = () => ({ qScript: 'next' });
    await expect(world.call('qlik_get_script', { appId: APP }, alice)).resolves.toMatchObject({ script: 'next' });
    expect(fake.upgrades).toHaveLength(1);
  });

  it('while it waits for a socket leaves that to those who wait besides', async () => {
    const world = worldOf();
    const leaving = new AbortController();
    const asked = fake.next('OpenDoc');
    fake.answers.OpenDoc = () => undefined;
    const first = world.call('qlik_get_script', { appId: APP }, { ...alice, signal: leaving.signal });
    const second = world.call('qlik_get_script', { appId: APP }, alice);
    const { socket, id } = await asked;
    leaving.abort(new Error('left'));
    await expect(first).rejects.toThrow('left');
    socket.send(JSON.stringify({ id, result: { qReturn: { qType: 'Doc', qHandle: 1, qGenericId: APP } } }));
    await expect(second).resolves.toMatchObject({ script: 'LOAD 1;' });
  });
});

describe('limits', () => {
  it('a principal has so many sockets: one that nobody would miss goes for the next', async () => {
    const world = worldOf({ sessionsPerPrincipal: 2 });
    const [first, second] = [await opened(world), await opened(world)];
    await opened(world);
    expect(fake.sockets.size).toBe(2);
    // Its handle stays good: nothing was selected.
    await expect(world.call('qlik_get_script', { handle: first }, alice)).resolves.toBeDefined();
    await expect(world.call('qlik_get_script', { handle: second }, alice)).resolves.toBeDefined();
    expect(fake.sockets.size).toBe(2);
    expect(fake.upgrades).toHaveLength(5);
  });

  it('one with selections is not taken away: the model is told to close it', async () => {
    const world = worldOf({ sessionsPerPrincipal: 2 });
    const handles = [await opened(world), await opened(world)];
    for (const handle of handles) await selectIn(world, handle);
    await expect(opened(world)).rejects.toThrow(/^2 apps are open .* close one with qlik_close_app/);
    await expect(opened(world, bob)).resolves.toBeDefined();
    await world.call('qlik_close_app', { handle: handles[0] }, alice);
    await expect(opened(world)).resolves.toBeDefined();
  });

  it('all principals have so many: those in use stay, and the next is told when to come again', async () => {
    const world = worldOf({ sessions: 1 });
    fake.answers.GetScript = () => undefined;
    const asked = fake.next('GetScript');
    const running = world.call('qlik_get_script', { appId: APP }, alice);
    const { socket, id } = await asked;
    await expect(opened(world, bob)).rejects.toMatchObject({ code: 'OVERLOADED', limit: 'sessions', retryAfter: 30 });
    socket.send(JSON.stringify({ id, result: { qScript: 'done' } }));
    await expect(running).resolves.toBeDefined();
    await expect(opened(world, bob)).resolves.toBeDefined();
    expect(fake.sockets.size).toBe(1);
  });

  it('handles are forgotten past so many: the one that was not used for longest', async () => {
    const world = worldOf({ handlesPerPrincipal: 3 });
    const handles = [await opened(world), await opened(world), await opened(world)];
    await world.call('qlik_get_script', { handle: handles[0] }, alice);
    await opened(world);
    await expect(world.call('qlik_get_script', { handle: handles[0] }, alice)).resolves.toBeDefined();
    await expect(world.call('qlik_get_script', { handle: handles[1] }, alice)).rejects.toThrow('Unknown handle');
    expect(world.engine.sessions).toBe(3);
  });

  it('a flood of one principal takes no handle of another', async () => {
    const world = worldOf({ handles: 4, handlesPerPrincipal: 3 });
    const kept = await opened(world, bob);
    await selectIn(world, kept, bob);
    for (let turn = 0; turn < 20; turn++) await opened(world);
    await expect(world.call('qlik_get_script', { handle: kept }, bob)).resolves.toBeDefined();
    expect(world.engine.sessions).toBe(4);
  });

  it('so many calls run on a session at a time', async () => {
    const world = worldOf({ callsPerSession: 2 });
    const handle = await opened(world);
    fake.answers.GetScript = () => undefined;
    const calls = [1, 2].map(() => world.call('qlik_get_script', { handle }, alice).catch(() => 'ended'));
    await expect(world.call('qlik_get_script', { handle }, alice)).rejects.toThrow('2 calls run on this app already');
    await world.engine.close();
    expect(await Promise.all(calls)).toEqual(['ended', 'ended']);
  });

  it('what nobody uses is closed, and its handle forgotten', async () => {
    const world = worldOf({ idleMs: 30, pingMs: 10 });
    const handle = await opened(world);
    const [socket] = fake.sockets;
    if (socket) await once(socket, 'close');
    await expect(world.call('qlik_get_script', { handle }, alice)).rejects.toThrow('Unknown handle');
    expect([world.engine.sessions, world.signals.emitted]).toEqual([0, []]);
  });

  it('closing ends everything, and nothing begins afterwards', async () => {
    const world = worldOf();
    await opened(world);
    const closed = [...fake.sockets].map((socket) => once(socket, 'close'));
    await world.engine.close();
    await Promise.all(closed);
    await expect(opened(world)).rejects.toBeDefined();
    expect(fake.upgrades).toHaveLength(1);
  });

  it('closing an app ends its socket and its handle', async () => {
    const world = worldOf();
    const handle = await opened(world);
    await expect(world.call('qlik_close_app', { handle }, alice)).resolves.toEqual({ closed: true });
    await expect(world.call('qlik_close_app', { handle }, alice)).rejects.toThrow('Unknown handle');
    expect(world.engine.sessions).toBe(0);
  });
});
