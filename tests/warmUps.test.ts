import { EventEmitter, once } from 'node:events';
import * as z from 'zod';
import type { ToolsetKind } from '../src/contracts/tools.js';
import type { Credential } from '../src/contracts.js';
import { systemClock } from '../src/core/async.js';
import { kinds } from '../src/kinds.js';
import { type Runtime, startRuntime } from '../src/runtime.js';
import { loadFrom, sceneFolder } from './config/loadConfig.js';
import { request } from './helpers/calls.js';
import { FakeSignals } from './helpers/fakes.js';
import { type Issuer, startIssuer } from './helpers/tokenIssuer.js';

/** What the toolsets of these tests were told, and say. */
class Vendor extends EventEmitter {
  readonly shown: (Credential | undefined)[] = [];
  readonly shared: unknown[] = [];
  closed = 0;
  answer: () => Promise<void> = async () => {};

  readonly kind: ToolsetKind = {
    options: z.looseObject({}),
    create: (_options, { shared }) => {
      this.shared.push(shared);
      return {
        tools: [],
        warmUp: (credential) => {
          this.shown.push(credential);
          this.emit('warm');
          return this.answer();
        },
        close: async () => {
          this.closed += 1;
        },
      };
    },
  };
}

class Listened extends FakeSignals {
  readonly heard = new EventEmitter();
  override emit = (name: string, fields: Readonly<Record<string, unknown>> = {}) => {
    this.emitted.push({ name, fields });
    this.heard.emit(name, fields);
  };
}

describe('what is read ahead', () => {
  let vendor: Vendor;
  let issuer: Issuer;
  let runtime: Runtime;
  let signals: Listened;
  let scene: ReturnType<typeof sceneFolder>;
  const PLACE = 'http://127.0.0.1:9';

  beforeEach(async () => {
    vendor = new Vendor();
    Object.assign(kinds.toolsets, { warm: async () => ({ default: vendor.kind }) });
    issuer = await startIssuer();
    scene = sceneFolder();
    signals = new Listened();
  });
  afterEach(async () => {
    await runtime?.stop();
    await issuer.close();
    scene.remove();
    delete (kinds.toolsets as Record<string, unknown>).warm;
  });

  const settings = (credential: object | undefined, more: object = {}) => {
    const named = credential ? { credential: 'jobs' } : {};
    const config = {
      server: { port: 0 },
      destinations: { tools: { kind: 'toolset', toolset: 'warm', url: PLACE, ...named, ...more } },
      ...(credential ? { credentials: { jobs: credential } } : {}),
      identity: { sso: { kind: 'jwt', issuer: 'https://idp.example.com', audience: 'us' } },
    };
    return loadFrom(scene.root, { files: { 'mcp-proxy-config.json': config } });
  };

  async function start(credential: object | undefined): Promise<void> {
    runtime = await startRuntime(await settings(credential), { clock: systemClock, signals, version: '0' });
  }

  it('is read with the gateway’s own token, once the process is ready, which waits for none of it', async () => {
    const never = new Promise<void>(() => {});
    vendor.answer = () => never;
    const warm = once(vendor, 'warm');
    await start(issuer.credential(PLACE));
    expect((await request(`${runtime.url}/health/ready`)).status).toBe(200);
    await warm;
    expect(vendor.shown.map((shown) => shown?.headers)).toEqual([['Authorization', `Bearer ${issuer.tokens[0]}`]]);
    expect(vendor.shared).toEqual([true]);
  });

  it('is read without one where the destination has none', async () => {
    const warm = once(vendor, 'warm');
    await start(undefined);
    await warm;
    expect(vendor.shown).toEqual([undefined]);
  });

  it('is not read where a credential is each caller’s own, or a person’s', async () => {
    const forCallers = { kind: 'passthrough', origins: [PLACE] };
    await start(forCallers);
    expect(vendor.shared).toEqual([false]);
    const aPersons = { kind: 'mcp-oauth', origins: [PLACE] };
    await runtime.reload(() => settings(aPersons));
    const own = once(vendor, 'warm');
    await runtime.reload(() => settings(issuer.credential(PLACE)));
    await own;
    expect(vendor.shown).toHaveLength(1);
  });

  it('is read again by a reload that changes the destination or its credential, and by no other', async () => {
    const shownAfter = async (next: Parameters<typeof settings>) => {
      const warm = once(vendor, 'warm');
      await runtime.reload(() => settings(...next));
      await warm;
      return vendor.shown.length;
    };
    const first = once(vendor, 'warm');
    await start(issuer.credential(PLACE));
    await first;
    await runtime.reload(() => settings(issuer.credential(PLACE)));
    expect(await shownAfter([issuer.credential(PLACE), { exclude: ['x'] }])).toBe(2);
    await runtime.reload(() => settings(issuer.credential(PLACE), { exclude: ['x'] }));
    const other = { ...issuer.credential(PLACE), scope: 'other' };
    expect(await shownAfter([other, { exclude: ['x'] }])).toBe(3);
    await runtime.stop();
    expect(vendor.shown).toHaveLength(3);
  });

  it('is told where it fails, and the process serves', async () => {
    vendor.answer = () => Promise.reject(new Error('no app of that id'));
    const cold = once(signals.heard, 'toolset.cold');
    await start(issuer.credential(PLACE));
    expect(await cold).toEqual([{ destination: 'tools', cause: 'no app of that id' }]);
    expect((await request(`${runtime.url}/health/ready`)).status).toBe(200);
  });

  it('is told where there is no token for it; the next reload tries again', async () => {
    const cold = once(signals.heard, 'toolset.cold');
    const refused = { ...issuer.credential(PLACE), clientSecret: 'canary-wrong' };
    await start(refused);
    const [{ cause }] = (await cold) as [{ cause: string }];
    expect(cause).toContain('no token for tools from the credential jobs');
    expect(cause).not.toContain('canary');
    expect(vendor.shown).toEqual([]);
    const warm = once(vendor, 'warm');
    await runtime.reload(() => settings(issuer.credential(PLACE)));
    await warm;
    expect(vendor.shown).toHaveLength(1);
  });

  it('ends with the process, without a word', async () => {
    let left = () => {};
    vendor.answer = () => new Promise<void>((_resolve, reject) => (left = () => reject(new Error('closed'))));
    const warm = once(vendor, 'warm');
    await start(issuer.credential(PLACE));
    await warm;
    await runtime.stop();
    left();
    await Promise.resolve();
    expect([vendor.closed, signals.named('toolset.cold')]).toEqual([1, []]);
  });
});
