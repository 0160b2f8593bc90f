import * as z from 'zod';
import type { KindDeps } from '../contracts.js';
import { SingleFlight, unlessAborted } from '../core/async.js';
import { checkProof, clientOf, proofWords } from './clientProof.js';
import { askedFields, clientFields } from './tokenClient.js';
import { requestToken } from './tokenEndpoint.js';
import { type Held, hold } from './tokenLife.js';

/** A client's own token, by client credentials (RFC 6749 section 4.4). */
export const actorFields = z.strictObject({ ...clientFields, ...askedFields }).superRefine(checkProof);

export type ActorOptions = z.infer<typeof actorFields>;

const FRESH_MS = 30_000;

/** The token of whoever acts on callers' behalf: the same for all of them, so that it is had once and kept while it serves. */
export class ActorToken {
  readonly #given: ActorOptions;
  readonly #deps: KindDeps;
  readonly #flights = new SingleFlight<Held>();
  #held: Held | undefined;

  constructor(given: ActorOptions, deps: KindDeps) {
    this.#given = given;
    this.#deps = deps;
  }

  /** Rejects with a CredentialError. A caller that leaves ends nobody else's request. */
  async obtain(signal: AbortSignal): Promise<string> {
    const held = this.#held;
    if (held && this.#deps.clock.now() < held.refreshAt) return held.token.value;
    const { token } = await unlessAborted(
      this.#flights.run('actor', () => this.#fetch()),
      signal,
    );
    return token.value;
  }

  /** It may be refused: a fresh one is had next time, but not for every call that is. */
  forget(): void {
    const held = this.#held;
    if (held && this.#deps.clock.now() - held.token.obtainedAt >= FRESH_MS) this.#held = undefined;
  }

  async #fetch(): Promise<Held> {
    const given = this.#given;
    const { scope, audience, resource } = given;
    const request = {
      url: given.tokenUrl,
      client: clientOf(given, given.tokenUrl),
      format: given.format,
      parameters: { ...given.parameters, grant_type: 'client_credentials', scope, audience, resource },
      words: { url: 'actor.tokenUrl', client: `actor: ${proofWords(given)}` },
    };
    // Control calls have a deadline of their own.
    const token = await requestToken(request, this.#deps, new AbortController().signal);
    this.#held = hold(token, this.#deps.clock.random);
    return this.#held;
  }
}
