import * as z from 'zod';
import { kinds } from '../kinds.js';
import { destinationFields } from '../resilience/destinationSchema.js';
import type { Registry } from './entries.js';
import { configSchema } from './schema.js';

/** A JSON Schema (draft 2020-12), as far as it is taken apart here. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

/** An entry as clients write it: known by its having no kind. */
const CLIENT_ENTRY: JsonSchema = {
  type: 'object',
  not: { required: ['kind'] },
  properties: {
    url: { type: 'string' },
    headers: { type: 'object', additionalProperties: { type: 'string' } },
    type: { type: 'string' },
    disabled: { type: 'boolean' },
    command: { type: 'string' },
    args: { type: 'array', items: { type: 'string' } },
    env: { type: 'object', additionalProperties: { type: 'string' } },
    cwd: { type: 'string' },
  },
};

/** The schema of the whole file, for editors: the same one that judges it, with every kind's options. */
export async function configJsonSchema(registry: Registry = kinds): Promise<JsonSchema> {
  const { $schema, properties = {}, ...rest } = toJson(configSchema);
  const destinations = await kindSchemas(
    { ...registry.destinations, ...registry.shorthands },
    toJson(destinationFields).properties,
  );
  const credentials = await kindSchemas(registry.credentials);
  return {
    $schema,
    title: 'Configuration of Drawbridge (mcp-proxy-config.json)',
    ...rest,
    properties: {
      ...properties,
      destinations: {
        ...properties.destinations,
        additionalProperties: { anyOf: [...(await withToolsets(destinations, registry.toolsets)), CLIENT_ENTRY] },
      },
      credentials: { ...properties.credentials, additionalProperties: { anyOf: credentials } },
      identity: { ...properties.identity, additionalProperties: { anyOf: await kindSchemas(registry.identity) } },
      stores: { ...properties.stores, additionalProperties: { anyOf: await kindSchemas(registry.stores) } },
      secrets: { ...properties.secrets, additionalProperties: { anyOf: await kindSchemas(registry.secrets) } },
      mcpServers: { type: 'object', additionalProperties: CLIENT_ENTRY },
    },
  };
}

/** The file that ships. */
export async function renderJsonSchema(registry: Registry = kinds): Promise<string> {
  return `${JSON.stringify(await configJsonSchema(registry), null, 2)}\n`;
}

/** `common`: what all of them take besides. */
async function kindSchemas(
  loads: Registry['destinations'],
  common: JsonSchema['properties'] = {},
): Promise<JsonSchema[]> {
  const schemas: JsonSchema[] = [];
  for (const [kind, load] of Object.entries(loads)) {
    const { $schema: _, ...schema } = toJson((await load()).default.options);
    schemas.push(withKind(schema, kind, common));
  }
  return schemas;
}

/** Where a kind takes a toolset: the names that there are, and what each of them takes itself. */
async function withToolsets(schemas: readonly JsonSchema[], loads: Registry['toolsets']): Promise<JsonSchema[]> {
  const own: JsonSchema[] = [];
  for (const load of Object.values(loads)) {
    const { $schema: _, ...options } = toJson((await load()).default.options);
    own.push(options);
  }
  const names = { type: 'string', enum: Object.keys(loads) };
  const toolset = { anyOf: [names, { type: 'string', pattern: '\\$\\{' }] };
  const options = { anyOf: [...own, { type: 'null' }], default: {} };
  return schemas.map((schema) => {
    const { properties = {} } = schema;
    return properties.kind?.const === 'toolset'
      ? { ...schema, properties: { ...properties, toolset, options } }
      : schema;
  });
}

/** Every alternative of the options, each with its kind. */
function withKind(schema: JsonSchema, kind: string, common: JsonSchema['properties']): JsonSchema {
  if (schema.anyOf) return { ...schema, anyOf: schema.anyOf.map((each) => withKind(each, kind, common)) };
  const { properties = {}, required = [], ...rest } = schema;
  return { ...rest, properties: { kind: { const: kind }, ...properties, ...common }, required: ['kind', ...required] };
}

function toJson(schema: z.ZodType): JsonSchema {
  return relax(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema);
}

/** What the schema of the resolved values can't know: any text may come by reference, and null unsets what is optional. */
function relax({ $defs: _, ...schema }: JsonSchema): JsonSchema {
  // The one recursive schema is that of any JSON value, and its definition would not be found from the root.
  if ('$ref' in schema) return {};
  const { properties, required = [], additionalProperties, items, anyOf } = schema;
  const relaxed: JsonSchema = {
    ...schema,
    ...(properties && { properties: relaxProperties(properties, required) }),
    ...(typeof additionalProperties === 'object' && { additionalProperties: relax(additionalProperties) }),
    ...(items && { items: relax(items) }),
    ...(anyOf && { anyOf: anyOf.map(relax) }),
  };
  if (!isPickyText(schema)) return relaxed;
  const { default: value, ...picky } = relaxed;
  return { anyOf: [picky, { type: 'string', pattern: '\\$\\{' }], ...(value !== undefined && { default: value }) };
}

function relaxProperties(properties: Readonly<Record<string, JsonSchema>>, required: readonly string[]) {
  const relaxed = Object.entries(properties).map(([key, schema]) => {
    const value = relax(schema);
    return [key, required.includes(key) ? value : orNull(value)] as const;
  });
  return Object.fromEntries(relaxed);
}

function orNull({ default: value, ...schema }: JsonSchema): JsonSchema {
  // Editors offer a default only where it stands outside the alternatives.
  const shown = value === undefined ? {} : { default: value };
  if (Object.keys(schema).length === 0) return shown;
  if (typeof schema.type === 'string') return { ...schema, type: [schema.type, 'null'], ...shown };
  return { ...schema, anyOf: [...(schema.anyOf ?? []), { type: 'null' }], ...shown };
}

function isPickyText(schema: JsonSchema): boolean {
  return schema.type === 'string' && ['pattern', 'enum', 'format', 'const'].some((keyword) => keyword in schema);
}
