import { CredentialError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { headerName, headerValue } from '../core/schema.js';
import { type Json, life, sayable } from './tokenAnswer.js';

/** What has no end of its own is asked for again, so that a change in the cockpit is heard. Milliseconds. */
const DEFAULT_LIFE = 5 * 60_000;

/** Authentication types whose token stands for a person. */
const OF_A_USER: ReadonlySet<string> = new Set([
  'OAuth2UserTokenExchange',
  'OAuth2JWTBearer',
  'OAuth2SAMLBearerAssertion',
  'OAuth2AuthorizationCode',
  'SAMLAssertion',
  'PrincipalPropagation',
]);

/** Options of a destination whose values no message may repeat. */
const SECRET_OPTION = /password|secret|token(?!service)|key/i;

/** What is shorter stands in half of all messages, and guards nothing. */
const SHORTEST_SECRET = 4;

/** Header lines, and how long they serve. */
export interface Shown {
  readonly headers: readonly string[];
  /** Milliseconds. */
  readonly lifeMs: number;
}

/** A destination as the Destination service describes it. */
export class BtpDestination {
  readonly #name: string;
  readonly #configuration: Json;
  readonly #tokens: readonly Json[];
  readonly #secrets: readonly string[];

  private constructor(name: string, configuration: Json, tokens: readonly Json[], secrets: readonly string[]) {
    this.#name = name;
    this.#configuration = configuration;
    this.#tokens = tokens;
    this.#secrets = [...secrets, ...secretsOf(configuration)];
  }

  /** Undefined where an answer describes none. */
  static of(name: string, body: Json | undefined, secrets: readonly string[]): BtpDestination | undefined {
    const configuration = body?.destinationConfiguration;
    if (!isObject(configuration)) return undefined;
    const tokens = Array.isArray(body?.authTokens) ? body.authTokens.filter(isObject) : [];
    return new BtpDestination(name, configuration, tokens, secrets);
  }

  /**
   * Where it leads, with the query that it adds.
   * @throws CredentialError where that is no place that we can reach
   */
  get url(): URL {
    this.#assertReachable();
    const text = textOf(this.#configuration.URL)?.trim() ?? '';
    const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
    if (!url || url.username || url.password) {
      return this.#fail(
        'has no URL of http or https, without user and password',
        'Correct its URL in the BTP cockpit.',
      );
    }
    for (const [name, value] of this.#properties('URL.queries.')) url.searchParams.set(name, value);
    return url;
  }

  /** @throws CredentialError where it gives nothing to show, in the service's own words where it has some */
  shown(now: number): Shown {
    this.#assertReachable();
    const { headers, lifeMs } = this.#token(now) ?? this.#withoutToken();
    const names = new Set(headers.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()));
    const more = this.#properties('URL.headers.').filter(([name]) => !names.has(name.toLowerCase()));
    return { headers: [...headers, ...more.flatMap(([name, value]) => this.#line(name, value))], lifeMs };
  }

  get #authentication(): string {
    return textOf(this.#configuration.Authentication) ?? 'NoAuthentication';
  }

  #assertReachable(): void {
    const { Type: type, ProxyType: proxy } = this.#configuration;
    if (textOf(type) !== undefined && type !== 'HTTP')
      this.#fail(`is of the type ${sayable(String(type), [])}`, 'Only destinations of the type HTTP can be called.');
    if (proxy === 'OnPremise') {
      this.#fail(
        'is on premise (ProxyType OnPremise): it is reached through a Cloud Connector, which this version does not do',
        'Name a destination with ProxyType Internet, or PrivateLink where this process runs inside BTP.',
      );
    }
  }

  /** A failure stands inside an answer that is a success otherwise. */
  #token(now: number): Shown | undefined {
    if (this.#tokens.length === 0) return undefined;
    const good = this.#tokens.find((token) => textOf(token.error) === undefined && textOf(token.value) !== undefined);
    if (!good) return this.#failToken();
    const value = String(good.value);
    const header = isObject(good.http_header) ? good.http_header : {};
    const line = this.#line(
      textOf(header.key) ?? 'Authorization',
      textOf(header.value) ?? `${textOf(good.type) ?? 'Bearer'} ${value}`,
    );
    const endless = /^basic$/i.test(String(good.type)) && good.expires_in === undefined;
    return { headers: line, lifeMs: endless ? DEFAULT_LIFE : life(good.expires_in, value, now) };
  }

  #failToken(): never {
    const said = this.#tokens.map(({ error }) => textOf(error)).find((error) => error !== undefined);
    const words = said === undefined ? 'it gave an empty one' : sayable(said, this.#secrets);
    return this.#fail(`gave no token (${this.#authentication}): ${words}`, this.#mendToken());
  }

  #mendToken(): string {
    return OF_A_USER.has(this.#authentication)
      ? `${this.#authentication} needs the token of a user, and none is at hand: set "for" to "caller" where callers come with tokens, or use OAuth2ClientCredentials.`
      : `Check the destination ${this.#name} in the BTP cockpit: its token service, client and secret.`;
  }

  #withoutToken(): Shown {
    const authentication = this.#authentication;
    if (authentication === 'NoAuthentication') return { headers: [], lifeMs: DEFAULT_LIFE };
    if (authentication === 'BasicAuthentication') return { headers: this.#basic(), lifeMs: DEFAULT_LIFE };
    if (authentication === 'ClientCertificateAuthentication') {
      return this.#fail(
        'proves itself by a client certificate, which a credential cannot show',
        'Use another authentication in the destination.',
      );
    }
    return this.#fail(`came without a token (${sayable(authentication, [])})`, this.#mendToken());
  }

  /** RFC 7617. */
  #basic(): string[] {
    const [user, password] = [textOf(this.#configuration.User), textOf(this.#configuration.Password)];
    if (user === undefined || password === undefined)
      return this.#fail('came without User and Password', 'Set both in the BTP cockpit.');
    return ['Authorization', `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`];
  }

  /** Further properties whose names begin so: what follows, and the value. */
  #properties(prefix: string): [string, string][] {
    return Object.entries(this.#configuration)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), textOf(value) ?? '']);
  }

  #line(name: string, value: string): [string, string] {
    if (headerName().safeParse(name).success && headerValue().safeParse(value).success) return [name, value];
    return this.#fail(
      'gives a header that cannot be sent',
      `Check its URL.headers in the BTP cockpit: ${sayable(name, this.#secrets)} must be a header's name, with one line of text.`,
    );
  }

  #fail(message: string, mend: string): never {
    throw new CredentialError(`the BTP destination ${this.#name} ${message}`, mend);
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function secretsOf(configuration: Json): string[] {
  return Object.entries(configuration)
    .filter(([name]) => SECRET_OPTION.test(name) || name.startsWith('URL.'))
    .flatMap(([, value]) => textOf(value) ?? [])
    .filter((value) => value.length >= SHORTEST_SECRET);
}
