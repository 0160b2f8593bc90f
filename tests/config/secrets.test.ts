import fs from 'node:fs';
import { loadConfig } from '../../src/config/configManager.js';
import { systemClock } from '../../src/core/async.js';
import { ConfigError } from '../../src/core/errors.js';
import { kinds } from '../../src/kinds.js';
import { SecretKeeper } from '../../src/secrets/keeper.js';
import { type FakeVault, startVault } from '../helpers/fakeManagers.js';
import { faultsOf, load, placesOf } from './loadConfig.js';

const NAME = 'mcp-proxy-config.json';

describe('references to secret managers', () => {
  let vault: FakeVault;

  beforeEach(async () => {
    vault = await startVault();
    vault.secrets.set('secret/team/jobs', { key: 'from-the-vault', name: 'nowhere' });
    vault.secrets.set('secret/bootstrap', { token: 'second' });
  });
  afterEach(() => vault.close());

  const first = (more: object = {}) => ({ kind: 'hashicorp-vault', url: vault.url, token: 'root', ...more });
  const config = (text: string, secrets: object = { vault: first() }) => ({
    secrets,
    destinations: { api: { kind: 'http', url: 'https://a.example.com/', headers: { x: text } } },
  });
  const scene = (text: string, secrets?: object) => ({ files: { [NAME]: config(text, secrets) } });

  async function resolve(text: string, secrets?: object, env: Record<string, string> = {}): Promise<unknown> {
    const settings = await load({ ...scene(text, secrets), env });
    const { x } = (settings.destinations.get('api')?.options.headers ?? {}) as { x?: unknown };
    return x;
  }

  async function problem(text: string, secrets?: object): Promise<string> {
    const faults = await faultsOf(scene(text, secrets));
    expect(placesOf(faults)).toEqual([`${NAME}:destinations.api.headers.x`]);
    return `${faults[0]?.message} (${faults[0]?.hint})`;
  }

  it('stand anywhere in a text', async () => {
    expect(await resolve(`<\${vault:team/jobs#key}> $\${vault:x}`)).toBe(`<from-the-vault> \${vault:x}`);
  });

  it('are asked for as often as a secret has fields: once', async () => {
    await resolve(`\${vault:team/jobs#key}\${vault:team/jobs#name}\${vault:team/jobs#key}`);
    expect(vault.asked.filter(({ path }) => path.includes('/data/'))).toHaveLength(1);
  });

  it('may bring what another manager needs, as a variable may', async () => {
    vault.tokens.set('second', { ttl: 0, renewable: false });
    const secrets = { one: first({ token: `\${TOKEN}` }), two: first({ token: `\${one:bootstrap#token}` }) };
    expect(await resolve(`\${two:team/jobs#key}`, secrets, { TOKEN: 'root' })).toBe('from-the-vault');
    expect(vault.asked.at(-1)?.headers['x-vault-token']).toBe('second');
  });

  it('may not go in a circle', async () => {
    const secrets = { one: first({ token: `\${two:a#b}` }), two: first({ token: `\${one:a#b}` }) };
    const faults = await faultsOf(scene(`\${one:x#y}`, secrets));
    expect(faults.map(({ path, message }) => `${path} ${message}`)).toEqual([
      `secrets.one.token \${two:…} goes in a circle: two needs one needs two`,
      `secrets.two.token \${one:…} goes in a circle: one needs two needs one`,
      `destinations.api.headers.x \${one:…} goes in a circle: one needs two needs one`,
    ]);
    expect(vault.asked).toEqual([]);
  });

  it('name what is wrong, and what mends it', async () => {
    expect(await problem(`\${vautl:x}`)).toBe(`\${vautl:…} names no secret manager (did you mean "vault"?)`);
    expect(await problem(`\${aws:x}`, {})).toBe(
      `\${aws:…} names no secret manager (Define it in secrets: { "aws": … }.)`,
    );
    expect(await problem(`\${vault:team/jobs}`)).toBe(
      `\${vault:team/jobs}: the secret has fields (Say which one is meant: write its name behind a "#".)`,
    );
    expect(await problem(`\${vault:}`)).toMatch(/^\$\{vault:…} names no secret \(Write/);
    expect(await problem(`\${vault:nope#x}`)).toBe(
      `\${vault:nope#x}: Vault at ${vault.url} has no secret "nope" (Looked in the mount "secret", as version 2 of the key-value engine.)`,
    );
  });

  it('are all told where the manager is down, one by one', async () => {
    await vault.close();
    expect(await problem(`\${vault:team/jobs#key}`)).toMatch(
      /no answer from http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\) \(Is it running, and may this machine reach it\?\)$/,
    );
  });

  it('are not told twice where the manager itself has a fault', async () => {
    const faults = await faultsOf(scene(`\${vault:a#b}`, { vault: { kind: 'hashicorp-vault', url: vault.url } }));
    expect(faults.map(({ path, hint }) => [path, hint])).toEqual([
      ['secrets.vault', undefined],
      ['destinations.api.headers.x', 'Mend secrets.vault.'],
    ]);
    const names = await faultsOf(scene('x', { file: first(), '1': first(), vault: { kind: 'hashicorp' } }));
    expect(placesOf(names)).toEqual([`${NAME}:secrets.1`, `${NAME}:secrets.file`, `${NAME}:secrets.vault.kind`]);
  });

  it('are not asked for over plain http on another machine', async () => {
    const faults = await faultsOf(scene(`\${vault:a#b}`, { vault: first({ url: 'http://vault.example.com' }) }));
    expect(faults.map(({ path, message }) => `${path} ${message}`)).toEqual([
      'secrets.vault.url a credential would travel to http://vault.example.com unencrypted',
      `destinations.api.headers.x \${vault:…} needs a secret manager that has a fault`,
    ]);
  });

  it('hide what they brought, in faults too', async () => {
    const settings = await load(scene(`\${vault:team/jobs#key}`));
    expect(settings.hidden.map((value) => value.reveal())).toEqual(['from-the-vault']);
    expect(JSON.stringify(settings.hidden)).not.toContain('from-the-vault');
    const faults = await faultsOf({
      files: { [NAME]: { ...config('x'), server: { defaultDestination: `\${vault:team/jobs#name}` } } },
    });
    expect(faults.map(({ message }) => message)).toEqual(['there is no destination "[redacted]"']);
  });

  it('are left alone where nobody may be asked', async () => {
    const file = {
      ...config(`\${vault:a#b}`, { vault: first({ token: `\${aws:x}` }), aws: { kind: 'aws-secrets-manager' } }),
    };
    const machine = { env: {}, cwd: '/', home: '/', platform: 'linux' as const };
    const folder = await fs.promises.mkdtemp('/tmp/secrets-');
    const named = `${folder}/${NAME}`;
    await fs.promises.writeFile(named, JSON.stringify(file));
    const settings = await loadConfig({ ...machine, flags: { config: named }, secrets: null });
    expect(settings.notices.map((notice) => notice.replace(/^.*json:/, ''))).toEqual([
      `secrets.vault.token, line 1: warning: \${aws:…} was not resolved (Say --resolve-secrets to ask for it.)`,
      `destinations.api.headers.x, line 1: warning: \${vault:…} was not resolved (Say --resolve-secrets to ask for it.)`,
    ]);
    await fs.promises.writeFile(named, JSON.stringify({ ...file, server: { port: `\${vault:a#b}` } }));
    const blind = await loadConfig({ ...machine, flags: { config: named }, secrets: null }).catch(
      (error: unknown) => error,
    );
    expect(blind).toBeInstanceOf(ConfigError);
    expect((blind as ConfigError).faults.map(({ severity }) => severity)).toEqual(['warning', 'warning', 'warning']);
    await fs.promises.rm(folder, { recursive: true });
    expect(vault.asked).toEqual([]);
  });

  it('keep the login of a manager from load to load, until its options change', async () => {
    const keeper = new SecretKeeper(systemClock);
    const appRole = { roleId: 'role', secretId: 'secret-id' };
    const folder = await fs.promises.mkdtemp('/tmp/secrets-');
    const named = `${folder}/${NAME}`;
    const loadWith = async (vaultOptions: object) => {
      const text = config(`\${vault:team/jobs#key}`, {
        vault: { kind: 'hashicorp-vault', url: vault.url, ...vaultOptions },
      });
      await fs.promises.writeFile(named, JSON.stringify(text));
      await loadConfig({ env: {}, cwd: '/', home: '/', platform: 'linux', flags: { config: named }, secrets: keeper });
    };
    const logins = () => vault.asked.filter(({ path }) => path.endsWith('/login')).length;
    await loadWith({ appRole });
    await loadWith({ appRole });
    expect(logins()).toBe(1);
    await loadWith({ appRole, refreshMs: 5_000 });
    expect(logins()).toBe(2);
    keeper.close();
    await fs.promises.rm(folder, { recursive: true });
  });
});

describe('the page on secrets', () => {
  const page = fs.readFileSync('docs/secrets.md', 'utf8');

  it('has examples that are whole configurations', async () => {
    const examples = [...page.matchAll(/^```json\n([\s\S]*?)^```/gm)].map(([, text]) => text ?? '');
    expect(examples).toHaveLength(1);
    for (const text of examples) {
      // The file of the secret that logs in isn't there; everything else must hold.
      const example = text.replace('/run/secrets/vault-secret-id', 'id');
      const { secrets } = await load({ files: { [NAME]: example, id: 'x' }, secrets: null });
      expect([...secrets.keys()]).toEqual(['vault']);
    }
  });

  it('names every kind', () => {
    for (const kind of Object.keys(kinds.secrets)) expect(page).toContain(`(kinds/${kind}.md)`);
  });
});
