/**
 * The floor of a bridge from stdio to HTTP: lines to undici's dispatch, what comes back to stdout. It knows one session,
 * no errors, and no stream but that of an answer.
 * Usage: node bareLines.mjs <url>
 */
import { Agent } from 'undici';
import { LineReader } from '../bridge/lines.mjs';

const { origin, pathname: path } = new URL(process.argv[2]);
const agent = new Agent();
const headers = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' };
const END = /\r?\n\r?\n/;

class Answer {
  #isStream = false;
  #rest = '';

  onConnect() {}

  onHeaders(_status, raw) {
    for (let at = 0; at < raw.length; at += 2) {
      const name = raw[at].toString('latin1').toLowerCase();
      if (name === 'mcp-session-id') headers[name] = raw[at + 1].toString('latin1');
      if (name === 'content-type') this.#isStream = raw[at + 1].includes('event-stream');
    }
    return true;
  }

  onData(bytes) {
    this.#rest += bytes.toString();
    if (!this.#isStream) return true;
    const events = this.#rest.split(END);
    this.#rest = events.pop();
    for (const event of events) this.#write(/^data: ?(.*)$/m.exec(event)?.[1]);
    return true;
  }

  onComplete() {
    this.#write(this.#rest);
  }

  onError() {}

  #write(line) {
    if (line) process.stdout.write(`${line}\n`);
  }
}

const reader = new LineReader((body) => {
  agent.dispatch({ origin, path, method: 'POST', headers, body, bodyTimeout: 0 }, new Answer());
});
process.stdin.on('data', (bytes) => reader.push(bytes));
process.stdin.on('end', () => process.exit());
