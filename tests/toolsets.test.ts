import * as z from 'zod';
import type { Tool, ToolContext, ToolsetDeps, ToolsetKind } from '../src/contracts/tools.js';
import { systemClock } from '../src/core/async.js';
import { GatewayError } from '../src/core/errors.js';
import { CredentialRefused } from '../src/core/toolErrors.js';
import { kinds } from '../src/kinds.js';
import { type Runtime, startRuntime } from '../src/runtime.js';
import { load } from './config/loadConfig.js';
import { codeOf, request } from './helpers/calls.js';
import { FakeSignals } from './helpers/fakes.js';
import { type Issuer, startIssuer } from './helpers/tokenIssuer.js';
import { startUpstream, type Upstream } from './helpers/upstreamFixture.js';

/** Tools that ask a vendor over HTTP, as a connector would. */
function vendorTools({ rest, url }: ToolsetDeps): Tool[] {
  const ask = async (path: string, { credential, signal }: ToolContext) => {
    const [, authorization = ''] = credential?.headers ?? [];
    const asked = {
      method: 'GET' as const,
      url: new URL(path, url).href,
      headers: { authorization },
      signal,
    };
    const { status, body } = await rest(asked);
    if (status === 401) throw new CredentialRefused('the vendor refuses the token');
    if (status >= 500) throw new GatewayError('UPSTREAM_BROKE', `the vendor answered ${status}`);
    return JSON.parse(String(body)) as object;
  };
  const tool = (name: string, effect: Tool['effect']): Tool => ({
    name,
    version: '1.0.0',
    category: 'things',
    effect,
    description: 'Asks the vendor.',
    input: z.strictObject({}),
    run: (_args, context) => ask(`/${name}`, context),
  });
  const slow: Tool = {
    ...tool('slow', 'read'),
    run: async (_args, context) => {
      context.progress(1);
      // What is told of it is out before it fails.
      await new Promise((resolve) => setImmediate(resolve));
      return ask('/slow', context);
    },
  };
  return [tool('get', 'read'), tool('find', 'read'), tool('put', 'write'), slow];
}

const vendorKind: ToolsetKind = {
  options: z.strictObject({}),
  create: (_options, deps) => ({ tools: vendorTools(deps), close: async () => {} }),
};

describe('a toolset and its vendor', () => {
  let vendor: Upstream;
  let issuer: Issuer;
  let runtime: Runtime;
  let signals: FakeSignals;

  beforeAll(() => void Object.assign(kinds.toolsets, { vendor: async () => ({ default: vendorKind }) }));
  beforeEach(async () => {
    issuer = await startIssuer();
    vendor = await startUpstream((seen, response) => {
      const token = seen.header('authorization')?.replace('Bearer ', '') ?? '';
      if (!issuer.accepts(token)) return void response.writeHead(401).end();
      return void response.end(JSON.stringify({ path: seen.url }));
    });
  });
  afterEach(async () => {
    await runtime?.stop();
    await Promise.all([vendor.close(), issuer.close()]);
  });

  async function start(resilience: object = {}): Promise<void> {
    const config = {
      server: { port: 0 },
      destinations: { tools: { kind: 'toolset', toolset: 'vendor', url: vendor.origin, credential: 'jobs' } },
      credentials: { jobs: issuer.credential(vendor.origin) },
      resilience,
    };
    const settings = await load({ files: { 'mcp-proxy-config.json': config } });
    signals = new FakeSignals();
    runtime = await startRuntime(settings, { clock: systemClock, signals, version: '0.0.0' });
  }

  /** The answer to a call of 2026-07-28. */
  const call = (name: string) => {
    const _meta = {
      progressToken: 1,
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    return request(`${runtime.url}/mcp/tools`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': name,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {}, _meta } }),
    });
  };
  const contentOf = ({ text }: { text: string }) => JSON.parse(text).result?.structuredContent;

  it('shows the token, and a fresh one where the first is refused: the call is made once more', async () => {
    await start();
    expect(contentOf(await call('put'))).toEqual({ path: '/put' });
    issuer.revoke();
    expect(contentOf(await call('put'))).toEqual({ path: '/put' });
    expect([issuer.tokens.length, vendor.requests.length]).toEqual([2, 3]);
    expect(signals.named('attempt.replayed')).toHaveLength(1);
  });

  it('a token that is refused even when fresh is no 401 of the caller’s', async () => {
    vendor.handler = (_seen, response) => void response.writeHead(401).end();
    await start();
    const answer = await call('get');
    expect([answer.status, codeOf(answer), vendor.requests.length]).toEqual([502, 'CREDENTIAL_REFUSED', 2]);
    expect(answer.text).not.toContain(issuer.tokens[0]);
  });

  it('is asked again by a tool that reads, and once by one that writes', async () => {
    const broken = (times: number) => {
      const good = vendor.handler;
      vendor.handler = (seen, response, incoming) => {
        if (times-- > 0) return void response.writeHead(503).end();
        return good(seen, response, incoming);
      };
    };
    await start({ retry: { attempts: 3, baseMs: 1 } });
    broken(1);
    expect(contentOf(await call('get'))).toEqual({ path: '/get' });
    broken(1);
    const written = await call('put');
    expect([written.status, codeOf(written), vendor.requests.length]).toEqual([502, 'UPSTREAM_BROKE', 3]);
  });

  it('that fails at one tool is left alone by that one', async () => {
    const good = vendor.handler;
    vendor.handler = (seen, response, incoming) => {
      if (seen.url === '/find') return void response.writeHead(500).end();
      return good(seen, response, incoming);
    };
    await start({ retry: { attempts: 1 }, circuitBreaker: { failures: 2, resetMs: 60_000, per: ['tool'] } });
    const codes: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      codes.push(codeOf(await call('find')));
      expect(contentOf(await call('get'))).toEqual({ path: '/get' });
    }
    expect(codes).toEqual(['UPSTREAM_BROKE', 'UPSTREAM_BROKE', 'CIRCUIT_OPEN', 'CIRCUIT_OPEN']);
  });

  it('that fails behind a progress that was told is left alone, too', async () => {
    const good = vendor.handler;
    let broken = true;
    vendor.handler = (seen, response, incoming) =>
      broken ? void response.writeHead(503).end() : good(seen, response, incoming);
    await start({ retry: { attempts: 1 }, circuitBreaker: { failures: 2, resetMs: 60_000 } });
    for (let i = 0; i < 2; i++) {
      const { status, text } = await call('slow');
      expect([status, text]).toEqual([200, expect.stringContaining('UPSTREAM_BROKE')]);
      expect(text).toContain('notifications/progress');
    }
    broken = false;
    expect(codeOf(await call('slow'))).toBe('CIRCUIT_OPEN');
    expect(vendor.requests).toHaveLength(2);
    expect(signals.named('exchange').map(({ code }) => code)).toEqual([
      'UPSTREAM_BROKE',
      'UPSTREAM_BROKE',
      'CIRCUIT_OPEN',
    ]);
  });

  it('is the only one that the credential may be shown to: any other url is a fault', async () => {
    const origins = issuer.credential('https://other.example.com');
    const destinations = { tools: { kind: 'toolset', toolset: 'vendor', url: vendor.origin, credential: 'jobs' } };
    const config = { destinations, credentials: { jobs: origins } };
    await expect(load({ files: { 'mcp-proxy-config.json': config } })).rejects.toThrow(/does not list the origin/);
    await start();
  });
});
