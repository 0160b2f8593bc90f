import { connectionsAllowed } from '../../src/resilience/descriptors.js';

describe('connections that a limit of descriptors allows', () => {
  it.each([
    [1024, 384],
    [65_536, 32_640],
    [64, 24],
    [3, 1],
  ])('%i descriptors: %i, since each call holds two', (limit, connections) => {
    expect(connectionsAllowed(limit)).toBe(connections);
  });

  it('is read from this process', () => {
    const allowed = connectionsAllowed();
    expect(allowed).toBeGreaterThan(10);
    if (process.platform === 'linux') expect(Number.isFinite(allowed)).toBe(true);
  });
});
