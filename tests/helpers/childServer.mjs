// A server on stdin and stdout that does as its tools are called: what goes wrong with real ones, on demand.
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';

const write = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const say = (id, text) => write({ id, result: { content: [{ type: 'text', text: String(text) }] } });
const cancelled = [];
const trap = process.argv.includes('stubborn') ? () => {} : undefined;
if (trap) {
  process.on('SIGTERM', trap);
  setInterval(trap, 1000);
}
if (process.argv.includes('broken')) process.exit(3);

const tools = {
  pid: (id) => say(id, process.pid),
  env: (id) => say(id, JSON.stringify(process.env)),
  cwd: (id) => say(id, process.cwd()),
  echo: (id, { text }) => say(id, text),
  die: () => process.kill(process.pid, 'SIGKILL'),
  silent: () => {},
  mute: () => closeSync(1),
  cancelled: (id) => say(id, JSON.stringify(cancelled)),
  noise: (id) => {
    process.stdout.write('Listening on nothing\n\n{"jsonrpc": half\n');
    say(id, 'noisy');
  },
  long: (id, { bytes }) => say(id, 'x'.repeat(bytes)),
  flood: (id, { lines, secret }) => {
    process.stderr.write(`key ${process.env.CHILD_SECRET} ${secret}\n`);
    for (let n = 0; n < lines; n++) process.stderr.write(`line ${n} of a flood that nobody wants to read\n`);
    say(id, 'flooded');
  },
  // Memory that is written to, so that it is there; `where` is this process, a child of it, or one outside of its group.
  eat: (id, { mib, where = 'here' }) => {
    if (where === 'here') {
      globalThis.eaten = Buffer.alloc(mib * 1024 * 1024, 1);
      return setTimeout(() => say(id, 'eaten'), 60_000);
    }
    const eater = `globalThis.eaten = Buffer.alloc(${mib} * 1024 * 1024, 1); setInterval(() => {}, 1000)`;
    const options = { stdio: 'ignore', detached: where === 'apart' };
    const grandchild = spawn(process.execPath, ['-e', eater], options);
    process.stderr.write(`eater ${grandchild.pid}\n`);
  },
  family: (id) => {
    const sleep = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); process.stdout.write('up')`;
    const grandchild = spawn(process.execPath, ['-e', sleep], { stdio: ['ignore', 'pipe', 'ignore'] });
    grandchild.stdout.once('data', () => say(id, grandchild.pid));
  },
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize') {
    const { protocolVersion } = params;
    write({
      id,
      result: { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'child', version: '1' } },
    });
  } else if (method === 'notifications/cancelled') cancelled.push(params.requestId);
  else if (method === 'tools/call') tools[params.name](id, params.arguments ?? {});
  else if (method === 'tools/list') write({ id, result: { tools: [] } });
  else if (id !== undefined) write({ id, error: { code: -32601, message: 'no such method' } });
});
