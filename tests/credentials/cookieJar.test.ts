import { CookieJar } from '../../src/credentials/cookieJar.js';

const NOW = Date.UTC(2026, 10, 20);

function jarOf(...lines: string[]): CookieJar {
  const jar = new CookieJar();
  jar.take(lines, NOW);
  return jar;
}

describe('a cookie jar', () => {
  it.each<[string, string[], string]>([
    ['names and values', ['a=1; Path=/; HttpOnly', 'b="x="'], 'a=1; b="x="'],
    ['the latest of a name', ['a=1', 'a=2'], 'a=2'],
    ['an empty value', ['a='], 'a='],
    ['none that has ended', ['a=1', 'b=2', 'a=; Max-Age=0', 'b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT'], ''],
    ['Max-Age before Expires', ['a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9'], 'a=1'],
    ['none that a header cannot carry', ['a=1\r\nHost: x', 'b c=1', '=1', 'c', 'd=\u00e9'], ''],
    ['none that is too long', [`a=${'x'.repeat(5000)}`], ''],
  ])('keeps %s', (_name, lines, header) => {
    expect(jarOf(...lines).header).toBe(header);
  });

  it('ends with the first of its cookies', () => {
    expect(jarOf('a=1', 'b=1; Max-Age=60', 'c=1; Expires=Fri, 20 Nov 2026 01:00:00 GMT').expiresAt).toBe(NOW + 60_000);
    expect(jarOf('c=1; Expires=Fri, 20 Nov 2026 01:00:00 GMT').expiresAt).toBe(NOW + 3_600_000);
    expect(jarOf('a=1').expiresAt).toBe(Number.POSITIVE_INFINITY);
  });

  it('has room for so many, and no more', () => {
    const jar = jarOf(...Array.from({ length: 100 }, (_, index) => `c${index}=1`), 'c0=2');
    expect(jar.header.split('; ')).toHaveLength(30);
    expect(jar.header).toMatch(/^c0=2; /);
  });
});
