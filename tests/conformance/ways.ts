import { fileURLToPath } from 'node:url';
import { bundle } from '../helpers/bundle.js';
import { programNode } from '../helpers/programNode.js';
import { type Drawbridge, startDrawbridge } from './drawbridge.js';
import type { Era } from './fixture/server.js';
import { startSseFixture } from './fixture/sseServer.js';
import { startFixture } from './fixtureServer.js';
import type { Revision } from './runSuite.js';

/** One way from the suite, which speaks HTTP only, to the fixture. */
export interface Way {
  readonly name: string;
  readonly revisions: readonly Revision[];
  /** Starts what the way leads through, and the fixture at its end. */
  open(): Promise<Drawbridge>;
}

const program = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));
const both: readonly Revision[] = ['2025-11-25', '2026-07-28'];

/** Every way through, in the words of docs/bridging.md. */
export const ways: readonly Way[] = [
  { name: 'HTTP', revisions: both, open: () => throughHttp('both', httpDestination) },
  { name: 'HTTP, legacy server', revisions: ['2026-07-28'], open: () => throughHttp('legacy', httpDestination) },
  { name: 'HTTP, modern server', revisions: ['2025-11-25'], open: () => throughHttp('modern', httpDestination) },
  { name: 'stdio', revisions: both, open: () => serve(stdioDestination('both')) },
  { name: 'stdio, legacy server', revisions: ['2026-07-28'], open: () => serve(stdioDestination('legacy')) },
  { name: 'stdio, modern server', revisions: ['2025-11-25'], open: () => serve(stdioDestination('modern')) },
  { name: 'HTTP+SSE', revisions: both, open: throughSse },
  { name: 'stdio bridge', revisions: both, open: () => throughHttp('both', stdioBridge) },
  { name: 'federation of one', revisions: both, open: () => throughHttp('both', federationOfOne) },
];

type Destinations = Readonly<Record<string, object>>;

/** The stop of a way ends both, what stands in front first. */
async function through(fixture: { readonly url: string; close(): Promise<void> }, destinations: Destinations) {
  try {
    const { url, stop } = await serve(destinations);
    return { url, stop: () => stop().finally(() => fixture.close()) };
  } catch (error) {
    await fixture.close();
    throw error;
  }
}

async function throughHttp(speaks: Era, destinations: (url: string) => Destinations): Promise<Drawbridge> {
  const fixture = await startFixture({ speaks });
  return through(fixture, destinations(fixture.url));
}

async function throughSse(): Promise<Drawbridge> {
  const fixture = await startSseFixture();
  return through(fixture, { fixture: { kind: 'sse', url: fixture.url } });
}

function serve(destinations: Destinations): Promise<Drawbridge> {
  return startDrawbridge({ server: { defaultDestination: 'fixture' }, destinations });
}

function httpDestination(url: string): Destinations {
  return { fixture: { kind: 'http', url } };
}

function stdioDestination(speaks: Era): Destinations {
  const args = [bundle(new URL('./fixture/program.ts', import.meta.url)), '--stdio', '--speaks', speaks];
  return { fixture: { kind: 'stdio', command: process.execPath, args } };
}

/** `mcp-drawbridge stdio` is what a client starts: here a Drawbridge is that client. */
function stdioBridge(url: string): Destinations {
  return { fixture: { kind: 'stdio', command: programNode(), args: [program, 'stdio', url, '--allow-http'] } };
}

/** Under the names that the suite knows, so without a prefix. */
function federationOfOne(url: string): Destinations {
  return { fixture: { kind: 'federation', members: { one: { as: '' } } }, one: { kind: 'http', url } };
}
