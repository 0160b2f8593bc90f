import path from 'node:path';
import { ConfigError } from '../../src/core/errors.js';
import { faultsOf, load } from './loadConfig.js';

const NAME = 'mcp-proxy-config.json';

/** A file whose one interesting string is a header's value. */
function withText(text: string): object {
  return { destinations: { api: { kind: 'http', url: 'https://a.example.com/', headers: { x: text } } } };
}

async function resolve(
  text: string,
  env: Record<string, string> = {},
  files: Record<string, string> = {},
): Promise<unknown> {
  const flags = files['e.env'] === undefined ? {} : { envFile: 'e.env' };
  const settings = await load({ files: { [NAME]: withText(text), ...files }, env, flags });
  const { x } = (settings.destinations.get('api')?.options.headers ?? {}) as { x?: unknown };
  return x;
}

async function problem(text: string, env: Record<string, string> = {}, files: Record<string, string> = {}) {
  const flags = files['e.env'] === undefined ? {} : { envFile: 'e.env' };
  const faults = await faultsOf({ files: { [NAME]: withText(text), ...files }, env, flags });
  expect(faults.map(({ file, path, line }) => [file, path, line])).toEqual([[NAME, 'destinations.api.headers.x', 7]]);
  return `${faults[0]?.message} (${faults[0]?.hint})`;
}

describe('a reference', () => {
  it('is resolved by the environment, then the env file, then its default', async () => {
    const files = { 'e.env': '# What a shell reads.\nexport A=file\nB="b \\n"\nEMPTY=\n' };
    expect(await resolve(`<\${A}>`, { A: 'process' }, files)).toBe('<process>');
    expect(await resolve(`\${A}-\${A}`, {}, files)).toBe('file-file');
    expect(await resolve(`\${A}`, { A: '' }, files)).toBe('file');
    expect(await resolve(`\${C:-a:-b}`, {}, files)).toBe('a:-b');
    expect(await resolve(`\${C:-}`)).toBe('');
    expect(await resolve(`\${EMPTY:-default}`, {}, files)).toBe('default');
    expect(await resolve(`\${EMPTY}`, {}, files)).toBe('');
    expect(await resolve(`\${env:A}`, { A: 'as VS Code writes it' })).toBe('as VS Code writes it');
  });

  it('is escaped by a second dollar sign', async () => {
    expect(await resolve(`$\${A} $ {A} $A`)).toBe(`\${A} $ {A} $A`);
  });

  it('is not looked for in what it brought', async () => {
    expect(await resolve(`\${A}`, { A: `\${B}`, B: 'b' })).toBe(`\${B}`);
  });

  it('reads a file relative to its own, without the last newline', async () => {
    expect(await resolve(`\${file:secrets/x}`, {}, { 'secrets/x': 'last\r\n' })).toBe('last');
  });

  it('that leads nowhere says where it looked, and no value', async () => {
    expect(await problem(`\${NOPE}`)).toBe(
      `\${NOPE} is not set: looked in the environment (Set it, give a default as in \${NOPE:-…}, or name an --env-file.)`,
    );
    expect(await problem(`\${SECERT}`, {}, { 'e.env': 'SECRET=hunter2' })).toBe(
      `\${SECERT} is not set: looked in the environment and e.env (did you mean "SECRET"?)`,
    );
    expect(await problem(`\${vault:kv/x}`)).toMatch(/^\$\{vault:…} names no secret manager/);
    expect(await problem(`\${file:none}`)).toMatch(/none doesn't exist/);
    expect(await problem(`\${open`)).toMatch(/without its closing brace/);
    expect(await problem(`\${A:-\${B}}`)).toMatch(/inside a reference/);
    expect(await problem(`\${}`)).toMatch(/without a variable name/);
  });

  it('is refused a file of more than 1 MiB', async () => {
    expect(await problem(`\${file:big}`, {}, { big: 'x'.repeat(1024 * 1024 + 1) })).toMatch(/larger than 1 MiB/);
  });

  it('is not resolved in keys', async () => {
    const settings = await load({
      files: { [NAME]: { destinations: {}, telemetry: { logLevel: `\${LEVEL}` } } },
      env: { LEVEL: 'warn' },
    });
    expect(settings.telemetry.logLevel).toBe('warn');
  });

  it('makes a number and a flag of text', async () => {
    const file = { server: { port: `\${PORT}` }, resilience: { retry: { unsafe: `\${UNSAFE}` } } };
    const settings = await load({ files: { [NAME]: file }, env: { PORT: '8080', UNSAFE: 'true' } });
    expect(settings.server.port).toBe(8080);
    expect(settings.resilience.retry.unsafe).toBe(true);
  });
});

describe('an env file', () => {
  it('that is missing is a fault of who names it', async () => {
    const faults = await faultsOf({ files: { [NAME]: withText('x') }, flags: { envFile: 'none.env' } });
    expect(faults.map(({ file, path }) => `${file}:${path}`)).toEqual(['flags:--env-file']);
  });

  it('can be named by the old flat key, relative to that file', async () => {
    const file = { ...withText(`\${A}`), envFile: `./\${WHICH}.env` };
    const files = { 'conf/c.json': file, 'conf/prod.env': 'A=found' };
    const settings = await load({ files, flags: { config: 'conf/c.json' }, env: { WHICH: 'prod' } });
    expect(settings.destinations.get('api')?.options.headers).toEqual({ x: 'found' });
    expect(settings.files.slice(0, 2).map((file) => path.basename(file))).toEqual(['c.json', 'prod.env']);
  });
});

it('keeps a secret out of every fault', async () => {
  const canary = 'canary-7f3a';
  const file = {
    server: { port: `\${S}`, host: `\${S}`, publicUrl: `\${S}`, allowedHosts: [`\${S}/`], trustedProxies: [`\${S}`] },
    destinations: { api: { kind: 'http', url: `\${S}` } },
    credentials: { c: { kind: 'static', token: `\${S}\n`, origins: ['https://a.example.com'] } },
  };
  const env = { S: canary };
  const error = await load({ files: { [NAME]: file }, env, flags: { header: [canary] } }).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConfigError);
  expect(JSON.stringify((error as ConfigError).faults) + String(error)).not.toContain(canary);
});
