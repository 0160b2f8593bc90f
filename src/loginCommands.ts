import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { createApp } from './app.js';
import { Lasting } from './callers.js';
import type { Settings } from './config/settings.js';
import type { AuthToken, Clock, Handler, Signals, Vault } from './contracts.js';
import { ConfigError } from './core/errors.js';
import { METHOD_NOT_FOUND } from './core/jsonRpc.js';
import { type KeptLogin, readLogin } from './credentials/oauthDocument.js';
import { readKept } from './credentials/tokenMemory.js';
import { StdioDoor } from './edge/stdio.js';
import { date, printable, table } from './keysCommand.js';
import type { TellLogin } from './logins.js';
import { networkOfCredential } from './networks.js';
import { clientOptions, findLoginTarget, loginTarget, memoryOf } from './oauthMemory.js';
import { PastedAddresses } from './pastedAddresses.js';
import { assertOurs, type LoginSource, logIn, loginSource, logOut, tellingDevice } from './sourceLogins.js';
import { forOwner } from './stdio.js';
import { openVault, vaultWish } from './vaults.js';
import { createDispatchers } from './wire/dispatchers.js';
import { safeFetch } from './wire/safeFetch.js';

export type LoginAction = 'login' | 'logout' | 'status' | 'token';

type Output = { write(text: string): unknown; readonly isTTY?: boolean };

export interface LoginCommandDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly version: string;
  /** What was asked for, and nothing else, so that a script can take it as it is. */
  readonly stdout: Output;
  readonly stderr: Output;
  /** Of a terminal: where a browser is on another machine, the address that it ended at is pasted there. */
  readonly stdin?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
}

/** Longer than a person may take, so that it is said why it was in vain. Milliseconds. */
const LOGIN_WAIT_MS = 6 * 60_000;

/** `mcp-drawbridge login`: speaks with the server until it has let us in. Rejects with what stands in the way. */
export async function runLogin(settings: Settings, deps: LoginCommandDeps): Promise<void> {
  const terminal = new PastedAddresses(deps);
  const tellLogin: TellLogin = ({ href }, arrive) => {
    deps.stderr.write(`Log in here, if no browser opens by itself:\n\n  ${href}\n\n`);
    terminal.ask(arrive);
  };
  const login = { ...settings.login, waitMs: LOGIN_WAIT_MS };
  const lasting = new Lasting(deps);
  // The same one, so that a login is told that no disk would take.
  const vault = await lasting.kept.take(vaultWish(settings), () => openVault(settings, deps));
  const signals = tellingDevice(deps.signals, (text) => deps.stderr.write(text));
  const app = await openApp({ ...settings, login }, { ...deps, signals }, tellLogin, lasting);
  try {
    const own = loginSource(app, settings);
    if (own) return tellLoggedIn(own, await logIn(own, LOGIN_WAIT_MS), deps);
    await converse(app.doors.stdio as Handler, loginTarget(settings).destination, deps);
  } finally {
    terminal.close();
    await app.close();
  }
  const { server } = loginTarget(settings);
  const tokens = (await memoryOf(settings, vault.value).read()).tokens;
  await vault.release();
  if (!tokens) return void deps.stderr.write(`${server.href} asks nobody to log in.\n`);
  const issuer = tokens.issuer === undefined ? '' : ` at ${printable(tokens.issuer)}`;
  deps.stderr.write(`Logged in${issuer} for ${server.href}; ${endOf(tokens)}.\n`);
}

function tellLoggedIn({ name }: LoginSource, { expiresAt }: AuthToken, { stderr }: LoginCommandDeps): void {
  const until = Number.isFinite(expiresAt)
    ? `the token serves until ${date(expiresAt)}`
    : 'the token has no end that is known';
  stderr.write(`Logged in for the credential ${printable(name)}; ${until}.\n`);
}

