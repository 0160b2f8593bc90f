import type { Attempt, Clock, Exchange, Reply } from '../contracts.js';
import { callerLeft } from '../wire/explain.js';
import { EventStream } from '../wire/messages.js';
import { Errand, type ModernSender } from './legacyToModernSend.js';
import type { Listening, Session } from './legacyToModernSession.js';
import { keepAlive } from './legacyToModernStreams.js';
import { Subscription, type Taken } from './legacyToModernSubscription.js';

/** How long a server may take to acknowledge a subscription, before whoever waits for it goes on. */
const ACKNOWLEDGED_MS = 5_000;
/** Between two tries to subscribe again. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

const LISTS = ['tools', 'prompts', 'resources'];

/** Who listens, and in which session. */
export interface Listener {
  readonly session: Session;
  readonly exchange: Exchange;
  readonly attempt: Attempt;
}

/** The stream that a client of old keeps open by GET, fed by one `subscriptions/listen` at a time. */
export class ListeningStream implements Listening {
  readonly #clock: Clock;
  readonly #sender: ModernSender;
  readonly #session: Session;
  readonly #exchange: Exchange;
  readonly #attempt: Attempt;
  readonly #over = new AbortController();
  readonly #stream = new EventStream(() => this.close());
  #current: Subscription | undefined;
  /** How often something was to be subscribed anew, and how often it was done. */
  #wanted = 0;
  #done = 0;
  #running: Promise<Taken> | undefined;
  #failures = 0;
  /** Of the monotonic clock. */
  #onSince = 0;
  /** True while the server may have said something that nobody heard. */
  #missed = false;
  #events = 0;

  constructor(clock: Clock, sender: ModernSender, { session, exchange, attempt }: Listener) {
    this.#clock = clock;
    this.#sender = sender;
    this.#session = session;
    this.#exchange = exchange;
    this.#attempt = attempt;
    this.#missed = exchange.request.header('last-event-id') !== undefined;
  }

  /** A 401 or 403 is returned as it came; a server that can't be reached just now is tried again behind the open stream. */
  async open(): Promise<Reply> {
    const exchange = this.#exchange;
    this.#session.listening?.close();
    this.#session.listening = this;
    exchange.held = { cancel: () => this.close() };
    if (exchange.gone) this.close();
    const taken = await this.#subscribe();
    if (typeof taken === 'object') {
      // What was refused is still to be read.
      this.#current = undefined;
      this.close();
      return taken.refused;
    }
    void keepAlive(this.#stream, this.#clock, this.#over.signal);
    return this.#stream.reply();
  }

  async changed(): Promise<void> {
    await this.#subscribe();
  }

  close(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort(callerLeft());
    this.#current?.close();
    this.#stream.end();
    this.#exchange.held = undefined;
    if (this.#session.listening === this) this.#session.listening = undefined;
  }

  /** One at a time; who asks meanwhile is served by one more. */
  #subscribe(): Promise<Taken> {
    this.#wanted += 1;
    this.#running ??= this.#catchUp().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #catchUp(): Promise<Taken> {
    let taken: Taken = 'on';
    while (this.#done !== this.#wanted && !this.#over.signal.aborted) {
      const wanted = this.#wanted;
      taken = await this.#renew();
      this.#done = wanted;
    }
    return taken;
  }

  /** The new one is on before the old one ends, so that nothing is missed in between. */
  async #renew(): Promise<Taken> {
    const filter = this.#filter();
    const old = this.#current;
    if (!filter) {
      this.#current = undefined;
      old?.close();
      return 'on';
    }
    const errand = new Errand(this.#exchange, this.#attempt);
    const next = new Subscription(this.#sender, errand, {
      heard: (text) => this.#send(text),
      ended: () => {
        if (this.#current === next) this.#ended();
      },
    });
    this.#current = next;
    const taken = await this.#acknowledged(next.open(filter, this.#session.envelope));
    old?.close();
    this.#judge(taken);
    return taken;
  }

  /** A server that takes its time is believed: what was subscribed may come all the same. */
  async #acknowledged(taken: Promise<Taken>): Promise<Taken> {
    const late = new AbortController();
    const timeout = this.#clock.sleep(ACKNOWLEDGED_MS, late.signal).then(
      (): Taken => 'on',
      (): Taken => 'on',
    );
    return Promise.race([taken, timeout]).finally(() => late.abort());
  }

  #judge(taken: Taken): void {
    if (taken === 'later') void this.#again();
    // Whoever comes back gets a fresh credential.
    else if (typeof taken === 'object' && this.#wanted > 1) this.close();
    else if (taken === 'on') {
      this.#onSince = this.#clock.monotonic();
      this.#tellMissed();
    }
  }

  /** One that was on for long is no failure; one that always ends at once is. */
  #ended(): void {
    if (this.#clock.monotonic() - this.#onSince > LONGEST_PAUSE_MS) this.#failures = 0;
    void this.#again();
  }

  async #again(): Promise<void> {
    this.#current = undefined;
    this.#missed = true;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures += 1;
    try {
      await this.#clock.sleep(pause * (0.5 + this.#clock.random() / 2), this.#over.signal);
    } catch {
      return;
    }
    if (!this.#current) await this.#subscribe();
  }

  /** After a pause anything may have changed: clients look again. */
  #tellMissed(): void {
    if (!this.#missed) return;
    this.#missed = false;
    const { server } = this.#session.state;
    for (const list of LISTS.filter((kind) => server.includes(kind))) this.#say(`notifications/${list}/list_changed`);
    for (const uri of this.#session.subscriptions) this.#say('notifications/resources/updated', { uri });
  }

  #say(method: string, params?: object): void {
    this.#send(JSON.stringify({ jsonrpc: '2.0', method, ...(params ? { params } : {}) }));
  }

  /** The ids say no more than that a reader was there: what it missed meanwhile, it is told of in general. */
  #send(data: string): void {
    this.#events += 1;
    this.#stream.send({ id: `listen.${this.#events}`, data });
  }

  /** Undefined where there is nothing to listen for. */
  #filter(): object | undefined {
    const { subscriptions, state } = this.#session;
    const lists = LISTS.filter((kind) => state.server.includes(kind)).map((kind) => [`${kind}ListChanged`, true]);
    const resources = subscriptions.size > 0 ? [['resourceSubscriptions', [...subscriptions]]] : [];
    const filter = [...lists, ...resources];
    return filter.length > 0 ? Object.fromEntries(filter) : undefined;
  }
}
