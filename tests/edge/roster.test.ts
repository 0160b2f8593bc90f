import { Roster } from '../../src/edge/roster.js';

describe('a roster', () => {
  it('holds what was added and not removed, whatever the order', () => {
    const roster = new Roster<{ place: number; name: string }>();
    const entries = ['a', 'b', 'c', 'd'].map((name) => ({ place: -1, name }));
    for (const entry of entries) roster.add(entry);
    const [a, b, , d] = entries as [(typeof entries)[0], (typeof entries)[0], unknown, (typeof entries)[0]];
    roster.remove(b);
    roster.remove(b);
    roster.remove(d);
    expect(roster.all().map(({ name }) => name)).toEqual(['a', 'c']);
    for (const entry of roster.all()) roster.remove(entry);
    roster.add(a);
    expect(roster.all()).toEqual([a]);
  });

  it('takes no notice of strangers', () => {
    const roster = new Roster<{ place: number }>();
    roster.add({ place: -1 });
    roster.remove({ place: 0 });
    expect(roster.all()).toHaveLength(1);
  });
});
