import type { Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { spliced, textAt } from '../wire/jsonText.js';
import { ParamHeaders } from '../wire/mirror.js';
import type { Carrying, Channel, ChannelHandlers } from './channel.js';
import { Greeting } from './channelFaceGreeting.js';
import { deliver, type Line, type LineHandlers } from './channelFaceLine.js';
import { cancellation, errorText, PLACES, readAll, type Said } from './channelFaceMessage.js';

/** A request under way: on the channel it has a number of ours, which is its progress token there too. */
interface Running {
  readonly member: Member;
  /** What the member calls them, as JSON. */
  readonly id: string;
  readonly token: string | undefined;
  /** Whoever only listens is told of changes, and nothing else. */
  readonly listens: boolean;
}

/** More resources than a client watches at a time. */
const MOST_WATCHED = 1_000;
/** More than a server has work for at a time. */
const MOST_RUNNING = 10_000;
const MOST_ASKED = 1_000;
const REFUSED = -32603;

/**
 * One channel for many: each member has ids and progress tokens of its own, and hears of its own requests only. What the
 * server tells everybody (lists that changed) goes to everybody; what could be anybody's goes to nobody.
 */
export class SharedChannel implements ChannelHandlers {
  /** The headers that its tools ask for, as far as they were listed. */
  readonly mirrored = new ParamHeaders();
  readonly #members = new Set<Member>();
  readonly #running = new Map<number, Running>();
  /** Who was asked by the server, by the server's id as JSON. */
  readonly #asked = new Map<string, Member>();
  readonly #greeting = new Greeting();
  readonly #gone: () => void;
  #channel: Channel | undefined;
  #next = 1;

  /** `gone`: nothing can be sent any more. */
  constructor(gone: () => void) {
    this.#gone = gone;
  }

  /** True where nobody has anything running. */
  get idle(): boolean {
    return this.#running.size === 0;
  }

  get isOpen(): boolean {
    return this.#channel !== undefined;
  }

  get members(): number {
    return this.#members.size;
  }

  attach(channel: Channel): void {
    this.#channel = channel;
  }

  join(handlers: LineHandlers): Line {
    const member = new Member(this, handlers);
    this.#members.add(member);
    return member;
  }

  async close(): Promise<void> {
    this.#members.clear();
    await this.#channel?.close();
  }

  /** What runs for it is cancelled. */
  leave(member: Member): void {
    this.#members.delete(member);
    for (const [number, { member: of }] of this.#running) {
      if (of !== member || this.#greeting.awaits(number)) continue;
      this.#running.delete(number);
      this.#tell(cancellation(String(number), 'the caller left'));
    }
    for (const [id, asked] of this.#asked) {
      if (asked !== member) continue;
      this.#asked.delete(id);
      this.#tell(errorText(id, REFUSED, 'the client is gone'));
    }
  }

  message(text: string): boolean {
    const all = readAll(text);
    for (const said of all ?? []) this.#heard(said);
    return all !== undefined;
  }

  closed(reason: GatewayError): void {
    this.#gone();
    for (const member of [...this.#members]) member.handlers.closed(reason);
    this.#members.clear();
  }

  send(member: Member, text: string, carrying: Carrying | undefined): undefined | Promise<Reply | undefined> {
    const said = readAll(text)?.[0];
    if (!said) return undefined;
    const { read } = said;
    if (read.kind === 'request') return this.#request(member, said, carrying);
    if (read.kind === 'response') return this.#response(member, said, carrying);
    if (read.method === 'notifications/cancelled') return this.#cancel(member, text, carrying);
    if (read.method === 'notifications/initialized' && !this.#greeting.firstTime()) return undefined;
    return this.#channel?.send(text, carrying);
  }

  #request(member: Member, { text, read }: Said, carrying: Carrying | undefined) {
    const id = textAt(text, PLACES.id) as string;
    if (read.method === 'initialize' && !this.#greeting.begins(this.#next, id, member)) return undefined;
    if (this.#isWatchedElsewhere(member, read)) {
      queueMicrotask(() => member.hearText(`{"jsonrpc":"2.0","id":${id},"result":{}}`));
      return undefined;
    }
    if (this.#running.size >= MOST_RUNNING) {
      throw new GatewayError('OVERLOADED', 'too many requests run on this server', { retryAfter: 1 });
    }
    const number = this.#next++;
    const token = read.token === undefined ? undefined : textAt(text, PLACES.requestToken);
    this.#running.set(number, { member, id, token, listens: read.method === 'subscriptions/listen' });
    const numbered = spliced(text, PLACES.id, String(number));
    const sent = token === undefined ? numbered : spliced(numbered, PLACES.requestToken, String(number));
    return this.#channel?.send(sent, carrying);
  }

  /** One that no other member watches is unsubscribed from on the channel; what others still watch stays. */
  #isWatchedElsewhere(member: Member, { method, uri }: Said['read']): boolean {
    if (uri === undefined) return false;
    if (method === 'resources/subscribe' && member.watched.size < MOST_WATCHED) member.watched.add(uri);
    if (method !== 'resources/unsubscribe') return false;
    member.watched.delete(uri);
    return [...this.#members].some(({ watched }) => watched.has(uri));
  }

  /** Only whoever was asked may answer. */
  #response(member: Member, { text }: Said, carrying: Carrying | undefined) {
    const id = textAt(text, PLACES.id) as string;
    if (this.#asked.get(id) !== member) return undefined;
    this.#asked.delete(id);
    return this.#channel?.send(text, carrying);
  }

  #cancel(member: Member, text: string, carrying: Carrying | undefined) {
    const id = textAt(text, PLACES.requestId);
    for (const [number, running] of this.#running) {
      if (running.member !== member || running.id !== id || this.#greeting.awaits(number)) continue;
      this.#running.delete(number);
      return this.#channel?.send(spliced(text, PLACES.requestId, String(number)), carrying);
    }
    return undefined;
  }

  #heard(said: Said): void {
    const { kind, method } = said.read;
    if (kind === 'response') this.#answered(said);
    else if (kind === 'request') this.#ask(said);
    else if (method?.endsWith('/list_changed') && said.read.subscription === undefined) this.#tellAll(said);
    else if (method === 'notifications/resources/updated' && said.read.subscription === undefined) this.#tellAll(said);
    else this.#notified(said);
  }

  #answered({ text, read }: Said): void {
    const running = this.#running.get(read.id as number);
    if (!running) return;
    this.#running.delete(read.id as number);
    const { member, id } = running;
    if (this.#greeting.awaits(read.id as number)) return this.#greeting.answered(text, read.errorCode !== undefined);
    const subscribed = read.subscription === undefined ? text : spliced(text, PLACES.resultSubscription, id);
    member.hear({ text: spliced(subscribed, PLACES.id, id), read: { ...read, id: JSON.parse(id) } });
  }

  #tellAll(said: Said): void {
    const { read } = said;
    const isUpdate = read.method === 'notifications/resources/updated';
    for (const member of [...this.#members]) {
      if (!isUpdate || member.watched.has(read.uri ?? '')) member.hear(said);
    }
  }

  #notified(said: Said): void {
    const { text, read } = said;
    const number = read.token ?? read.subscription ?? read.cancels;
    if (number === undefined) return this.#onlyOne()?.hear(said);
    const running = this.#running.get(number as number);
    if (running) this.#notifiedOf(running, text, read);
    // What the server takes back is something it asked.
    else if (read.cancels !== undefined) this.#asked.get(JSON.stringify(read.cancels))?.hear(said);
  }

  #notifiedOf({ member, id, token }: Running, text: string, { token: progresses, subscription }: Said['read']): void {
    if (subscription !== undefined) member.hearText(spliced(text, PLACES.subscription, id));
    else if (progresses === undefined) member.hearText(spliced(text, PLACES.requestId, id));
    else if (token !== undefined) member.hearText(spliced(text, PLACES.progressToken, token));
  }

  /** Nobody gets a question that may be meant for another. */
  #ask(said: Said): void {
    const id = textAt(said.text, PLACES.id) as string;
    const member = this.#asked.size < MOST_ASKED ? this.#onlyOne() : undefined;
    if (!member) return this.#tell(errorText(id, REFUSED, 'several clients share this server: no one can be asked'));
    this.#asked.set(id, member);
    member.hear(said);
  }

  /** The one member that something can be about: it alone has requests running, or is there at all. */
  #onlyOne(): Member | undefined {
    const busy = new Set([...this.#running.values()].filter(({ listens }) => !listens).map(({ member }) => member));
    const candidates = busy.size > 0 ? busy : this.#members;
    return candidates.size === 1 ? [...candidates][0] : undefined;
  }

  #tell(text: string): void {
    if (this.#channel) deliver(this.#channel, text, undefined, { failed: () => {} });
  }
}

/** One of those that share a channel. */
export class Member implements Line {
  readonly handlers: LineHandlers;
  /** URIs of resources that it subscribed to. */
  readonly watched = new Set<string>();
  readonly #shared: SharedChannel;

  constructor(shared: SharedChannel, handlers: LineHandlers) {
    this.#shared = shared;
    this.handlers = handlers;
  }

  send(message: string | Buffer, carrying?: Carrying): undefined | Promise<Reply | undefined> {
    return this.#shared.send(this, message.toString(), carrying);
  }

  async close(): Promise<void> {
    this.#shared.leave(this);
  }

  /** A message as it stands for this member. */
  hear(said: Said): void {
    this.handlers.said(said);
  }

  hearText(text: string): void {
    for (const said of readAll(text) ?? []) this.handlers.said(said);
  }
}
