import type { Reply } from '../../src/contracts.js';
import { cacheBench, jsonReply, result } from './resultCacheWorld.js';

const CALLS = 30_000;

/** The same numbers every time. */
class Dice {
  #seed = 20261121;

  pick<Item>(items: readonly Item[]): Item {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return items[Math.floor((this.#seed / 2 ** 32) * items.length)] as Item;
  }
}

/** Who asks what. Names are chosen so that careless keys would meet. */
function randomAsk(dice: Dice) {
  const subject = dice.pick(['corp:ann', 'corp:bob', 'keys:ann', '', undefined]);
  const tenant = dice.pick(['a', 'b', 'corp:ann', undefined]);
  const owner = subject === undefined ? undefined : { subject, ...(tenant === undefined ? {} : { tenant }) };
  return { owner, destination: dice.pick(['ai', 'files', 'own']), cursor: dice.pick(['1', '2', '3']) };
}

type Asked = ReturnType<typeof randomAsk>;

/** What the upstream marks its answer with: for whom it was. */
function marksOf({ owner, destination, cursor }: Asked) {
  return { who: JSON.stringify(owner ?? null), group: owner?.tenant ?? null, destination, cursor };
}

/** Whether an answer with these marks may be shown to who asks. */
function mayGet(asked: Asked, got: Record<string, unknown>): boolean {
  const mine = marksOf(asked);
  const shared = got.cacheScope === 'public' && asked.destination !== 'own' && got.group === mine.group;
  return (got.who === mine.who || shared) && got.destination === mine.destination && got.cursor === mine.cursor;
}

describe('the result cache, over random callers', () => {
  it(`never lets an entry cross: ${CALLS} calls of random principals, tenants, destinations and interleavings`, async () => {
    const { ask, clock, recall } = cacheBench({ maxEntries: 100 }, ({ destination }) => destination === 'own');
    const dice = new Dice();
    const crossed: string[] = [];
    let hits = 0;

    async function call(id: number): Promise<void> {
      const asked = randomAsk(dice);
      const { owner, destination, cursor } = asked;
      const answer = () => {
        const marks = {
          ...marksOf(asked),
          cacheScope: dice.pick(['private', 'public']),
          ttlMs: dice.pick([1, 50, 500]),
        };
        const reply = jsonReply(result(marks, id));
        return dice.pick([true, false]) ? reply : new Promise<Reply>((resolve) => setImmediate(resolve, reply));
      };
      const question = { id, destination, params: { cursor }, ...(owner ? { principal: owner } : {}) };
      const { origin, text } = await ask(question, answer);
      const got = JSON.parse(text);
      if (origin === 'cache') hits += 1;
      if (got.id !== id || !mayGet(asked, got.result)) crossed.push(text);
    }

    const waiting: Promise<void>[] = [];
    for (let id = 0; id < CALLS; id++) {
      waiting.push(call(id));
      clock.time += dice.pick([0, 0, 1]);
      if (id % 500 === 0) recall.sees('ai', Buffer.from('list_changed"'));
      if (waiting.length > 20) await waiting.splice(0, 10)[0];
    }
    await Promise.all(waiting);
    expect(crossed).toEqual([]);
    expect(hits).toBeGreaterThan(CALLS / 10);
  });
});
