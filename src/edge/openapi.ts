import * as z from 'zod';
import { ADMIN_BASE } from './admin.js';
import { type AdminRoute, ANY, NONE } from './adminSchema.js';

type Json = Readonly<Record<string, unknown>>;

const ERROR: Json = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'details'],
      properties: {
        code: { type: 'string' },
        message: { type: 'string' },
        details: { type: 'object', properties: { hint: { type: 'string' }, requestId: { type: 'string' } } },
      },
    },
  },
};

const FAILURES: Readonly<Record<string, string>> = {
  400: 'Broken: the message names the field.',
  401: 'The caller is unknown; WWW-Authenticate says what is missing.',
  403: 'The caller lacks the permission, or asks for more than it has.',
  404: "There is no such thing, or it is somebody else's.",
};

/** The OpenAPI 3.1 document of a table of routes. */
export function openapi(routes: readonly AdminRoute[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = ADMIN_BASE + route.path;
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Drawbridge management API', version },
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      schemas: { Error: ERROR },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
}

function operation(route: AdminRoute): Json {
  const { operation: operationId, summary, permission } = route;
  const body = route.body === NONE ? {} : { requestBody: { content: json(schemaOf(route.body, 'input')) } };
  const needs = permission === ANY ? 'Any permission of this API.' : `Permission: \`${permission}\`.`;
  return {
    operationId,
    summary,
    description: needs,
    tags: [operationId.split('.', 1)[0]],
    'x-permission': permission,
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...body,
    responses: { [String(route.status ?? 200)]: { description: 'Done.', content: content(route) }, ...failures() },
  };
}

function content(route: AdminRoute): Json {
  if (!route.text) return json(schemaOf(route.answer, 'output'));
  return Object.fromEntries(route.text.map((type) => [type, { schema: { type: 'string' } }]));
}

function failures(): Json {
  const schema = { $ref: '#/components/schemas/Error' };
  const rows = Object.entries(FAILURES);
  return Object.fromEntries(rows.map(([status, description]) => [status, { description, content: json(schema) }]));
}

function json(schema: Json): Json {
  return { 'application/json': { schema } };
}

function parameters(schema: z.ZodType, place: 'path' | 'query'): Json[] {
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Readonly<Record<string, Json>>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }));
}

/** OpenAPI 3.1 speaks JSON Schema 2020-12 itself, so it need not be said again. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _said, ...rest } = z.toJSONSchema(schema, { target: 'draft-2020-12', io });
  return rest;
}
