import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { IdentityProvider } from '../../src/contracts/callers.js';
import type { Inbound } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { GatewayError } from '../../src/core/errors.js';
import anonymous from '../../src/identity/anonymous.js';
import apiKey from '../../src/identity/apiKey.js';
import { generateKey } from '../../src/identity/apiKeyFormat.js';
import introspection from '../../src/identity/introspection.js';
import jwt from '../../src/identity/jwt.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import mtls from '../../src/identity/mtls.js';
import { everyPrintOf, FakeRest, jsonAnswer } from '../credentials/world.js';
import { createAuthority } from '../helpers/certificates.js';
import { FakeSignals, fakeInbound } from '../helpers/fakes.js';
import { bearer, createProvider, identityDeps, inboundFrom, startIssuerServer } from '../identity/world.js';

/** A provider in working order, and how requests of its sort look. */
interface Made {
  readonly provider: IdentityProvider;
  readonly good: Inbound;
  /** Of its sort, and bad; none where there is no proof that could be bad. */
  readonly bad: readonly Inbound[];
  /** Texts that no error may show. */
  readonly secrets: readonly string[];
  close?(): Promise<void>;
}

const CANARY = 'canary-8f2e';
const NAME = 'entry';

/** One row per kind. */
const rows: Record<string, () => Promise<Made>> = {
  anonymous: async () => ({
    provider: createProvider(anonymous, {}, identityDeps({ name: NAME })),
    good: fakeInbound('/mcp'),
    bad: [],
    secrets: [],
  }),
  'api-key': async () => {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'keys-'));
    const keys = openKeyRing(path.join(folder, 'keys.json'), { clock: systemClock, signals: new FakeSignals() });
    const { key } = await keys.create({ name: 'ci' });
    const made = generateKey();
    return {
      provider: createProvider(apiKey, {}, identityDeps({ name: NAME, keys, clock: systemClock })),
      good: fakeInbound('/mcp', { 'x-api-key': key }),
      bad: [bearer(made), bearer(`dbk_${CANARY}`), fakeInbound('/mcp', { 'x-api-key': `dbk_${CANARY}` })],
      secrets: [key, made, CANARY],
      close: () => fs.rm(folder, { recursive: true }),
    };
  },
  introspection: async () => {
    const rest = new FakeRest();
    rest.answer = ({ body }) => jsonAnswer(200, { active: body?.startsWith('token=good') ?? false, sub: 'ada' });
    const options = { url: 'https://idp.example.com/introspect', clientId: 'id', clientSecret: CANARY };
    return {
      provider: createProvider(introspection, options, identityDeps({ name: NAME, rest: rest.rest })),
      good: bearer('good-token'),
      bad: [bearer('bad-token')],
      secrets: [CANARY, 'bad-token'],
    };
  },
  jwt: async () => {
    const issuer = await startIssuerServer(systemClock);
    const [good, ended] = [await issuer.token(), await issuer.token({ exp: 1, email: CANARY })];
    const cut = `${good.slice(0, -12)}AAAAAAAAAAAA`;
    return {
      provider: createProvider(jwt, { issuer: issuer.url }, identityDeps({ name: NAME, clock: systemClock })),
      good: bearer(good),
      bad: [bearer(ended), bearer(cut)],
      secrets: [good, ended, cut, CANARY],
      close: () => issuer.close(),
    };
  },
  mtls: async () => {
    const field = (pem: string) => `:${pem.replace(/-----[A-Z ]+-----|\s/g, '')}:`;
    const [good, other] = ['robot', CANARY].map((name) => field(createAuthority().issue(name).cert)) as [
      string,
      string,
    ];
    const options = { allow: { subjects: ['CN=robot'] } };
    return {
      provider: createProvider(mtls, options, identityDeps({ name: NAME, clock: systemClock })),
      good: inboundFrom('10.0.0.1', { 'Client-Cert': good }),
      bad: [inboundFrom('10.0.0.1', { 'Client-Cert': other }), inboundFrom('10.0.0.2', { 'Client-Cert': good })],
      secrets: [good, other, CANARY],
    };
  },
};

/** What a refusal is: thrown or rejected with. */
async function refusalOf(provider: IdentityProvider, request: Inbound): Promise<unknown> {
  try {
    await provider.verify(request);
  } catch (error) {
    return error;
  }
  throw new Error('it should have been refused');
}

describe.each(Object.entries(rows))('identity provider %s', (name, make) => {
  let made: Made;
  beforeEach(async () => {
    made = await make();
  });
  afterEach(async () => {
    await made.provider.close?.();
    await made.close?.();
  });

  it('knows its callers by a subject that begins with the name of its entry', async () => {
    expect(made.provider.recognises(made.good)).toBe(true);
    const principal = await made.provider.verify(made.good);
    expect(principal.subject.startsWith(`${NAME}:`)).toBe(true);
    expect(principal.subject.length).toBeGreaterThan(NAME.length + 1);
    expect(Array.isArray(principal.roles)).toBe(true);
  });

  it('has no need to wait the second time', async () => {
    const first = await made.provider.verify(made.good);
    expect(made.provider.recognises(made.good)).toBe(true);
    expect(made.provider.verify(made.good)).toEqual(first);
  });

  it('recognises bad proof of its sort, and refuses it', async () => {
    for (const bad of made.bad) {
      expect(made.provider.recognises(bad)).toBe(true);
      const refusal = await refusalOf(made.provider, bad);
      expect(refusal).toBeInstanceOf(GatewayError);
      expect(refusal).toMatchObject({ code: 'CALLER_UNKNOWN' });
      for (const secret of made.secrets) expect(everyPrintOf(refusal)).not.toContain(secret);
    }
  });

  it('recognises no other sort', async () => {
    for (const [other, makeOther] of Object.entries(rows)) {
      if (other === name) continue;
      const { good, bad, close } = await makeOther();
      for (const request of [good, ...bad]) expect([other, made.provider.recognises(request)]).toEqual([other, false]);
      await close?.();
    }
  });

  it('says where tokens are to be had by https or on this machine, if anywhere', () => {
    for (const issuer of made.provider.authorizationServers) expect(issuer).toMatch(/^(https:|http:\/\/127)/);
  });
});
