import { Kept } from '../../src/core/kept.js';

function closable(log: string[], name: string) {
  log.push(`open ${name}`);
  return { name, close: () => log.push(`close ${name}`) };
}

describe('what is kept', () => {
  it('is made once for all who want the same, and closed with the last of them', async () => {
    const log: string[] = [];
    const kept = new Kept();
    const one = await kept.take(['upstream', 'a', { url: 'x' }], () => closable(log, 'first'));
    const two = await kept.take(['upstream', 'a', { url: 'x' }], () => closable(log, 'second'));
    expect(two.value).toBe(one.value);
    await one.release();
    expect(log).toEqual(['open first']);
    await two.release();
    expect(log).toEqual(['open first', 'close first']);
  });

  it('is another thing where anything about the wish differs', async () => {
    const log: string[] = [];
    const kept = new Kept();
    const one = await kept.take(['upstream', 'a', { url: 'x' }], () => closable(log, 'first'));
    const two = await kept.take(['upstream', 'a', { url: 'y' }], () => closable(log, 'second'));
    expect(two.value).not.toBe(one.value);
    await one.release();
    expect(log).toEqual(['open first', 'open second', 'close first']);
  });

  it('is made anew after it was closed', async () => {
    const log: string[] = [];
    const kept = new Kept();
    await (await kept.take(['a'], () => closable(log, 'first'))).release();
    await kept.take(['a'], () => closable(log, 'second'));
    expect(log).toEqual(['open first', 'close first', 'open second']);
  });

  it('is forgotten where it could not be made', async () => {
    const kept = new Kept();
    const failing = kept.take(['a'], () => Promise.reject(new Error('no port')));
    await expect(failing).rejects.toThrow('no port');
    await expect(kept.take(['a'], () => closable([], 'then'))).resolves.toBeDefined();
  });
});
