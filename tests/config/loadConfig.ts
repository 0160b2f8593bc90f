import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { loadConfig } from '../../src/config/configManager.js';
import type { Flags } from '../../src/config/flags.js';
import type { Settings } from '../../src/config/settings.js';
import { ConfigError, type Fault } from '../../src/core/errors.js';
import { kinds } from '../../src/kinds.js';

/** A folder of files that a configuration is read from. */
export interface Scene {
  readonly files?: Readonly<Record<string, string | object>>;
  readonly flags?: Flags;
  readonly env?: Readonly<Record<string, string>>;
  /** Null: secret managers are not asked. */
  readonly secrets?: null;
}

/** The root of a scene, with `work` as working folder and `home` as the user's own; gone when the test file is done. */
export function sceneFolder(): { readonly root: string; readonly remove: () => void } {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'drawbridge-config-'));
  return { root, remove: () => fs.rmSync(root, { recursive: true, force: true }) };
}

/** Writes the files, relative to `work` unless they start with `home/`, and loads. */
export async function load(scene: Scene): Promise<Settings> {
  const { root, remove } = sceneFolder();
  try {
    return await loadFrom(root, scene);
  } finally {
    remove();
  }
}

/** The same from a folder that stays: paths are part of a configuration. */
export async function loadFrom(root: string, scene: Scene): Promise<Settings> {
  for (const folder of ['work', 'home']) fs.mkdirSync(path.join(root, folder), { recursive: true });
  for (const [name, content] of Object.entries(scene.files ?? {})) write(root, name, content);
  return await loadConfig({
    flags: scene.flags ?? {},
    env: scene.env ?? {},
    cwd: path.join(root, 'work'),
    home: path.join(root, 'home'),
    platform: 'linux',
    registry: kinds,
    ...(scene.secrets === null ? { secrets: null } : {}),
  });
}

/** The faults of a scene that must have some. */
export async function faultsOf(scene: Scene): Promise<readonly Fault[]> {
  const error = await load(scene).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConfigError)) throw error ?? new Error('the configuration has no fault');
  return error.faults;
}

/** `file:path`, as a fault is told. */
export function placesOf(faults: readonly Fault[]): string[] {
  return faults.map((fault) => `${fault.file}:${fault.path}`);
}

function write(root: string, name: string, content: string | object): void {
  const file = path.join(root, name.startsWith('home/') ? '' : 'work', name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content, null, 2));
}
