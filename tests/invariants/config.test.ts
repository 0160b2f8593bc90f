import fs from 'node:fs';
import { configJsonSchema, type JsonSchema, renderJsonSchema } from '../../src/config/jsonSchema.js';
import { configSchema } from '../../src/config/schema.js';
import { destinationFields } from '../../src/resilience/destinationSchema.js';
import { load } from '../config/loadConfig.js';

const DOCS = fs.readFileSync('docs/configuration.md', 'utf8');

/** Sections whose keys stand one below the other; those of `destinations` and `credentials` belong to kinds. */
const PLAIN_SECTIONS = ['server', 'resilience', 'network', 'telemetry', 'logins'];

const COMMON = Object.keys(destinationFields.shape);

/** `section.key`, `section.kind.key` → default as the document has it. */
function documented(): Map<string, string> {
  return new Map(DOCS.split(/^## /m).flatMap(sectionRows));
}

function sectionRows(section: string): [string, string][] {
  const [title = '', ...parts] = section.split(/^### /m);
  const prefix = /^`(.*)`\n/.exec(title)?.[1];
  const kinds = parts.flatMap((part) => rows(part, `${prefix}.${/^`(.*)`\n/.exec(part)?.[1]}.`));
  return [...rows(title, prefix === undefined ? '' : `${prefix}.`), ...kinds];
}

/** The rows of the tables whose first column is `key`: what that holds, and the default. */
function rows(text: string, prefix: string): [string, string][] {
  const tables = [...text.matchAll(/^\| key \|.*\n(?:\|.*\n)+/gm)].join('');
  const found = tables.matchAll(/^\| `([^`]+)` \| (?:`([^`]*)`)? ?\|/gm);
  return [...found].map(([, key, value]) => [prefix + key, value ?? '']);
}

/** The dotted paths of a section's values. */
function leaves(schema: JsonSchema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) =>
    value.properties ? leaves(value, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}

function entriesOf(section: JsonSchema | undefined): JsonSchema {
  return (section?.additionalProperties ?? {}) as JsonSchema;
}

/** Each kind of a section, with its keys; entries of clients have none and are `mcpServers`. */
function kindKeys(section: JsonSchema | undefined, name: string): string[] {
  return (entriesOf(section).anyOf ?? []).flatMap((kind) => {
    const { kind: { const: id } = {}, ...options } = kind.properties ?? {};
    return id === undefined ? [] : ['kind', ...Object.keys(options)].map((key) => `${name}.${id}.${key}`);
  });
}

async function schemaKeys(): Promise<string[]> {
  const { properties = {} } = await configJsonSchema();
  const clientKeys = Object.keys(entriesOf(properties.mcpServers).properties ?? {});
  return [
    ...Object.keys(properties),
    ...PLAIN_SECTIONS.flatMap((name) => leaves(properties[name] ?? {}, `${name}.`)),
    // What all destinations take stands once, before their kinds.
    ...COMMON.map((key) => `destinations.${key}`),
    ...kindKeys(properties.destinations, 'destinations').filter((key) => !COMMON.includes(key.split('.').at(-1) ?? '')),
    ...kindKeys(properties.credentials, 'credentials'),
    ...kindKeys(properties.identity, 'identity'),
    ...kindKeys(properties.stores, 'stores'),
    ...kindKeys(properties.secrets, 'secrets'),
    ...clientKeys.map((key) => `mcpServers.${key}`),
  ];
}

describe('the configuration', () => {
  it('has its JSON Schema up to date (npm run schema)', async () => {
    expect(fs.readFileSync('mcp-proxy-config.schema.json', 'utf8')).toBe(await renderJsonSchema());
  });

  it('is documented key by key, and nothing else is', async () => {
    expect([...documented().keys()].sort()).toEqual((await schemaKeys()).sort());
  });

  it('has the defaults that its documentation says', () => {
    const defaults = configSchema.parse({}) as Record<string, unknown>;
    for (const [path, said] of documented()) {
      if (!PLAIN_SECTIONS.includes(path.split('.')[0] ?? '') || !path.includes('.')) continue;
      const value = path
        .split('.')
        .reduce<unknown>((object, key) => (object as Record<string, unknown> | undefined)?.[key], defaults);
      expect(`${path} ${said}`).toBe(`${path} ${value === undefined ? '' : JSON.stringify(value)}`);
    }
  });

  const examples = [...DOCS.matchAll(/```jsonc?\n(.*?)```/gs)].map(([, text]) => text ?? '');

  it.each(examples)('is valid in every example of its documentation (%#)', async (text) => {
    const uaa = { url: 'https://t.authentication.example.com', clientid: 'id', clientsecret: 'x' };
    const files = {
      'mcp-proxy-config.json': text,
      'service-keys/ai.json': { uaa, url: 'https://ai.example.com' },
      'secrets/tools': 'key\n',
    };
    expect((await load({ files, env: { JOBS_SECRET: 'x' } })).notices).toEqual([]);
  });

  it('is valid where it ships', async () => {
    const text = fs.readFileSync('mcp-proxy-config.json', 'utf8');
    expect((await load({ files: { 'mcp-proxy-config.json': text } })).notices).toEqual([]);
  });
});
