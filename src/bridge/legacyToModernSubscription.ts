import type { Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { parsedObject } from '../core/json.js';
import { isEventStream } from '../wire/headers.js';
import { readMessages } from '../wire/messages.js';
import type { Errand, ModernSender } from './legacyToModernSend.js';
import { type Envelope, legacyNotification } from './legacyToModernWords.js';

/** What is done with a subscription. */
export interface Subscriber {
  /** Something changed: a notification as clients of old know it, as text. */
  heard(text: string): void;
  /** It was on, and is over though nobody ended it here. */
  ended(): void;
}

/** How a server took it: `on`; `unsupported` for good; `later` where it may be asked again; or a 401 or 403. */
export type Taken = 'on' | 'unsupported' | 'later' | { readonly refused: Reply };

/** One `subscriptions/listen`, from its request to its end. */
export class Subscription {
  readonly #sender: ModernSender;
  readonly #errand: Errand;
  readonly #subscriber: Subscriber;
  #acknowledge: (taken: Taken) => void = () => {};
  readonly #taken = new Promise<Taken>((resolve) => {
    this.#acknowledge = resolve;
  });

  constructor(sender: ModernSender, errand: Errand, subscriber: Subscriber) {
    this.#sender = sender;
    this.#errand = errand;
    this.#subscriber = subscriber;
  }

  /** Never rejects. Resolves once the server has acknowledged it, or with why it hasn't. */
  async open(notifications: object, envelope: Envelope): Promise<Taken> {
    const params = JSON.stringify({ notifications });
    try {
      const reply = await this.#sender.request({ method: 'subscriptions/listen', params, envelope }, this.#errand);
      if (reply.status === 401 || reply.status === 403) return { refused: reply };
      if (reply.status === 200 && isEventStream(reply.headers)) this.#read(reply);
      else return this.#giveUp(reply.status < 500 && reply.status !== 429 ? 'unsupported' : 'later');
    } catch (error) {
      const garbage = error instanceof GatewayError && error.code === 'UPSTREAM_GARBAGE';
      return this.#giveUp(garbage ? 'unsupported' : 'later');
    }
    return this.#taken;
  }

  close(): void {
    this.#errand.end();
    this.#acknowledge('later');
  }

  #giveUp(taken: Taken): Taken {
    this.#errand.end();
    return taken;
  }

  #read(reply: Reply): void {
    const { signal } = this.#errand;
    const end = () => {
      if (signal.aborted) return;
      this.close();
      this.#subscriber.ended();
    };
    const flow = readMessages(reply, {
      message: (text) => {
        if (!signal.aborted) this.#hear(text, end);
      },
      end,
      fail: end,
    });
    signal.addEventListener('abort', () => flow.cancel(), { once: true });
  }

  #hear(text: string, end: () => void): void {
    const message = parsedObject(text);
    if (message?.method === 'notifications/subscriptions/acknowledged') this.#acknowledge('on');
    // Its end is a response; some say `notifications/cancelled` (2026-07-28 says both).
    else if (message?.method === undefined || message.method === 'notifications/cancelled') end();
    else if (message.id === undefined) this.#subscriber.heard(legacyNotification(text));
  }
}
