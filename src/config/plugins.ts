import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import * as z from 'zod';
import type { AnyKind } from '../contracts.js';

/** A module that is no kind, or can't be loaded. */
export class PluginError extends Error {}

type Load = () => Promise<{ readonly default: unknown }>;

/** Kinds of one extension point, by name. */
export type Point<Contract, Deps> = Readonly<
  Record<string, () => Promise<{ readonly default: AnyKind<Contract, Deps> }>>
>;

/**
 * The kind that a configuration names: one of this house's; a module, by a path from the folder of the configuration or a whole one; or
 * a package that is installed there. Rejects with a PluginError.
 */
export async function loadKind<Contract, Deps>(
  point: Point<Contract, Deps>,
  kind: string,
  baseDir: string,
): Promise<AnyKind<Contract, Deps>> {
  const own = Object.hasOwn(point, kind) ? point[kind] : undefined;
  if (own) return (await own()).default;
  const file = isPath(kind) ? path.resolve(baseDir, kind) : packageFile(kind, baseDir);
  return kindOf<Contract, Deps>(kind, await load(kind, () => import(pathToFileURL(file).href)));
}

function isPath(kind: string): boolean {
  return /^\.{1,2}[\\/]/.test(kind) || path.isAbsolute(kind);
}

function packageFile(kind: string, baseDir: string): string {
  try {
    return createRequire(path.join(baseDir, 'configuration')).resolve(kind);
  } catch {
    throw new PluginError(`kind "${kind}" is unknown, and no package of that name is installed in ${baseDir}`);
  }
}

async function load(kind: string, module: Load): Promise<unknown> {
  try {
    return (await module()).default;
  } catch (error) {
    throw new PluginError(`"${kind}" can't be loaded: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A plugin needs no schema where it has no options, and no zod of its own where it takes the one that it is given. */
function kindOf<Contract, Deps>(kind: string, made: unknown): AnyKind<Contract, Deps> {
  const given = made as { readonly options?: unknown; readonly create?: unknown } | undefined;
  if (typeof given?.create !== 'function')
    throw new PluginError(`"${kind}" has no default export with a create function`);
  const options = given.options ?? z.strictObject({});
  const schema: unknown = typeof options === 'function' ? options(z) : options;
  if (!isSchema(schema))
    throw new PluginError(`the options of "${kind}" are no schema of zod, and no function that makes one`);
  return { options: schema, create: given.create.bind(given) as AnyKind<Contract, Deps>['create'] };
}

function isSchema(value: unknown): value is z.ZodType {
  return typeof value === 'object' && value !== null && 'safeParse' in value && typeof value.safeParse === 'function';
}
