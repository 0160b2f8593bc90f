import type { Exchange, Principal, Reply, RoutingDecision } from '../../src/contracts.js';
import type { GatewayError } from '../../src/core/errors.js';
import { createAuthorize, createConceal } from '../../src/gateway/authorize.js';
import { createPermissions } from '../../src/policy/permissions.js';
import { permissionsSchema } from '../../src/policy/permissionsSchema.js';
import { intercept } from '../../src/router/requestInterceptor.js';
import { assertAgreement, parseCall } from '../../src/wire/mcp.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

const passed: Reply = { status: 299, headers: [], body: null, origin: 'upstream' };
const section = {
  roles: {
    analyst: { allow: ['qlik/tools/call:qlik_get_*', 'qlik/tools/list'] },
    starter: { allow: ['qlik/tools/call:qlik_*'] },
    visitor: { allow: ['site/http/GET'] },
  },
  scopes: { 'qlik/tools/call:qlik_start_*': 'mcp:execute', 'qlik/tools/call:qlik_stop_*': 'mcp:stop' },
  tenants: { acme: { destinations: ['acme'] } },
};

function someone(roles: readonly string[], more: Partial<Principal> = {}): Principal {
  return { subject: 'keys:ada', roles, claims: {}, ...more };
}

interface Sent {
  readonly headers?: Record<string, string>;
  readonly destination?: string;
  readonly open?: boolean;
}

function posted(body: string, headers: Record<string, string> = {}): Exchange {
  const request = fakeInbound('/mcp', headers, 'POST', body);
  const call = parseCall(Buffer.from(body), request);
  assertAgreement(call, request);
  return fakeExchange(request, { call });
}

/** 299 where it got through, else the error's code. */
async function send(principal: Principal | undefined, body: string, sent: Sent = {}): Promise<number | string> {
  const permissions = await createPermissions(sent.open ? undefined : permissionsSchema.parse(section));
  const authorize = createAuthorize({ permissions, challenge: (_, scopes) => ['www-authenticate', scopes.join(' ')] });
  try {
    const exchange = posted(body, sent.headers);
    const decision: RoutingDecision = { strategy: 'PROXY', destination: sent.destination ?? 'qlik', by: 'path' };
    return (await authorize(Object.assign(exchange, { principal, decision }), () => passed)).status;
  } catch (error) {
    return (error as GatewayError).code;
  }
}

function toolCall(name: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } });
}

describe('authorize', () => {
  it('lets through what a role allows, and nothing else', async () => {
    expect(await send(someone(['analyst']), toolCall('qlik_get_app'))).toBe(299);
    expect(await send(someone(['analyst']), toolCall('qlik_start_app'))).toBe('NOT_PERMITTED');
    expect(await send(someone(['analyst']), '{"jsonrpc":"2.0","id":1,"method":"ping"}')).toBe(299);
  });

  it('asks for all missing scopes in one challenge', async () => {
    const permissions = await createPermissions(permissionsSchema.parse(section));
    const authorize = createAuthorize({
      permissions,
      challenge: (_, scopes) => ['www-authenticate', `scope="${scopes}"`],
    });
    const decision: RoutingDecision = { strategy: 'PROXY', destination: 'qlik', by: 'path' };
    const exchange = Object.assign(posted(toolCall('qlik_start_app')), { principal: someone(['starter']), decision });
    expect(() => authorize(exchange, () => passed)).toThrow(
      expect.objectContaining({ code: 'SCOPE_REQUIRED', headers: ['www-authenticate', 'scope="mcp:execute"'] }),
    );
    expect(await send(someone(['starter'], { scopes: ['mcp:execute'] }), toolCall('qlik_start_app'))).toBe(299);
  });

  it('answers a destination that may not be seen exactly as one that is not there', async () => {
    const permissions = await createPermissions(permissionsSchema.parse(section));
    const table = { upstreams: new Map(), suggest: false };
    let unknown: unknown;
    try {
      intercept(fakeInbound('/mcp/nowhere'), table);
    } catch (error) {
      unknown = error;
    }
    const decision: RoutingDecision = { strategy: 'PROXY', destination: 'acme', by: 'path' };
    const stages = [createConceal(permissions), createAuthorize({ permissions, challenge: () => [] })];
    for (const stage of stages) {
      const exchange = fakeExchange(fakeInbound('/mcp/acme'), { principal: someone(['analyst']), decision });
      let concealed: unknown;
      try {
        stage(exchange, () => passed);
      } catch (error) {
        concealed = error;
      }
      const told = ({ code, message, hint, headers, status }: GatewayError) => ({
        code,
        message,
        hint,
        headers,
        status,
      });
      expect(told(concealed as GatewayError)).toEqual(told(unknown as GatewayError));
    }
  });

  it('conceals before anything else is looked at, and lets pass what may be seen', async () => {
    const permissions = await createPermissions(permissionsSchema.parse(section));
    const conceal = createConceal(permissions);
    const seen: RoutingDecision = { strategy: 'PROXY', destination: 'qlik', by: 'path' };
    const exchange = fakeExchange(fakeInbound('/mcp'), { principal: someone(['analyst']), decision: seen });
    expect(conceal(exchange, () => passed)).toBe(passed);
    const stranger = fakeExchange(fakeInbound('/mcp'), { decision: seen });
    expect(() => conceal(stranger, () => passed)).toThrow(expect.objectContaining({ code: 'UNKNOWN_DESTINATION' }));
  });

  it.each([
    ['GET', 299],
    ['POST', 'NOT_PERMITTED'],
    ['HEAD', 'NOT_PERMITTED'],
    ['get', 'NOT_PERMITTED'],
  ])('judges a website by method: %s', async (method, outcome) => {
    const permissions = await createPermissions(permissionsSchema.parse(section));
    const authorize = createAuthorize({ permissions, challenge: () => [] });
    const decision: RoutingDecision = { strategy: 'PASSTHROUGH', destination: 'site', by: 'passthrough' };
    const principal = someone(['visitor']);
    const exchange = fakeExchange(fakeInbound('/x', {}, method), { door: 'web', principal, decision });
    const told = () => (authorize(exchange, () => passed) as Reply).status;
    if (outcome === 299) expect(told()).toBe(299);
    else expect(told).toThrow(expect.objectContaining({ code: outcome }));
  });

  it('lets a request without a destination pass to hooks and the management API only', async () => {
    const authorize = createAuthorize({ permissions: await createPermissions(), challenge: () => [] });
    for (const door of ['hook', 'admin'] as const)
      expect(authorize(fakeExchange(fakeInbound('/'), { door }), () => passed)).toBe(passed);
    for (const door of ['mcp', 'stdio', 'web'] as const) {
      const exchange = fakeExchange(fakeInbound('/'), { door });
      expect(() => authorize(exchange, () => passed)).toThrow(expect.objectContaining({ code: 'NOT_PERMITTED' }));
    }
  });

  it('without permissions, costs nothing and refuses nothing but what a proof is confined from', async () => {
    expect(await send(undefined, toolCall('x'), { open: true })).toBe(299);
    const doubled = '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1,"a":2}}';
    expect(await send(undefined, doubled, { open: true })).toBe(299);
    const confined = someone([], { destinations: ['files'] });
    expect(await send(confined, toolCall('x'), { open: true })).toBe('UNKNOWN_DESTINATION');
  });

  it('makes no promise where the rest of the chain makes none', async () => {
    const authorize = createAuthorize({
      permissions: await createPermissions(permissionsSchema.parse(section)),
      challenge: () => [],
    });
    const decision: RoutingDecision = { strategy: 'PROXY', destination: 'qlik', by: 'path' };
    const exchange = Object.assign(posted(toolCall('qlik_get_app')), { principal: someone(['analyst']), decision });
    expect(authorize(exchange, () => passed)).toBe(passed);
  });
});

