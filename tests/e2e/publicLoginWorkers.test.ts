import { type Answer, request } from '../helpers/calls.js';
import { Browser } from '../helpers/oauthLogin.js';
import { type PublicLoginWorld, startPublicLoginWorld } from './publicLoginWorld.js';

/** Whoever answers the browser isn't the one that waits for it. */
describe('people who log in where several processes serve', () => {
  let world: PublicLoginWorld;

  beforeAll(async () => {
    world = await startPublicLoginWorld(['one', 'two', 'three'], ['--persist', '--workers', '2']);
  }, 60_000);

  afterAll(() => world?.close());

  /** Each on a connection of its own: the next process in turn gets it. */
  const say = (url: string, init: RequestInit = {}): Promise<Answer> =>
    request(url, { ...init, headers: { ...init.headers, connection: 'close' } });

  it.each(['one', 'two', 'three'])(
    'come back to the process that waits for %s, whichever they reach',
    async (caller) => {
      const address = await world.address(caller);
      const origin = world.drawbridge.url;
      // With a step between, the parts of a login meet both processes in every order.
      if (caller === 'two') await say(`${origin}/health/live`);
      expect((await say(address.href)).text).toContain('<form method="post">');
      const onward = await say(address.href, { method: 'POST', headers: { origin } });
      const next = /content="0;url=([^"]+)"/.exec(onward.text)?.[1]?.replaceAll('&amp;', '&') ?? '';
      const cookie = onward.headers.get('set-cookie')?.split(';')[0] ?? '';
      expect(onward.headers.get('set-cookie')).toMatch(/; Path=\/; HttpOnly; SameSite=Lax; Max-Age=300$/);
      const said = await new Browser(caller).visit(new URL(next), `${origin}/oauth/callback`);
      const back = (headers: Record<string, string>) => say(`${origin}/oauth/callback?${said}`, { headers });
      expect([(await back({})).status, (await back({})).status]).toEqual([403, 403]);
      expect((await back({ cookie })).text).toContain('You are logged in');
      expect([(await back({ cookie })).status, (await back({ cookie })).status]).toEqual([400, 400]);
      const names = await Promise.all(Array.from({ length: 6 }, () => world.whoAmI(caller)));
      while (names.includes('LOGIN_REQUIRED'))
        names.splice(0, 6, ...(await Promise.all(names.map(() => world.whoAmI(caller)))));
      expect(names).toEqual(Array(6).fill(caller));
    },
  );
});
