/** The same tools over stdin and stdout: `stdioServer.mjs <ledger>`. One process is one session. */
import { randomUUID } from 'node:crypto';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { respond, TOOLS } from './tools.mjs';

const [ledger] = process.argv.slice(2);
const session = randomUUID();

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const message = JSON.parse(line);
  if (message.id === undefined) return;
  const answer = respond(message, { ledger, session, name: 'stdio' });
  if (message.method === 'tools/call') await sleep(TOOLS[message.params.name].ms);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
