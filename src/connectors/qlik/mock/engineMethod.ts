import { invalidParameters } from './engineError.js';
import type { EngineSession } from './engineSession.js';

type Kind = 'string' | 'number' | 'boolean' | 'object' | 'array';

/** What a method needs of the socket that it was called on. */
export interface Calling<Target> {
  readonly target: Target;
  readonly session: EngineSession;
  /** Lets a handle stand for something, and answers what the engine calls an object interface. */
  open(type: string, target: object, id?: string, genericType?: string): object;
  /** The handles of something that is gone are closed. */
  gone(target: object): void;
  /** What has a layout may have another one now: of this session, or of everybody who has the app open. */
  changed(everywhere?: boolean): void;
  readonly editable: boolean;
}

/** A method: what it takes, by position or by name as the schema says, and what it answers. */
export interface EngineMethod<Target> {
  /** `name: kind`; a `?` after the kind: may be left out. */
  readonly params: Readonly<Record<string, Kind | `${Kind}?`>>;
  run(args: Args, calling: Calling<Target>): object;
}

export type EngineMethods<Target> = Readonly<Record<string, EngineMethod<Target>>>;

/** The arguments of a call, each of the kind that the method declares. */
export class Args {
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(declared: EngineMethod<never>['params'], given: unknown) {
    const names = Object.keys(declared);
    const values = new Map<string, unknown>();
    const named = Array.isArray(given)
      ? given.map((value, index) => [names[index], value])
      : Object.entries(given ?? {});
    for (const [name, value] of named) {
      const kind = typeof name === 'string' && Object.hasOwn(declared, name) ? declared[name] : undefined;
      if (kind === undefined) throw invalidParameters(String(name ?? 'too many'));
      if (value !== undefined && value !== null) values.set(name, checked(name, value, kind));
    }
    const missing = names.find((name) => !declared[name]?.endsWith('?') && !values.has(name));
    if (missing !== undefined) throw invalidParameters(missing);
    this.#values = values;
  }

  text(name: string): string {
    return (this.#values.get(name) as string | undefined) ?? '';
  }

  number(name: string): number {
    return (this.#values.get(name) as number | undefined) ?? 0;
  }

  flag(name: string): boolean {
    return (this.#values.get(name) as boolean | undefined) ?? false;
  }

  object(name: string): Record<string, unknown> {
    return (this.#values.get(name) as Record<string, unknown> | undefined) ?? {};
  }

  list<Entry = unknown>(name: string): readonly Entry[] {
    return (this.#values.get(name) as readonly Entry[] | undefined) ?? [];
  }
}

function checked(name: string, value: unknown, kind: string): unknown {
  const actual = Array.isArray(value) ? 'array' : typeof value;
  if (actual !== kind.replace('?', '')) throw invalidParameters(name);
  return value;
}
