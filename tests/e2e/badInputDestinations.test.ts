import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { rawRequest } from '../helpers/raw.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { expectPlainRefusal, expectRefusal, hintOf, messageOf, type Refusal } from './refusals.js';
import { call, type Lines, post } from './requests.js';

/** Names that name nothing, or two things. The raw client normalises none of them. */
let upstream: Upstream;
let drawbridge: Drawbridge;

beforeAll(async () => {
  upstream = await startUpstream(json({ ok: true }));
  drawbridge = await startDrawbridge({
    destinations: { tools: { kind: 'http', url: upstream.url }, other: { kind: 'http', url: upstream.url } },
  });
});

afterEach(() => {
  expect(upstream.requests).toHaveLength(0);
});

afterAll(async () => {
  await drawbridge?.stop();
  await upstream?.close();
});

const ask = (target: string, lines: Lines = {}) => rawRequest(drawbridge.port, post(target, call(1), lines));

const UNKNOWN: Refusal = { status: 403, code: 'UNKNOWN_DESTINATION' };
const CONFLICT: Refusal = { status: 400, code: 'CONFLICTING_DESTINATIONS' };
const MALFORMED: Refusal = { status: 400, code: 'MALFORMED_HTTP' };

const names = [
  'nobody',
  'Tools',
  'tools.',
  '.',
  '..',
  '../tools',
  '../../etc/passwd',
  '..%2ftools',
  '%2e%2e%2ftools',
  '%2e',
  'tools%00',
  'tools%2e',
  'tools%0d%0ax-evil:%201',
  '..\\tools',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'tools,other',
  'x'.repeat(5000),
];

describe('a destination that does not exist', () => {
  it.each(names)('by path: %s', async (name) => {
    const answer = await ask(`/mcp/${name}`);
    expectRefusal(answer, UNKNOWN);
    // It is up to the caller to know what it said: repeated, it could be markup in somebody's page.
    expect(messageOf(answer)).not.toContain(name);
  });

  it.each(names)('by header: %s', async (name) => {
    expectRefusal(await ask('/mcp', { 'x-btp-destination': name }), UNKNOWN);
  });

  it.each(['/mcp/tools/..', '/mcp/other/../tools', '/mcp//tools', '/mcp/tools//', '/mcp/tools/x', '/mcp/./tools'])(
    'by a path that would be one if it were cleaned up: %s',
    async (target) => {
      expectRefusal(await ask(target), UNKNOWN);
    },
  );

  it.each(['/', '/tools', '/MCP/tools', '/mcp%2ftools', '//mcp/tools', '/x/../mcp/tools', '/mcptools'])(
    'by a path that is not of MCP: %s',
    async (target) => {
      expectPlainRefusal(await ask(target), { status: 404, code: 'NOT_FOUND' });
    },
  );

  it('gets a hint that names the nearest one', async () => {
    const answer = await ask('/mcp/tolls');
    expectRefusal(answer, UNKNOWN);
    expect(hintOf(answer)).toBe('Did you mean tools?');
  });

  it('gets a hint where none was named at all', async () => {
    expectRefusal(await ask('/mcp'), { status: 400, code: 'NO_DESTINATION' });
  });

  it.each<[string, string, Lines]>([
    ['NUL in the path', '/mcp/tools\0', {}],
    ['NUL in the header', '/mcp', { 'x-btp-destination': 'tools\0' }],
    ['a space in the path', '/mcp/tools x', {}],
  ])('%s is not HTTP at all', async (_what, target, lines) => {
    expectPlainRefusal(await ask(target, lines), MALFORMED);
  });
});

describe('two destinations at once', () => {
  it.each<[string, string, Lines]>([
    ['path and header', '/mcp/tools', { 'x-btp-destination': 'other' }],
    ['path and alias', '/mcp/tools', { 'x-sap-destination': 'other' }],
    ['header and alias', '/mcp', { 'x-btp-destination': 'tools', 'x-mcp-destination': 'other' }],
    ['alias and alias', '/mcp', { 'x-sap-destination': 'tools', 'x-mcp-destination': 'other' }],
    ['path and a header that names nobody', '/mcp/tools', { 'x-btp-destination': '__proto__' }],
    ['URL and its alias', '/mcp', { 'x-mcp-url': 'https://a.example/', 'x-target-url': 'https://b.example/' }],
  ])('%s', async (_what, target, lines) => {
    expectRefusal(await ask(target, lines), CONFLICT);
  });

  it('the same header twice', async () => {
    expectRefusal(await ask('/mcp', { 'x-btp-destination': 'tools', 'X-BTP-Destination': 'other' }), UNKNOWN);
  });
});
