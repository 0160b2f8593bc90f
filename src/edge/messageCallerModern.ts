import type { HeaderLines } from '../contracts.js';
import { isObject, parsedOrNothing } from '../core/json.js';
import { mirrorLines, ParamHeaders } from '../wire/mirror.js';
import { type Courier, lastText } from './messageCallerCourier.js';
import { type Json, readSaid, type Said } from './messageCallerSaid.js';

/** So many pages of tools are looked through for one call. */
const MOST_PAGES = 50;
/** Of requests of our own; no caller of ours names one so. */
const OWN_ID = 'drawbridge-tools';

/** What messages of 2026-07-28 repeat in their headers. */
export class Mirror {
  readonly #params = new ParamHeaders();

  lines({ call, value, params }: Said): HeaderLines {
    const lines = mirrorLines(value as Json, call.revision as string);
    if (call.method !== 'tools/call' || call.name === undefined || !this.#params.knows(call.name)) return lines;
    return [...lines, ...this.#params.lines(call.name, params.arguments)];
  }

  /** Learns from the answer to a `tools/list`; most say nothing of headers, and aren't parsed for that. */
  learn(text: string): void {
    if (!text.includes('x-mcp-header')) return;
    const answer = parsedOrNothing(text);
    if (isObject(answer)) this.#params.learn(answer.result);
  }

  /** Lists the tools anew, as the caller of this call would. True where the server answered. */
  async relist(said: Said, courier: Courier): Promise<boolean> {
    const { _meta } = said.params;
    let cursor: unknown;
    for (let page = 0; page < MOST_PAGES; page++) {
      const params = { _meta, ...(cursor === undefined ? {} : { cursor }) };
      const listing = readSaid(JSON.stringify({ jsonrpc: '2.0', id: OWN_ID, method: 'tools/list', params }), undefined);
      const exchange = courier.post(listing.call, { lines: this.lines(listing) });
      const reply = await courier.send(exchange);
      const answer = parsedOrNothing(await lastText(exchange, reply));
      if (reply.status >= 400 || !isObject(answer) || !isObject(answer.result)) return false;
      this.#params.learn(answer.result);
      cursor = answer.result.nextCursor;
      if (typeof cursor !== 'string') return true;
    }
    return true;
  }
}
