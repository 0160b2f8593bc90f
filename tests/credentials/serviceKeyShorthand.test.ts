import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Expansion } from '../../src/contracts.js';
import { ConfigError } from '../../src/core/errors.js';
import credential from '../../src/credentials/serviceKey.js';
import kind from '../../src/credentials/serviceKeyShorthand.js';
import { depsWith, issuesOf, rejection } from './world.js';

const uaa = { url: 'https://sub.authentication.example.com', clientid: 'id', clientsecret: 'secret' };
const abap = { uaa, url: 'https://x.abap.example.com', 'sap.cloud.service': 'com.sap.cloud.abap' };

describe('the service-key shorthand', () => {
  let baseDir: string;
  beforeEach(async () => {
    baseDir = await fs.mkdtemp(path.join(os.tmpdir(), 'key-'));
  });
  afterEach(() => fs.rm(baseDir, { recursive: true }));

  async function expand(key: object, options: object = {}): Promise<Expansion> {
    await fs.writeFile(path.join(baseDir, 'key.json'), JSON.stringify(key));
    return kind.create(kind.options.parse({ file: 'key.json', ...options }), depsWith({ baseDir }));
  }

  it('stands for an http destination and its credential', async () => {
    const expansion = await expand(abap);
    expect(expansion).toEqual({
      destination: { kind: 'http', url: 'https://x.abap.example.com/mcp', followAlias: true },
      credential: {
        kind: 'service-key',
        file: 'key.json',
        grant: 'client-credentials',
        origins: ['https://x.abap.example.com'],
      },
    });
    const { kind: _, ...options } = expansion.credential ?? { kind: '' };
    expect(issuesOf(credential, options)).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['abap.url', { ...abap, abap: { url: 'https://abap.example.com' } }, 'https://abap.example.com/mcp'],
    [
      'endpoints.abap',
      { ...abap, endpoints: { abap: 'https://endpoint.example.com' } },
      'https://endpoint.example.com/mcp',
    ],
    ['sap_url', { ...uaa, sap_url: 'https://sap.example.com' }, 'https://sap.example.com/mcp'],
    ['the root url', { credentials: abap }, 'https://x.abap.example.com/mcp'],
  ])('takes the service’s URL from %s', async (_name, key, url) => {
    expect((await expand(key)).destination.url).toBe(url);
  });

  it.each<[object, string, true | undefined]>([
    [{ url: 'https://app.example.com' }, 'https://app.example.com/mcp', true],
    [{ url: 'https://app.example.com/', path: '/api/mcp' }, 'https://app.example.com/api/mcp', true],
    [{ url: 'https://app.example.com?v=2' }, 'https://app.example.com/mcp?v=2', true],
    [{ url: 'https://app.example.com/own', path: '/api/mcp' }, 'https://app.example.com/own', undefined],
  ])('prefers %j to the key and fills in a path where there is none', async (options, url, followAlias) => {
    expect((await expand(abap, options)).destination).toEqual({
      kind: 'http',
      url,
      ...(followAlias && { followAlias }),
    });
  });

  it('hands on what the http destination knows and lists every origin once', async () => {
    const rest = {
      allowedUrls: ['https://b.example.com/x', 'https://app.example.com/y'],
      allowPrivate: 'true',
      headers: { 'x-a': '1' },
      forward: ['cookie'],
      safeTools: ['get_*'],
    };
    const { destination, credential: made } = await expand(uaa, {
      url: 'https://app.example.com/mcp',
      scope: 's',
      ...rest,
    });
    expect(destination).toEqual({ kind: 'http', url: 'https://app.example.com/mcp', ...rest, allowPrivate: true });
    expect(made).toMatchObject({ scope: 's', origins: ['https://app.example.com', 'https://b.example.com'] });
  });

  it('does without a URL where headers may name one', async () => {
    const { destination, credential: made } = await expand(uaa, { allowedUrls: ['https://b.example.com'] });
    expect(destination).toEqual({ kind: 'http', allowedUrls: ['https://b.example.com'] });
    expect(made).toMatchObject({ origins: ['https://b.example.com'] });
  });

  it('asks for a URL where neither the key nor the options have one', async () => {
    const error = await rejection(expand(uaa));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).faults).toEqual([
      {
        file: 'key.json',
        path: '',
        message: 'the service key key.json names no service, so there is no address to send requests to',
        hint: 'Set url in the destination to the MCP server.',
        severity: 'fault',
      },
    ]);
  });

  it('makes a key that can’t be read a fault of the configuration', async () => {
    const options = kind.options.parse({ file: 'missing.json' });
    const error = await rejection(Promise.resolve(kind.create(options, depsWith({ baseDir }))));
    expect((error as ConfigError).faults[0]).toMatchObject({
      file: 'missing.json',
      hint: expect.stringMatching(/^Create it/),
    });
  });
});
