import { globs } from '../../src/core/glob.js';

describe('globs', () => {
  it.each([
    ['echo', 'echo', true],
    ['echo', 'echoes', false],
    ['get_*', 'get_app', true],
    ['get_*', 'forget_app', false],
    ['*_read', 'file_read', true],
    ['*', '', true],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['ab*ba', 'aba', false],
    ['a**b', 'ab', true],
    ['a.c', 'abc', false],
    ['a*b', 'a\nb', true],
  ])('%j against %j: %s', (pattern, name, matches) => {
    expect(globs([pattern])(name)).toBe(matches);
  });

  it('match where any does, and nothing where there are none', () => {
    expect(globs(['x', 'y*'])('yes')).toBe(true);
    expect(globs([])('x')).toBe(false);
  });

  it('take linear time: a long name against many stars is no way to hold up the process', () => {
    const name = `get_${'x'.repeat(4_000_000)}`;
    expect(globs(['get_*_x*_y*_z*_q'])(name)).toBe(false);
  });
});
