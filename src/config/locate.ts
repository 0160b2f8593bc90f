import fs from 'node:fs';
import path from 'node:path';
import type { Environment } from './environment.js';

/** What the machine is, handed in so that a test can be any of them. */
export interface Machine {
  readonly env: Environment;
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
}

const STEM = 'mcp-proxy-config';
const EXTENSIONS = ['.json', '.jsonc', '.yaml', '.yml'];

/**
 * Where a configuration is looked for when none is named, best first: here, then in the user's own folder. Never here for
 * a program that an editor starts in whatever folder is open: what lies there may be anybody's.
 */
export function configCandidates(machine: Machine, notHere = false): string[] {
  const { join } = pathsOf(machine);
  return [...(notHere ? [] : [machine.cwd]), userFolder(machine)].flatMap((folder) =>
    EXTENSIONS.map((extension) => join(folder, STEM + extension)),
  );
}

/** The first of them that exists. */
export function findConfig(machine: Machine, notHere = false): string | undefined {
  return configCandidates(machine, notHere).find((file) => fs.existsSync(file));
}

/** Where mcp-abap-adt-proxy keeps service keys: in the first folder of AUTH_BROKER_PATH, else in its usual place. */
export function serviceKeyFolder(machine: Machine): string {
  const { join, basename, resolve } = pathsOf(machine);
  const base = splitPaths(machine.env.AUTH_BROKER_PATH ?? '')[0];
  const usual = machine.platform === 'win32' ? ['Documents', 'mcp-abap-adt'] : ['.config', 'mcp-abap-adt'];
  const folder = base ? resolve(machine.cwd, base) : join(profile(machine), ...usual);
  return basename(folder) === 'service-keys' ? folder : join(folder, 'service-keys');
}

/** Folders separated by `:` or `;`; the colon of a drive separates nothing. */
function splitPaths(text: string): string[] {
  return text
    .split(/;|(?<!(?:^|[;:])[A-Za-z]):|:(?![\\/])/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** The user's own folder for what is Drawbridge's. */
export function userFolder(machine: Machine): string {
  const { join } = pathsOf(machine);
  if (machine.platform === 'win32')
    return join(machine.env.APPDATA || join(machine.home, 'AppData', 'Roaming'), 'mcp-drawbridge');
  return join(machine.env.XDG_CONFIG_HOME || join(machine.home, '.config'), 'mcp-drawbridge');
}

function profile({ env, home, platform }: Machine): string {
  return (platform === 'win32' && env.USERPROFILE) || home;
}

function pathsOf({ platform }: Machine): path.PlatformPath {
  return platform === 'win32' ? path.win32 : path.posix;
}
