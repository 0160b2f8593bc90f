import { setTimeout as wait } from 'node:timers/promises';
import { createMemoryStore } from '../../src/stores/memory.js';

const LONG = 60_000;

describe('the memory store', () => {
  it('keeps values as they are, uncopied', () => {
    const store = createMemoryStore();
    const value = { token: 'x' };
    store.set('key', value, LONG);
    expect(store.get('key')).toBe(value);
    store.close();
  });

  it('refuses new keys when it is full, says so once, and still writes those that it holds', () => {
    const told: number[] = [];
    const store = createMemoryStore({ maxKeys: 2, onFull: (maxKeys) => told.push(maxKeys) });
    store.set('a', 1, LONG);
    store.set('b', 1, LONG);
    store.set('c', 1, LONG);
    store.set('d', 1, LONG);
    store.set('a', 2, LONG);
    expect([store.get('a'), store.get('b'), store.get('c'), store.get('d')]).toEqual([2, 1, undefined, undefined]);
    expect(told).toEqual([2]);
    store.close();
  });

  it('lets go of what has expired before it refuses', async () => {
    const store = createMemoryStore({ maxKeys: 1 });
    store.set('old', 1, 5);
    await wait(20);
    store.set('new', 1, LONG);
    expect(store.get('new')).toBe(1);
    store.close();
  });

  it('counts lives in milliseconds, not in seconds', async () => {
    const store = createMemoryStore();
    store.set('key', 1, 400);
    await wait(40);
    expect(store.get('key')).toBe(1);
    store.close();
  });

  it('holds nothing once it is closed', () => {
    const store = createMemoryStore();
    store.set('key', 1, LONG);
    store.close();
    expect(store.get('key')).toBeUndefined();
  });
});