describe('a tool smuggled', () => {
  const analyst = someone(['analyst']);

  it('by Mcp-Name: the header may say what it likes, the body decides', async () => {
    const headers = { 'mcp-method': 'tools/call', 'mcp-name': 'qlik_get_app' };
    expect(await send(analyst, toolCall('qlik_start_app'), { headers })).toBe('HEADER_MISMATCH');
    expect(await send(analyst, toolCall('qlik_start_app'), { headers: { 'mcp-param-name': 'qlik_get_app' } })).toBe(
      'NOT_PERMITTED',
    );
  });

  it.each(['QLIK_GET_APP', 'Qlik_get_app'])('by case: %s', async (name) => {
    expect(await send(analyst, toolCall(name))).toBe('NOT_PERMITTED');
  });

  it.each(['qlik_gеt_app', 'qlik＿get_app', '\u2028qlik_get_app'])('by a Unicode look-alike: %j', async (name) => {
    expect(await send(analyst, toolCall(name))).toBe('NOT_PERMITTED');
  });

  it('by a batch: one message that is refused refuses all', async () => {
    const batch = (...names: string[]) => `[${names.map(toolCall).join(',')}]`;
    expect(await send(analyst, batch('qlik_get_a', 'qlik_get_b'))).toBe(299);
    expect(await send(analyst, batch('qlik_get_a', 'qlik_start_b', 'qlik_get_c'))).toBe('NOT_PERMITTED');
    expect(await send(someone(['starter']), batch('qlik_start_a', 'qlik_stop_b'))).toBe('SCOPE_REQUIRED');
    expect(await send(analyst, batch(...Array.from({ length: 1_001 }, () => 'qlik_get_a')))).toBe('INVALID_REQUEST');
  });

  it.each([
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"qlik_start_a","name":"qlik_get_a"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"qlik_get_a","n\\u0061me":"qlik_get_b"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"qlik_start_a"}}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"name":"qlik_start_a"},"METHOD":"tools/call"}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"qlik_get_a","Name":"qlik_start_a"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"qlik_get_a"},"Params":{"name":"qlik_start_a"}}',
    '[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"qlik_get_a","NAME":"qlik_start_a"}}]',
  ])('by a duplicate key: %s', async (body) => {
    expect(await send(analyst, body)).toBe('INVALID_REQUEST');
  });

  it.each(['["qlik_start_app"]', '{"toString":"x"}', 'null', '1'])('by a name that is no text: %s', async (name) => {
    const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${name}}}`;
    expect(await send(analyst, body)).toBe('NOT_PERMITTED');
    expect(await send(someone(['starter']), body)).toBe('NOT_PERMITTED');
  });

  it('as a notification', async () => {
    const body = '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"qlik_start_a"}}';
    expect(await send(analyst, body)).toBe('NOT_PERMITTED');
  });
});
