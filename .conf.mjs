import { build } from 'esbuild';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
await build({ entryPoints: ['tests/conformance/fixtureServer.ts'], outfile: '.fixture.mjs', bundle: true, platform: 'node', format: 'esm', packages: 'external', target: 'node20', logLevel: 'warning' });
const { startFixture } = await import(new URL('./.fixture.mjs', import.meta.url));
const fixture = await startFixture();
const config = { server: { defaultDestination: 'all' }, destinations: { one: { kind: 'http', url: fixture.url, era: process.argv[3] ?? 'auto' }, all: { kind: 'federation', members: { one: { as: '' } } } } };
writeFileSync('/tmp/fedconf.json', JSON.stringify(config));
const child = spawn('node', ['bin/mcp-drawbridge.js', 'serve', '-c', '/tmp/fedconf.json', '--port', '0', '--log-format', 'json'], { stdio: ['ignore', 'ignore', 'pipe'] });
let err = '';
child.stderr.on('data', (d) => { err += d; });
while (!err.includes('server.listening')) await once(child.stderr, 'data');
const line = err.split('\n').find((l) => l.includes('server.listening'));
const url = JSON.parse(line).url.replace(/\/$/, '') + '/mcp';
const rev = process.argv[2] ?? '2026-07-28';
const S = '/tmp/fresh/tests/conformance/node_modules';
async function run(target) {
  const out = mkdtempSync('/tmp/fedconf-');
  const c = spawn(`${S}/node/bin/node`, [`${S}/@modelcontextprotocol/conformance/dist/index.js`, 'server', '--url', target, '--requirements', rev, '-o', out], { stdio: 'ignore', env: {} });
  await once(c, 'close');
  const res = new Map();
  for (const s of readdirSync(out).sort()) {
    const checks = JSON.parse(readFileSync(`${out}/${s}/checks.json`, 'utf8')).filter((x) => x.status !== 'INFO');
    res.set(s.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, ''), checks.map((x) => `${x.status} ${x.id} ${x.status === 'FAILURE' ? (x.errorMessage ?? '') : ''}`));
  }
  rmSync(out, { recursive: true });
  return [c.exitCode, res];
}
const [dc, direct] = await run(fixture.url);
const [pc, proxied] = await run(url);
console.log('exit', dc, pc);
for (const [name, checks] of direct) {
  const p = proxied.get(name) ?? [];
  const diff = p.filter((x) => !checks.includes(x));
  const miss = checks.filter((x) => !p.includes(x));
  if (diff.length || miss.length) console.log(name, '\n  proxied:', diff.join('\n           '), '\n  direct:', miss.join('\n           '));
}
child.kill();
await fixture.close();
process.exit(0);
