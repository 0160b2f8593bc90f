import { Steps } from '../../src/credentials/steps.js';

const OBTAINED_AT = 1_000_000;

it('tokens that are refused at once are obtained anew three times a minute', () => {
  const steps = new Steps();
  for (let time = 0; time < 3; time += 1) steps.take('key', OBTAINED_AT + 5, OBTAINED_AT);
  expect(() => steps.take('key', OBTAINED_AT + 5, OBTAINED_AT)).toThrow('refuses every token');
});

it('a server that revokes a token every fifteen seconds is never left without one', () => {
  const steps = new Steps();
  const revoke = (at: number) => steps.take('key', at, at - 15_000);
  for (let time = 0; time < 10; time += 1) expect(() => revoke(OBTAINED_AT + time * 15_000)).not.toThrow();
});
