import { CredentialError } from '../../src/core/errors.js';
import { ProviderFailures } from '../../src/credentials/providerFailures.js';
import { createMemoryStore } from '../../src/stores/memory.js';

it('a clock that is set back an hour keeps no provider from being asked for an hour', () => {
  const time = { wall: 1_000_000, running: 0 };
  const clock = {
    now: () => time.wall,
    monotonic: () => time.running,
    random: () => 0.5,
    sleep: () => Promise.resolve(),
  };
  const store = createMemoryStore();
  const failures = new ProviderFailures(store, clock);
  failures.remember('jobs', new CredentialError('it is down', 'Wait.'));
  expect(failures.current('jobs')?.message).toBe('it is down');
  time.wall -= 3_600_000;
  time.running += 60_000;
  expect(failures.current('jobs')).toBeUndefined();
  store.close();
});
