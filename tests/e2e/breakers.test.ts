import { startLegacyMcp } from '../bridge/legacyMcp.js';
import { call, callTool, codeOf, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { RedisServer, withoutRedis } from '../helpers/redisServer.js';
import { closesMidEvent, json, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

async function upstream(): Promise<Upstream> {
  const made = await startUpstream(json({ content: [], tools: [] }));
  open.push(made);
  return made;
}

async function drawbridge(config: object): Promise<Drawbridge> {
  const made = await startDrawbridge(config);
  open.push({ close: () => made.stop() });
  return made;
}

/** A URL where nobody listens any more. */
async function nobody(): Promise<string> {
  const made = await startUpstream(json({}));
  const { url } = made;
  await made.close();
  return url;
}

/** The tool that a call names fails; all else is well. */
function failing(tool: string): Upstream['handler'] {
  return (seen, response, incoming) => {
    const bad = seen.body.toString().includes(`"name":"${tool}"`);
    return bad ? status(503)(seen, response, incoming) : json({ content: [] })(seen, response, incoming);
  };
}

const stateOf = async (at: Drawbridge) => {
  const { text } = await request(`${at.url}/health/ready`);
  return (JSON.parse(text) as { destinations: { ai: { circuit: string } } }).destinations.ai.circuit;
};

it('a tool that fails is refused by itself, where it has a breaker of its own', async () => {
  const server = await upstream();
  server.handler = failing('bad');
  const { url } = await drawbridge({
    destinations: {
      ai: { kind: 'http', url: server.url, resilience: { circuitBreaker: { failures: 2, per: ['tool'] } } },
    },
    resilience: { retry: { attempts: 1 } },
  });
  for (let i = 0; i < 2; i++) await callTool(`${url}/mcp/ai`, 'bad');
  const refused = await callTool(`${url}/mcp/ai`, 'bad');
  expect(codeOf(refused)).toBe('CIRCUIT_OPEN');
  expect(refused.text).toContain('bad of ai');
  expect((await callTool(`${url}/mcp/ai`, 'good')).status).toBe(200);
});

it('a server whose answers all break off is left alone; one whose listeners are cut is not', async () => {
  const server = await upstream();
  server.handler = closesMidEvent();
  const resilience = { circuitBreaker: { failures: 3 } };
  const at = await drawbridge({
    destinations: {
      ai: { kind: 'http', url: server.url, resilience },
      heard: { kind: 'http', url: server.url, resilience },
    },
  });
  for (let i = 0; i < 6; i++) {
    const listening = request(`${at.url}/mcp/heard`, { headers: { accept: 'text/event-stream' } });
    await expect(listening).rejects.toThrow();
  }
  for (let i = 0; i < 3; i++) await expect(callTool(`${at.url}/mcp/ai`, 'echo')).rejects.toThrow();
  expect(codeOf(await callTool(`${at.url}/mcp/ai`, 'echo'))).toBe('CIRCUIT_OPEN');
  server.handler = json({ content: [] });
  expect((await callTool(`${at.url}/mcp/heard`, 'echo')).status).toBe(200);
});

it("an operator's rules of a destination say what fails, and what is repeated", async () => {
  const server = await upstream();
  server.handler = status(500);
  const { url } = await drawbridge({
    destinations: {
      ai: {
        kind: 'http',
        url: server.url,
        resilience: {
          retry: { attempts: 2, baseMs: 1, statuses: [500], safe: ['tools/call look*'], never: ['tools/list'] },
          circuitBreaker: { statuses: [500], failures: 5 },
        },
      },
    },
  });
  await callTool(`${url}/mcp/ai`, 'look_up');
  expect(server.requests).toHaveLength(2);
  await callTool(`${url}/mcp/ai`, 'act');
  expect(server.requests).toHaveLength(3);
  await call(`${url}/mcp/ai`, 'tools/list');
  expect(server.requests).toHaveLength(4);
  await callTool(`${url}/mcp/ai`, 'act');
  expect(codeOf(await callTool(`${url}/mcp/ai`, 'act'))).toBe('CIRCUIT_OPEN');
});

describe('a fallback', () => {
  it('serves while nothing can be sent, and gives way when the destination is back', async () => {
    const [first, second] = [await upstream(), await upstream()];
    const { port } = first;
    const at = await drawbridge({
      destinations: {
        ai: { kind: 'http', url: first.url, fallback: ['spare'] },
        spare: { kind: 'http', url: second.url },
      },
      resilience: { retry: { attempts: 1 }, circuitBreaker: { failures: 2, resetMs: 300 } },
    });
    await first.close();
    for (let i = 0; i < 4; i++) {
      const answer = await callTool(`${at.url}/mcp/ai`, 'act');
      expect([answer.status, answer.headers.get('x-drawbridge-fallback')]).toEqual([200, 'spare']);
    }
    expect(await stateOf(at)).toBe('open');
    open.push(await startUpstream(json({ content: [] }), { port }));
    await at.record(({ signal }) => signal === 'circuit.half-open');
    expect((await callTool(`${at.url}/mcp/ai`, 'act')).headers.get('x-drawbridge-fallback')).toBeNull();
  });

  it('is not asked for a call that the destination may have done', async () => {
    const [first, second] = [await upstream(), await upstream()];
    first.handler = (seen) => void seen.socket.destroy();
    const { url } = await drawbridge({
      destinations: {
        ai: { kind: 'http', url: first.url, fallback: ['spare'] },
        spare: { kind: 'http', url: second.url },
      },
    });
    expect(codeOf(await callTool(`${url}/mcp/ai`, 'act'))).toBe('UPSTREAM_BROKE');
    expect(second.requests).toHaveLength(0);
  });

  it('keeps the sessions that began there, and ends in a circle of its own', async () => {
    const spare = await startLegacyMcp();
    open.push(spare);
    const gone = await nobody();
    const { url } = await drawbridge({
      identity: { local: { kind: 'anonymous' } },
      destinations: {
        ai: { kind: 'http', url: gone, fallback: ['other', 'spare'] },
        other: { kind: 'http', url: gone, fallback: ['ai'] },
        spare: { kind: 'http', url: spare.url.href },
      },
      resilience: { retry: { attempts: 1 } },
    });
    const client = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
    const begun = await call(`${url}/mcp/ai`, 'initialize', client);
    expect(begun.headers.get('x-drawbridge-fallback')).toBe('spare');
    const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') as string };
    for (let i = 0; i < 3; i++) {
      expect((await call(`${url}/mcp/ai`, 'tools/list', {}, session)).status).toBe(200);
    }
    expect((await call(`${url}/mcp/other`, 'tools/list', {}, session)).status).toBe(404);
  });

  it('is called by whoever may call it, and by nobody else', async () => {
    const spare = await upstream();
    const gone = await nobody();
    const { url } = await drawbridge({
      identity: { local: { kind: 'anonymous', roles: ['user'] } },
      permissions: { roles: { user: { allow: ['ai/**'] } } },
      destinations: {
        ai: { kind: 'http', url: gone, fallback: ['spare'] },
        spare: { kind: 'http', url: spare.url },
      },
      resilience: { retry: { attempts: 1 } },
    });
    expect(codeOf(await callTool(`${url}/mcp/ai`, 'act'))).toBe('UPSTREAM_UNREACHABLE');
    expect(spare.requests).toHaveLength(0);
  });
});

(withoutRedis ? describe.skip : describe)('two replicas and a Redis', () => {
  it('hear of an open breaker within a second, try by themselves, and carry on alone without Redis', async () => {
    const redis = await RedisServer.start();
    open.push({ close: () => redis.kill() });
    const server = await upstream();
    server.handler = status(503);
    const config = {
      destinations: { ai: { kind: 'http', url: server.url } },
      stores: { shared: { kind: 'redis', url: redis.url } },
      resilience: { retry: { attempts: 1 }, circuitBreaker: { failures: 2, resetMs: 60_000, store: 'shared' } },
    };
    const [one, other] = [await drawbridge(config), await drawbridge(config)];
    for (let i = 0; i < 2; i++) await callTool(`${one.url}/mcp/ai`, 'act');
    const since = Date.now();
    await other.record(({ signal }) => signal === 'circuit.suspected');
    expect(Date.now() - since).toBeLessThan(2000);
    expect(await stateOf(other)).toBe('half-open');
    // One call is enough to believe it.
    expect((await callTool(`${other.url}/mcp/ai`, 'act')).status).toBe(503);
    expect(codeOf(await callTool(`${other.url}/mcp/ai`, 'act'))).toBe('CIRCUIT_OPEN');
    expect(server.requests).toHaveLength(3);

    const third = await drawbridge(config);
    await third.record(({ signal }) => signal === 'circuit.suspected');
    server.handler = json({ content: [] });
    expect((await callTool(`${third.url}/mcp/ai`, 'act')).status).toBe(200);
    expect(await stateOf(third)).toBe('closed');

    await redis.kill();
    await third.record(({ signal }) => signal === 'hints.lost');
    const began = Date.now();
    for (let i = 0; i < 5; i++) expect((await callTool(`${third.url}/mcp/ai`, 'act')).status).toBe(200);
    expect(Date.now() - began).toBeLessThan(1000);
    await redis.restart();
    await third.record(({ signal }) => signal === 'hints.back');
    // What is open is said again to a Redis that has forgotten it.
    const fourth = await drawbridge(config);
    await fourth.record(({ signal }) => signal === 'circuit.suspected');
  });
});