function openApp(
  settings: Settings,
  { clock, signals, version }: LoginCommandDeps,
  tellLogin?: TellLogin,
  lasting = new Lasting({ clock, signals }),
) {
  const common = { clock, signals, version };
  return createApp(forOwner(settings), {
    ...common,
    lasting,
    draining: () => false,
    ...(tellLogin ? { tellLogin } : {}),
  });
}

/** Some servers ask for a login at the first word, some only when they are to show something. */
async function converse(handler: Handler, destination: string, { clock, version }: LoginCommandDeps): Promise<void> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const agent = `mcp-drawbridge/${version}`;
  const door = new StdioDoor({ handler, clock, target: `/mcp/${destination}`, agent, input, output });
  void door.serve();
  const answer = answers(output);
  const say = (message: object) => input.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const clientInfo = { name: 'mcp-drawbridge', version };
  try {
    say({ id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } });
    assertWell(await answer(1));
    say({ method: 'notifications/initialized' });
    say({ id: 2, method: 'tools/list' });
    assertWell(await answer(2));
  } finally {
    await door.close(0);
  }
}

interface Answer {
  readonly id?: unknown;
  readonly method?: string;
  readonly error?: { readonly code?: number; readonly message?: string; readonly data?: { readonly hint?: string } };
}

function answers(output: PassThrough): (id: number) => Promise<Answer> {
  let text = '';
  output.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  return async (id) => {
    for (;;) {
      const messages = text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Answer);
      const found = messages.find((message) => message.id === id && message.method === undefined);
      if (found) return found;
      await once(output, 'data');
    }
  };
}

/** A server without tools is a server that let us in. */
function assertWell({ error }: Answer): void {
  if (!error || error.code === METHOD_NOT_FOUND) return;
  throw new Error(
    [error.message, error.data?.hint]
      .filter(Boolean)
      .map((text) => printable(String(text)))
      .join('\n'),
  );
}

/** `mcp-drawbridge logout`. Forgets what is kept, whatever the authorization server says. */
export async function runLogout(settings: Settings, deps: LoginCommandDeps): Promise<void> {
  if (!findLoginTarget(settings)) return logOutOfSource(settings, deps);
  const { server, entry, credential } = loginTarget(settings);
  const vault = await openVault(settings, deps);
  const memory = memoryOf(settings, vault);
  const network = networkOfCredential(settings, credential, settings.destinations);
  const dispatchers = createDispatchers(settings.resilience.connectMs, network);
  try {
    await memory.alone(new AbortController().signal, async () => {
      const document = await memory.kept();
      const client = clientOptions(entry);
      const issuer = client.issuer ?? (await memory.knownIssuer());
      await memory.forgetIssuer();
      if (!document?.tokens) return void deps.stderr.write(`Nobody is logged in at ${server.href}.\n`);
      const { revoke } = await import('./credentials/oauthRevoke.js');
      const fetchFn = safeFetch(server, dispatchers);
      const said = await revoke({ server, document, client, issuer, fetchFn }).then(
        (revoked) => (revoked ? 'its tokens are revoked' : 'the authorization server takes no token back'),
        (error: unknown) => `its tokens could not be revoked: ${error instanceof Error ? error.message : error}`,
      );
      await memory.forget();
      deps.stderr.write(`Logged out at ${server.href}; ${printable(said)}.\n`);
    });
  } finally {
    await dispatchers.close();
    await vault.close();
  }
}

async function logOutOfSource(settings: Settings, deps: LoginCommandDeps): Promise<void> {
  const app = await openApp(settings, deps);
  try {
    const own = loginSource(app, settings);
    if (!own) return void loginTarget(settings);
    const { held, revoked, fault } = await logOut(own);
    if (!held) return void deps.stderr.write(`Nobody is logged in for the credential ${printable(own.name)}.\n`);
    const refused =
      fault === undefined
        ? 'the authorization server takes no token back'
        : `its tokens could not be revoked: ${fault}`;
    const said = revoked ? 'its tokens are revoked' : refused;
    deps.stderr.write(`Logged out of the credential ${printable(own.name)}; ${printable(said)}.\n`);
  } finally {
    await app.close();
  }
}

