import {
  BridgeSessions,
  clientInfo,
  modernCapabilities,
  type SessionState,
} from '../../src/bridge/legacyToModernSession.js';
import { Seal } from '../../src/core/seal.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

/** What the bridge remembers of sessions, and how much of it. */
const STATE: SessionState = { revision: '2025-11-25', capabilities: {}, server: ['subscribe'] };
const OWNER = 'ada';

const naming = (id: string) => fakeExchange(fakeInbound('/mcp', { 'mcp-session-id': id }));
const running = { cancel() {} };

describe('the memory of sessions', () => {
  it('forgets the one that was used longest ago, but none that runs', () => {
    const sessions = new BridgeSessions(new Seal());
    const [busy, used, idle] = [1, 2, 3].map(() => sessions.begin(OWNER, STATE));
    if (!busy || !used || !idle) throw new Error('three sessions were begun');
    busy.calls.set('1', running);
    for (let index = 0; index < 9_997; index++) sessions.begin(OWNER, STATE);
    expect(sessions.find(naming(used.id), OWNER)).toBe(used);
    sessions.begin(OWNER, STATE);
    expect(sessions.find(naming(busy.id), OWNER)).toBe(busy);
    expect(sessions.find(naming(used.id), OWNER)).toBe(used);
    const again = sessions.find(naming(idle.id), OWNER);
    expect(again).not.toBe(idle);
    expect(again.state).toEqual(STATE);
  });

  it('never ends what others run to make room', () => {
    const sessions = new BridgeSessions(new Seal());
    const busy = Array.from({ length: 10_000 }, () => sessions.begin(OWNER, STATE));
    let cancelled = 0;
    for (const session of busy) session.calls.set('1', { cancel: () => (cancelled += 1) });
    for (let index = 0; index < 100; index++) sessions.begin('eve', STATE);
    expect(cancelled).toBe(0);
    expect(busy.every((session) => sessions.find(naming(session.id), OWNER) === session)).toBe(true);
  });

  it('holds so much of subscriptions, and what one gives back is for others', () => {
    const sessions = new BridgeSessions(new Seal());
    const uri = (index: number) => `${'x'.repeat(8_000)}${index}`;
    const full: { id: string }[] = [];
    let taken = 0;
    for (let count = 0; count < 10; count++) {
      const session = sessions.begin(OWNER, STATE);
      full.push(session);
      for (let index = 0; index < 1_000; index++) taken += session.subscribe(uri(index)) ? 1 : 0;
    }
    expect(taken).toBeGreaterThan(2_000);
    expect(taken * 8_000).toBeLessThan(17 * 1024 * 1024);
    const other = sessions.begin('bob', STATE);
    expect(other.subscribe(uri(1))).toBe(false);
    const first = sessions.find(naming((full[0] as { id: string }).id), OWNER);
    expect([first.unsubscribe(uri(1)), first.unsubscribe(uri(1)), other.subscribe(uri(1))]).toEqual([
      true,
      false,
      true,
    ]);
    sessions.end(first);
    expect(other.subscribe(uri(2))).toBe(true);
  });

  it('remembers ended sessions, and refuses them to their owner too', () => {
    const sessions = new BridgeSessions(new Seal());
    const session = sessions.begin(OWNER, STATE);
    sessions.end(session);
    expect(() => sessions.find(naming(session.id), OWNER)).toThrow('no such session');
    expect(() => sessions.find(naming(sessions.begin(OWNER, STATE).id), 'bob')).toThrow('no such session');
  });
});

describe('what a session id says of its client', () => {
  it.each([
    [{ elicitation: {} }, { elicitation: { form: {} } }],
    [{ elicitation: { url: {} } }, { elicitation: { url: {} } }],
    [
      { roots: { listChanged: true }, tasks: { list: {} }, extensions: { x: {} } },
      { roots: {}, extensions: { x: {} } },
    ],
    [undefined, {}],
    [[], {}],
  ])('are capabilities as 2026-07-28 has them: %j', (declared, modern) => {
    expect(modernCapabilities(declared)).toEqual(modern);
  });

  it('is a name and a version, or nothing', () => {
    expect(clientInfo({ name: 'c', version: '1', title: 't', icons: [] })).toEqual({
      name: 'c',
      version: '1',
      title: 't',
    });
    expect(clientInfo({ name: 'c' })).toBeUndefined();
    expect(clientInfo('c')).toBeUndefined();
  });
});
