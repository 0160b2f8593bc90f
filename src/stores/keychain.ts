import { randomUUID } from 'node:crypto';

/** Why a keychain can't be used; never what it holds. */
export class KeychainError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KeychainError';
  }
}

/** The place where the system keeps its user's secrets. Each method rejects with a KeychainError. */
export interface Keychain {
  /** As people call it. */
  readonly name: string;
  /** Resolves with the text by which it is found again; on Windows the key is in it, for this user's eyes only. */
  keep(key: string): Promise<string>;
  find(place: string): Promise<string>;
}

export interface KeychainDeps {
  readonly platform: NodeJS.Platform;
  /** All of the environment that its program gets. */
  readonly env: Readonly<Record<string, string>>;
}

/** Whether a text names a place rather than being a key: no key has a colon in it. */
export function isPlace(text: string): boolean {
  return /^(?:secret-service|macos|dpapi):/.test(text);
}

/** The system's own, spoken to by the program that comes with it. No secret is on a command line. */
export function openKeychain({ platform, env }: KeychainDeps): Keychain {
  if (platform === 'darwin') return new MacKeychain(env);
  if (platform === 'win32') return new WindowsKeychain(env);
  return new SecretService(env);
}

const SERVICE = 'mcp-drawbridge';

/** GNOME Keyring, KWallet or KeePassXC, by libsecret's `secret-tool`. */
class SecretService implements Keychain {
  readonly name = 'the Secret Service';
  readonly #env: KeychainDeps['env'];

  constructor(env: KeychainDeps['env']) {
    this.#env = env;
  }

  /** A keyring that is locked asks for its password now, at the one moment when somebody wanted it to be used. */
  async keep(key: string): Promise<string> {
    const id = randomUUID();
    const label = '--label=mcp-drawbridge: the key of its logins';
    await run(['secret-tool', 'store', label, 'application', SERVICE, 'key', id], this.#env, key);
    return `secret-service:${id}`;
  }

  /** `search`, since `lookup` asks a person to unlock the keyring. */
  async find(place: string): Promise<string> {
    const args = ['search', 'application', SERVICE, 'key', idIn(place, 'secret-service')];
    const said = await run(['secret-tool', ...args], this.#env);
    const found = /^secret = (.*)$/m.exec(said)?.[1];
    if (found !== undefined) return found;
    throw new KeychainError(said.trim() === '' ? 'the key is not in it any more' : 'it is locked');
  }
}

/** The login keychain. `security -i` takes its commands from stdin, where no list of processes shows them. */
class MacKeychain implements Keychain {
  readonly name = 'the macOS keychain';
  readonly #env: KeychainDeps['env'];

  constructor(env: KeychainDeps['env']) {
    this.#env = env;
  }

  async keep(key: string): Promise<string> {
    const id = randomUUID();
    await run(['/usr/bin/security', '-i'], this.#env, `add-generic-password -U -s ${SERVICE} -a ${id} -w ${key}\n`);
    return `macos:${id}`;
  }

  async find(place: string): Promise<string> {
    const args = ['find-generic-password', '-s', SERVICE, '-a', idIn(place, 'macos'), '-w'];
    return (await run(['/usr/bin/security', ...args], this.#env)).trim();
  }
}

/** DPAPI: what this user sealed, this user alone opens, on this machine (CryptProtectData, scope CurrentUser). */
class WindowsKeychain implements Keychain {
  readonly name = 'the Windows data protection';
  readonly #env: KeychainDeps['env'];

  constructor(env: KeychainDeps['env']) {
    this.#env = env;
  }

  async keep(key: string): Promise<string> {
    return `dpapi:${await this.#convert('Protect', Buffer.from(key).toString('base64'))}`;
  }

  async find(place: string): Promise<string> {
    return Buffer.from(await this.#convert('Unprotect', idIn(place, 'dpapi')), 'base64').toString();
  }

  /** Base64 in, base64 out, both by pipes. */
  async #convert(method: 'Protect' | 'Unprotect', text: string): Promise<string> {
    const script = [
      "$ErrorActionPreference = 'Stop'",
      'Add-Type -AssemblyName System.Security',
      '$in = [Convert]::FromBase64String([Console]::In.ReadToEnd().Trim())',
      `$out = [Security.Cryptography.ProtectedData]::${method}($in, $null, 'CurrentUser')`,
      '[Console]::Out.Write([Convert]::ToBase64String($out))',
    ].join('; ');
    const args = ['-NoProfile', '-NonInteractive', '-Command', script];
    return (await run(['powershell.exe', ...args], this.#env, text)).trim();
  }
}

function idIn(place: string, kind: string): string {
  if (place.startsWith(`${kind}:`)) return place.slice(kind.length + 1).trim();
  throw new KeychainError('the key lies in the keychain of another system');
}

/** A program that asks somebody something takes longer; so does PowerShell on its first start of the day. */
const DEADLINE_MS = 15_000;
const MOST_SAID = 64 * 1024;

/** Resolves with what the program wrote. Its own words of an error may hold anything, so nobody repeats them. */
async function run(
  [program, ...args]: readonly [string, ...string[]],
  env: KeychainDeps['env'],
  input = '',
): Promise<string> {
  // Few starts ask a keychain, and every start would pay.
  const { spawn } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
      windowsHide: true,
    });
    // A deadline of spawn's own outlives a program that isn't there, and keeps the process from ending.
    const late = setTimeout(() => child.kill(), DEADLINE_MS);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(0, MOST_SAID);
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', (error: NodeJS.ErrnoException) => reject(new KeychainError(`${program}: ${error.code}`)));
    child.on('close', (code, signal) => {
      clearTimeout(late);
      if (code === 0) return resolve(said);
      reject(new KeychainError(signal ? `${program} did not answer in time` : `${program} failed (${code})`));
    });
  });
}
