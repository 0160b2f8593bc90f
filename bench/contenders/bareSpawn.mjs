/**
 * The floor of a bridge from HTTP to stdio: a body becomes a line, the line with its id becomes the answer. It knows one
 * child and no session, so that ids are the callers' own affair.
 * Usage: node bareSpawn.mjs <port> <command> [args…]
 */
import { spawn } from 'node:child_process';
import http from 'node:http';
import { LineReader } from '../bridge/lines.mjs';

const [port, command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
const waiting = new Map();
const reader = new LineReader((line) => {
  const id = idOf(line);
  waiting.get(id)?.writeHead(200, { 'content-type': 'application/json' }).end(line);
  waiting.delete(id);
});
child.stdout.on('data', (bytes) => reader.push(bytes));
process.on('SIGTERM', () => {
  child.kill();
  process.exit();
});

http
  .createServer((request, response) => {
    const pieces = [];
    request.on('data', (bytes) => pieces.push(bytes));
    request.on('end', () => pass(Buffer.concat(pieces).toString(), response));
  })
  .listen(Number(port), '127.0.0.1');

function pass(line, response) {
  const id = idOf(line);
  if (id === undefined) response.writeHead(202).end();
  else waiting.set(id, response);
  child.stdin.write(`${line}\n`);
}

function idOf(line) {
  return /"id":(\d+)/.exec(line)?.[1];
}
