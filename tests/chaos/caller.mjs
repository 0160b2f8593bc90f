import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { between, pick } from './random.mjs';
import { TOOLS } from './tools.mjs';

/** So long a safe call is tried again. */
const PATIENCE_MS = 45_000;
/** Milliseconds between two calls, how long a stream is held, and longer than every deadline on the way: what takes longer was never answered. */
const RHYTHM = { pauseMs: [10, 80], streamMs: [1e8, 1e8], silenceMs: 15_000 };
const AGAIN_MS = [100, 300];
const VERSION = '2025-11-25';
const MODERN = '2026-07-28';
const PREFIX = 'io.modelcontextprotocol';
/** What a request of 2026-07-28 says of itself, each time anew. */
const said = (name) => ({
  [`${PREFIX}/protocolVersion`]: MODERN,
  [`${PREFIX}/clientInfo`]: { name, version: '1' },
  [`${PREFIX}/clientCapabilities`]: {},
});

/** A client as an SDK is one, with one session, which asks one thing after the other and writes down what became of it. */
export class Caller {
  name;
  destination;
  /** Speaks 2026-07-28, and has no session. */
  modern;
  #members;
  /** The session's id as this client knows it. */
  session;
  #key;
  #origin;
  #random;
  #ledger;
  #agent = new Agent();
  #rhythm;
  #stopping = new AbortController();
  #working;
  #listening;

  /** `listens`: holds a stream of what the server says by itself. `members`: whose tools a federation has. */
  constructor({ name, key, origin, destination, random, ledger, listens, modern, members, rhythm = RHYTHM }) {
    this.name = name;
    this.destination = destination;
    this.modern = modern === true;
    this.#members = members;
    this.#key = key;
    this.#origin = origin;
    this.#random = random;
    this.#ledger = ledger;
    this.#rhythm = rhythm;
    this.#working = this.#work();
    this.#listening = listens ? this.#listen() : Promise.resolve();
  }

  /** Tells it from all others. */
  get id() {
    return `${this.name}/${this.destination}${this.modern ? '/modern' : ''}`;
  }

  /** Lets the call that is under way end. */
  async stop() {
    this.#stopping.abort();
    await Promise.all([this.#working, this.#listening]);
    if (this.session) await this.#send({ method: 'DELETE', body: undefined }).catch(() => {});
    await this.#agent.destroy();
  }

  async #work() {
    // Nobody begins at the same moment as everybody else.
    await this.#pause(this.#random());
    while (!this.#stopping.signal.aborted) {
      await this.#call(pick(this.#random, Object.keys(TOOLS)));
      await this.#pause(1);
    }
  }

  #pause(share) {
    const ms = between(this.#random, ...this.#rhythm.pauseMs) * share;
    return sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }

  async #call(tool) {
    const member = this.#members && pick(this.#random, this.#members);
    const entry = this.#ledger.ask({ caller: this, tool, member });
    while (!(await this.#try(entry))) await sleep(between(this.#random, ...AGAIN_MS));
  }

  /** True when there is nothing left to try. A 404 says that nothing was done: another session, and the same again. */
  async #try(entry) {
    const at = Date.now();
    const begins = this.session === undefined && !this.modern;
    const outcome = begins ? await this.#begin() : await this.#ask(entry);
    if (outcome.status === 404 && !this.modern) {
      this.session = undefined;
      return false;
    }
    if (outcome.fault === undefined) {
      if (!begins) this.#ledger.answered(entry, outcome, at);
      return !begins;
    }
    this.#ledger.failed(entry, { at, begins, ...outcome });
    if (!begins && !entry.safe) return true;
    if (Date.now() - entry.at < PATIENCE_MS) return false;
    this.#ledger.lost(entry);
    return true;
  }

  async #begin() {
    const clientInfo = { name: this.name, version: '1' };
    const params = { protocolVersion: VERSION, capabilities: {}, clientInfo };
    const outcome = await this.#exchange({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
    if (outcome.fault !== undefined) return outcome;
    this.session = outcome.session;
    const noted = await this.#exchange({ jsonrpc: '2.0', method: 'notifications/initialized' });
    if (noted.fault !== undefined) this.session = undefined;
    return noted;
  }

