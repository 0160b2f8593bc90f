import { createHash, randomUUID } from 'node:crypto';
import type { SharedAnswers } from '../contracts/answers.js';
import type { Kind } from '../contracts.js';
import { Seal } from '../core/seal.js';
import { RedisLink, script } from './redisLink.js';
import { connect, REQUIRES, type RedisOptions, redisOptions } from './redisOptions.js';
import type { VaultDeps } from './redisVault.js';

/** What the answers of one destination are kept with; `name` is the store's. */
export interface AnswersDeps extends VaultDeps {
  readonly destination: string;
}

/** Of one command: an answer is larger than a count. Milliseconds. */
const DEADLINE_MS = 250;
/** A stamp that nobody has read for so long is forgotten, and with it what it vouches for. No answer is kept for longer. */
const STAMP_MS = 86_400_000;
/** UTF-16 units; a longer one isn't worth its way. */
const LONGEST = 1024 * 1024;
/** Answers that are being fetched; of more, some aren't kept. */
const MOST_ASKED = 1_000;
/** What is to be dropped once Redis is back; more than that, and all is. */
const MOST_OWED = 100;
/** Words at the beginning of a key by which it can be dropped. */
const WORDS = 3;
const EVERYTHING = '';

/**
 * Every topic has a stamp, and an answer counts only with the stamps that it was asked for under. To drop a topic is to
 * forget its stamp; the next one is another. Arguments: life of a stamp, a new one, the topics' keys. Returns the stamps,
 * and the answer or nothing.
 */
const READ = script(`
local stamps = {}
for i = 3, #ARGV do
  redis.call('SET', ARGV[i], ARGV[2], 'NX')
  redis.call('PEXPIRE', ARGV[i], ARGV[1])
  stamps[#stamps + 1] = redis.call('GET', ARGV[i])
end
local all = table.concat(stamps, ' ')
local kept = redis.call('HMGET', KEYS[1], 'stamps', 'sealed')
return { all, kept[1] == all and kept[2] or '' }`);

/** Arguments: life in milliseconds, stamps, the answer, the topics' keys. Only where no topic was dropped meanwhile. */
const WRITE = script(`
local stamps = {}
for i = 4, #ARGV do stamps[#stamps + 1] = redis.call('GET', ARGV[i]) or '' end
if table.concat(stamps, ' ') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'stamps', ARGV[2], 'sealed', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`);

const DROP = script(`return redis.call('DEL', KEYS[1])`);

/** A vendor's answers in Redis 5 or later, sealed with a key that Redis never sees, for all replicas of one destination. */
class RedisAnswers implements SharedAnswers {
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #seal: Seal;
  /** The stamps under which answers are being fetched, by key. */
  readonly #asked = new Map<string, string>();
  readonly #owed = new Set<string>();

  constructor(link: (back: () => void) => RedisLink, prefix: string, seal: Seal) {
    this.#prefix = prefix;
    this.#seal = seal;
    this.#link = link(() => this.#payOff());
  }

  get up(): boolean {
    return this.#link.up;
  }

  open(): Promise<void> {
    return this.#link.open();
  }

  async get(key: string): Promise<string | undefined> {
    const at = this.#keyOf('answer', key);
    const read = await this.#link.run(READ, at, [STAMP_MS, randomUUID(), ...this.#topicKeys(key)]);
    if (!Array.isArray(read)) return undefined;
    const [stamps, sealed] = read as [string, string];
    const answer = sealed === '' ? undefined : this.#seal.open(sealed, `${at} ${stamps}`);
    if (answer === undefined) this.#ask(key, stamps);
    return answer;
  }

  async set(key: string, answer: string, ttlMs: number): Promise<void> {
    const stamps = this.#asked.get(key);
    this.#asked.delete(key);
    if (stamps === undefined || !(ttlMs >= 1) || answer.length > LONGEST) return;
    const at = this.#keyOf('answer', key);
    const lifeMs = Math.min(Math.floor(ttlMs), STAMP_MS);
    const sealed = this.#seal.close(answer, `${at} ${stamps}`);
    await this.#link.run(WRITE, at, [lifeMs, stamps, sealed, ...this.#topicKeys(key)]);
  }

  async drop(prefix: string): Promise<void> {
    const topic = topicsOf(prefix).at(-1) ?? EVERYTHING;
    const done = await this.#link.run(DROP, this.#keyOf('topic', topic), []);
    if (done !== undefined) return;
    if (this.#owed.size < MOST_OWED) this.#owed.add(topic);
    else this.#owed.add(EVERYTHING);
  }

  close(): void {
    this.#link.close();
  }

  /** The oldest stamps count: an answer of theirs may be under way still. */
  #ask(key: string, stamps: string): void {
    if (this.#asked.has(key)) return;
    const [oldest] = this.#asked.keys();
    if (this.#asked.size >= MOST_ASKED && oldest !== undefined) this.#asked.delete(oldest);
    this.#asked.set(key, stamps);
  }

  /** Sent before anything else is asked of the new connection. */
  #payOff(): void {
    const owed = [...this.#owed];
    this.#owed.clear();
    for (const topic of owed) void this.drop(topic);
  }

  #topicKeys(key: string): readonly string[] {
    return topicsOf(key).map((topic) => this.#keyOf('topic', topic));
  }

  /** Of one length, and without a name in it. */
  #keyOf(what: 'answer' | 'topic', name: string): string {
    return `${this.#prefix}${what}:${createHash('sha256').update(name).digest('base64url')}`;
  }
}

/** `tenant apps a1 …` → everything, `tenant `, `tenant apps `, `tenant apps a1 `. */
function topicsOf(key: string): readonly string[] {
  const topics = [EVERYTHING];
  for (let end = key.indexOf(' '); end !== -1 && topics.length <= WORDS; end = key.indexOf(' ', end + 1)) {
    topics.push(key.slice(0, end + 1));
  }
  return topics;
}

const kind: Kind<SharedAnswers, RedisOptions, AnswersDeps> = {
  options: redisOptions,
  requires: REQUIRES,
  async create(given, deps) {
    if (!given.vaultKey) throw new TypeError('the configuration was not checked: there is no vaultKey');
    const client = await connect(given, DEADLINE_MS);
    const store = deps.name;
    const prefix = `${given.prefix}answers:${encodeURIComponent(deps.destination)}:`;
    const link = (back: () => void) =>
      new RedisLink(client, deps, [READ, WRITE, DROP], (run) => run(WRITE, `${prefix}proof`, [1000, '', 'proof']), {
        lost: (cause) => deps.signals.emit('answers.lost', { store, cause }),
        back: () => {
          back();
          deps.signals.emit('answers.back', { store });
        },
      });
    const answers = new RedisAnswers(link, prefix, new Seal(given.vaultKey.reveal()));
    await answers.open();
    return answers;
  },
};

export default kind;
