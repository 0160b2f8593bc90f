import { nowUs } from '../clock.mjs';
import { Connection } from '../load/connection.mjs';
import { call, INITIALIZED, initialize } from './messages.mjs';

/** Ids of one length, so that a request's length is known beforehand. */
const FIRST_ID = 100_000_000;
const HEADERS = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' };

/** A client of one session at an HTTP server. */
export class HttpClient {
  #url;
  #fail;
  #headers = HEADERS;
  #lanes = [];
  #turn = 0;

  constructor(url, fail) {
    this.#url = new URL(url);
    this.#fail = fail;
  }

  async begin() {
    const answer = await this.#post(initialize(1));
    if (!answer.ok) throw new Error(`initialize was answered ${answer.status}: ${await answer.text()}`);
    await answer.text();
    const session = answer.headers.get('mcp-session-id');
    const own = session === null ? {} : { 'mcp-session-id': session };
    this.#headers = { ...HEADERS, 'mcp-protocol-version': '2025-06-18', ...own };
    await (await this.#post(INITIALIZED)).text();
    const called = await (await this.#post(call(2))).text();
    if (!called.includes('"result":')) throw new Error(`a call was answered ${called.slice(0, 500)}`);
    return {};
  }

  /** So many connections, one call on each, until `rest`. */
  async lanes(count) {
    this.#turn += 1;
    while (this.#lanes.length < count) {
      const id = FIRST_ID + this.#lanes.length * 1_000_000 + (this.#turn % 10) * 100_000;
      this.#lanes.push(await Lane.open(this.#url, this.#headers, id, this.#fail));
    }
    return this.#lanes;
  }

  /** Until its next turn: a connection that its server closed meanwhile would fail the turn of another. */
  rest() {
    for (const lane of this.#lanes) lane.close();
    this.#lanes = [];
  }

  async end() {
    this.rest();
  }

  #post(body) {
    return fetch(this.#url, { method: 'POST', headers: this.#headers, body });
  }
}

/** One connection whose calls have ids of their own: they are written over each other in the prebuilt request. */
class Lane {
  sentAt = 0;
  #connection;
  #bytes;
  #idAt;
  #id;

  static async open({ port, host, pathname }, headers, id, fail) {
    const body = call(id);
    const lines = Object.entries({ host, ...headers, 'content-length': body.length }).map(([k, v]) => `${k}: ${v}\r\n`);
    const bytes = Buffer.from(`POST ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
    const connection = await Connection.open(Number(port), bytes);
    connection.onFailure = fail;
    return new Lane(connection, bytes, id);
  }

  constructor(connection, bytes, id) {
    this.#connection = connection;
    this.#bytes = bytes;
    this.#idAt = bytes.lastIndexOf(String(id));
    this.#id = id;
  }

  send(onAnswer, now = nowUs()) {
    this.sentAt = now;
    this.#bytes.write(String(this.#id++), this.#idAt);
    this.#connection.send(() => onAnswer(this), now);
  }

  close() {
    this.#connection.close();
  }
}