  #ask({ call, tool, member }) {
    const given = { call, caller: this.name };
    const name = member === undefined ? tool : `${member}_${tool}`;
    const _meta = { progressToken: call, ...(this.modern ? said(this.name) : {}) };
    const params = { name, arguments: given, _meta };
    return this.#exchange({ jsonrpc: '2.0', id: call, method: 'tools/call', params });
  }

  /** Status, messages, and what was wrong with the answer. */
  async #exchange(message) {
    try {
      const more = this.modern ? { 'mcp-method': message.method, 'mcp-name': message.params.name } : {};
      const asked = { method: 'POST', body: JSON.stringify(message), more };
      const { statusCode: status, headers, body } = await this.#send(asked);
      const text = await body.text();
      const retryAfter = Number(headers['retry-after'] ?? 0);
      if (status === 404 && !this.modern) return { status };
      if (status === 202) return { status, messages: [] };
      if (status !== 200) return { status, retryAfter, fault: codeIn(text) ?? `HTTP ${status}` };
      const messages = messagesIn(text, String(headers['content-type']));
      const answer = messages.find(({ id }) => id === message.id);
      if (!answer) return { status, fault: 'no answer in the answer' };
      // A stream that has begun can only say so at its end.
      if (answer.error?.data?.code) return { status, fault: answer.error.data.code };
      return { status, messages, session: headers['mcp-session-id'] };
    } catch (error) {
      return { fault: error.name === 'TimeoutError' ? 'silence' : (error.code ?? error.name) };
    }
  }

  #send({
    method,
    body,
    signal = AbortSignal.timeout(this.#rhythm.silenceMs),
    session = this.session,
    key = this.#key,
    more = {},
  }) {
    const headers = {
      authorization: `Bearer ${key}`,
      accept: 'application/json, text/event-stream',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(session === undefined ? {} : { 'mcp-session-id': session, 'mcp-protocol-version': VERSION }),
      ...(this.modern ? { 'mcp-protocol-version': MODERN } : {}),
      ...more,
    };
    const url = `${this.#origin}/mcp/${this.destination}`;
    return request(url, { method, headers, body, signal, dispatcher: this.#agent, bodyTimeout: 0, headersTimeout: 0 });
  }

  /** What the answer to another caller's session is: nobody's but its owner's. */
  async trespass(other) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 'trespass', method: 'tools/list' });
    const session = other.session;
    const { statusCode, body: answer } = await this.#send({ method: 'POST', body, session });
    const text = await answer.text();
    return { status: statusCode, code: codeIn(text) };
  }

  /** The same with a key that nobody was given. */
  async stranger() {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 'stranger', method: 'tools/list' });
    const { statusCode, body: answer } = await this.#send({ method: 'POST', body, key: `${this.#key}x` });
    await answer.text();
    return { status: statusCode };
  }

  async #listen() {
    const stopping = this.#stopping.signal;
    while (!stopping.aborted) {
      const session = this.session;
      const ending = new AbortController();
      const timer = setTimeout(
        () => ending.abort(),
        Math.min(between(this.#random, ...this.#rhythm.streamMs), 2 ** 31 - 1),
      );
      const end = () => ending.abort();
      stopping.addEventListener('abort', end, { once: true });
      try {
        if (session !== undefined) await this.#hear(session, ending.signal);
      } catch {
        // Streams end with whatever carries them; the next one is asked for.
      } finally {
        clearTimeout(timer);
        stopping.removeEventListener('abort', end);
      }
      await sleep(200);
    }
  }

  async #hear(session, signal) {
    const { statusCode, body } = await this.#send({ method: 'GET', signal, session });
    if (statusCode !== 200) return void (await body.text());
    let pending = '';
    for await (const chunk of body.setEncoding('utf8')) {
      const parts = (pending + chunk).split('\n\n');
      pending = parts.pop();
      for (const part of parts) {
        for (const message of messagesIn(`${part}\n\n`, 'text/event-stream')) this.#ledger.heard(this.name, message);
      }
    }
  }
}

/** The messages of an answer, be it JSON or a stream. */
function messagesIn(text, type) {
  if (!type.startsWith('text/event-stream')) return [JSON.parse(text)];
  const lines = text.split('\n').filter((line) => line.startsWith('data: {'));
  return lines.map((line) => JSON.parse(line.slice('data: '.length)));
}

function codeIn(text) {
  try {
    return JSON.parse(text).error?.data?.code;
  } catch {
    return undefined;
  }
}
