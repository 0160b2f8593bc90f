import { Seal } from '../../src/core/seal.js';

const SECRET = 'a secret that several replicas share';

describe('a seal', () => {
  it('opens what it closed, for whom it was closed', () => {
    const seal = new Seal();
    expect(seal.open(seal.close('state', 'anna'), 'anna')).toBe('state');
  });

  it('stays shut for anybody else', () => {
    const seal = new Seal();
    expect(seal.open(seal.close('state', 'anna'), 'bert')).toBeUndefined();
  });

  it('is the same for whoever has the secret', () => {
    const sealed = new Seal(SECRET).close('state', 'anna');
    expect(new Seal(SECRET).open(sealed, 'anna')).toBe('state');
    expect(new Seal(`${SECRET}!`).open(sealed, 'anna')).toBeUndefined();
    expect(new Seal().open(sealed, 'anna')).toBeUndefined();
  });

  it('says nothing of what is inside, nor twice the same', () => {
    const seal = new Seal(SECRET);
    const sealed = seal.close('state', 'anna');
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('state');
    expect(seal.close('state', 'anna')).not.toBe(sealed);
  });

  it.each(['', 'x', 'not base64!', 'A'.repeat(37), 'A'.repeat(10_000)])('refuses what it never made: %.20s', (text) => {
    expect(new Seal(SECRET).open(text, 'anna')).toBeUndefined();
  });

  it('refuses every other spelling and every changed bit', () => {
    const seal = new Seal(SECRET);
    const sealed = seal.close('state', 'anna');
    expect(seal.open(`${sealed}=`, 'anna')).toBeUndefined();
    expect(seal.open(`${sealed} `, 'anna')).toBeUndefined();
    const bytes = Buffer.from(sealed, 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 1;
      expect(seal.open(changed.toString('base64url'), 'anna')).toBeUndefined();
    }
  });
});