/** `mcp-drawbridge status`. `only`: the credentials of a configuration. */
export async function runStatus(
  kept: Vault,
  { json, only }: { json: boolean; only?: ReadonlySet<string> },
  deps: LoginCommandDeps,
): Promise<void> {
  const logins = (await kept.list())
    .flatMap((each) => readLogin(each) ?? loginOf(readKept(each)) ?? [])
    .filter(({ credential }) => only?.has(credential) ?? true);
  const rows = logins.map(({ owner, credential, server, tokens }) => ({
    credential,
    server,
    owner: owner === null ? null : owner,
    scope: tokens.scope ?? null,
    obtainedAt: tokens.obtainedAt,
    expiresAt: tokens.expiresAt ?? null,
    refreshable: tokens.refresh_token !== undefined,
  }));
  if (json) return void deps.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  if (rows.length === 0) {
    return void deps.stderr.write('Nobody is logged in anywhere: mcp-drawbridge login <destination|url> does that.\n');
  }
  deps.stdout.write(table(HEAD, rows.map(cells)));
}

/** As the rows have it: from where the tokens are stands for the server. */
function loginOf(kept: ReturnType<typeof readKept>): KeptLogin | undefined {
  if (!kept) return undefined;
  const { owner, credential, place: server, tokens } = kept;
  const { value: access_token, refreshToken: refresh_token, ...rest } = tokens;
  return { owner, credential, server, tokens: { ...rest, access_token, token_type: 'bearer', refresh_token } };
}

const HEAD = ['CREDENTIAL', 'SERVER', 'WHOSE', 'SCOPE', 'OBTAINED', 'EXPIRES', 'REFRESHABLE'];

interface Row {
  readonly credential: string;
  readonly server: string;
  readonly owner: { readonly tenant: string | null; readonly subject: string } | null;
  readonly scope: string | null;
  readonly obtainedAt: number;
  readonly expiresAt: number | null;
  readonly refreshable: boolean;
}

function cells({ credential, server, owner, scope, obtainedAt, expiresAt, refreshable }: Row): string[] {
  const whose = owner === null ? '-' : [owner.tenant, owner.subject].filter(Boolean).join('/');
  const end = expiresAt === null ? '-' : date(expiresAt);
  return [credential, server, whose, scope || '-', date(obtainedAt), end, refreshable ? 'yes' : 'no'].map(printable);
}

function endOf({
  expiresAt,
  refresh_token: refresh,
}: {
  expiresAt?: number | undefined;
  refresh_token?: string | undefined;
}) {
  if (refresh !== undefined) return 'the token is renewed without you';
  return expiresAt === undefined ? 'the token has no end that is known' : `until ${date(expiresAt)}`;
}

/** `mcp-drawbridge token`: for scripts, and only where somebody meant it. */
export async function runToken(settings: Settings, yes: boolean, deps: LoginCommandDeps): Promise<void> {
  if (!yes && !deps.stdout.isTTY) {
    const hint = 'Say --yes where a script is to have it.';
    const message = 'a token is printed on a terminal only';
    throw new ConfigError([{ file: 'flags', path: '--yes', message, hint, severity: 'fault' }]);
  }
  const login = { ...settings.login, waitMs: 0, browser: 'none' } as const;
  const app = await openApp({ ...settings, login }, deps);
  try {
    const { url, credential = '' } = app.upstreams.get(settings.forced.destination ?? '') ?? {};
    const source = app.sources.get(credential);
    if (!source || !url) throw new Error('no credential is shown to this destination');
    assertOurs(source);
    const { value } = await source.acquire(AbortSignal.timeout(LOGIN_WAIT_MS), { owner: null, url, person: 'never' });
    if (value === '') throw new Error('nobody is logged in there: mcp-drawbridge login does that');
    deps.stdout.write(`${value}\n`);
  } finally {
    await app.close();
  }
}
