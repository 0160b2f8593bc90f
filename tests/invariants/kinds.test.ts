import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import { type ZodObject, type ZodType, z } from 'zod';
import { kinds } from '../../src/kinds.js';
import { load } from '../config/loadConfig.js';

type Loader = () => Promise<{ default: { options: ZodType } }>;

/** Every kind of every extension point, and the heading above its table where its page has several. */
const rows: [point: string, kind: string, heading: string, load: Loader][] = [
  ...points('destinations', kinds.destinations, ''),
  ...points('shorthands', kinds.shorthands, '## As a destination'),
  ...points('credentials', kinds.credentials, '## As a credential'),
  ...points('identity', kinds.identity, ''),
  ...points('stores', kinds.stores, ''),
  ...points('secrets', kinds.secrets, ''),
  ...points('toolsets', kinds.toolsets, '## As a toolset'),
];

function points(point: string, registry: Record<string, Loader>, heading: string): typeof rows {
  return Object.entries(registry).map(([kind, loader]) => [point, kind, heading, loader]);
}

/** The first column of the table below a heading, or of the page's only one. */
function tableOf(page: string, heading: string): string[] {
  const from = page.includes(heading) ? page.indexOf(heading) + heading.length : 0;
  const section = page.slice(from).split('\n## ')[0] ?? '';
  return [...section.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1] as string);
}

function keysOf(schema: ZodType): string[] {
  expect(schema).toBeInstanceOf(z.ZodObject);
  return Object.keys((schema as ZodObject).shape);
}

/** What the examples refer to; none of it is real. */
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const env = {
  JOBS_SECRET: 'x',
  MAIL_REFRESH_TOKEN: 'x',
  REDIS_PASSWORD: 'x',
  SEARCH_KEY: 'x',
  QLIK_SECRET: 'x',
  QLIK_KEY: String(rsa.export({ type: 'pkcs8', format: 'pem' })),
  VAULT_SECRET_ID: 'x',
  VAULT_KEY: 'a key of thirty-two characters or more',
  REPORTS_KEY: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
};
const key = {
  uaa: { url: 'https://t.authentication.eu10.hana.ondemand.com', clientid: 'id', clientsecret: 'x' },
  url: 'https://ai.example.com',
};

describe('every kind', () => {
  it.each(rows)(
    '%s %s: the rows of its page are the keys of its schema, in that order',
    async (_point, kind, heading, loader) => {
      const page = fs.readFileSync(`docs/kinds/${kind}.md`, 'utf8');
      expect(tableOf(page, heading)).toEqual(keysOf((await loader()).default.options));
    },
  );

  it.each([...new Set(rows.map(([, kind]) => kind))])(
    '%s: the examples of its page are whole configurations',
    async (kind) => {
      const page = fs.readFileSync(`docs/kinds/${kind}.md`, 'utf8');
      const examples = [...page.matchAll(/^```jsonc?\n([\s\S]*?)^```/gm)].map((match) => match[1] as string);
      expect(examples.length).toBeGreaterThan(0);
      for (const example of examples) {
        const settings = await load({
          files: { 'mcp-proxy-config.json': example, 'service-keys/ai.json': key },
          env,
          secrets: null,
        });
        const rooms = [
          settings.destinations,
          settings.credentials,
          settings.identity,
          settings.stores,
          settings.secrets,
        ];
        const used = rooms.flatMap((room) => [...room.values()].map((entry) => entry.kind));
        expect(used).toContain(kind);
      }
    },
  );
});
