import { createHash } from 'node:crypto';
import type { SecretManager } from '../contracts.js';
import { PARSED_ONCE } from '../core/schema.js';
import { pickField, splitReference } from '../secrets/field.js';
import type { SecretKeeper, SecretRound } from '../secrets/keeper.js';
import { SecretError } from '../secrets/secretError.js';
import { type Registry, toEntry } from './entries.js';
import { interpolate, type References, type Resolved } from './interpolate.js';
import { meant } from './issues.js';
import { checkUrls } from './plainHttp.js';
import { type Branch, isBranch, isLeaf, leafFaults, merge, prune, type Tree } from './tree.js';

export interface SecretSectionDeps {
  readonly registry: Registry;
  /** Null: references are left as they are, and it is told. */
  readonly secrets: { readonly keeper: SecretKeeper; readonly round: SecretRound } | null;
  /** Lets managers be asked over plain http on other machines. */
  readonly allowHttp: boolean;
}

interface Wish {
  readonly name: string;
  readonly digest: string;
  create(): SecretManager;
}

/** `${name:` in a text, as `interpolate` reads it. */
const NAMED = /\$\$\{|\$\{([A-Za-z][\w.-]*):/g;

/** The `secrets` of all files, as they would be merged, nothing in it resolved yet. */
export function secretsOf(documents: readonly Branch[]): Branch | undefined {
  const written = documents.flatMap((document) => document.entries.get('secrets') ?? []);
  const merged = written.reduce<Tree | undefined>((base, over) => merge(base, over), undefined);
  return isBranch(merged) ? prune(merged) : undefined;
}

/** The secret managers of a configuration, as far as its references go. Their options may hold references themselves. */
export class SecretSection {
  readonly #section: Branch | undefined;
  readonly #references: References;
  readonly #deps: SecretSectionDeps;
  readonly #wishes = new Map<string, Promise<Wish | undefined>>();
  /** Managers that are known to be on no circle. */
  readonly #straight = new Set<string>();

  constructor(section: Branch | undefined, references: Omit<References, 'secrets'>, deps: SecretSectionDeps) {
    this.#section = section;
    this.#references = { ...references, secrets: (name, rest) => this.resolve(name, rest) };
    this.#deps = deps;
  }

  /** All references, these among them. */
  get references(): References {
    return this.#references;
  }

  async resolve(name: string, rest: string): Promise<Resolved> {
    const known = [...(this.#section?.entries.keys() ?? [])];
    if (!known.includes(name)) {
      const list =
        known.length > 0 ? `Known: ${['file', ...known].join(', ')}.` : `Define it in secrets: { "${name}": … }.`;
      return { problem: `\${${name}:…} names no secret manager`, hint: meant(name, known) ?? list };
    }
    const circle = this.#circleFrom(name);
    if (circle) return { problem: `\${${name}:…} goes in a circle: ${circle.join(' needs ')}` };
    const { secrets } = this.#deps;
    if (!secrets) return { unresolved: `\${${name}:…} was not resolved`, hint: 'Say --resolve-secrets to ask for it.' };
    const wish = await this.#wish(name, this.#section?.entries.get(name), secrets.keeper);
    if (!wish)
      return { problem: `\${${name}:…} needs a secret manager that has a fault`, hint: `Mend secrets.${name}.` };
    return this.#read(wish, rest, secrets.round);
  }

  async #read(wish: Wish, rest: string, round: SecretRound): Promise<Resolved> {
    const { path, field } = splitReference(rest);
    if (path === '' || field === '') {
      return {
        problem: `\${${wish.name}:…} names no secret`,
        hint: `Write \${${wish.name}:path} or \${${wish.name}:path#field}.`,
      };
    }
    try {
      return { value: await round.read(wish, path, (held) => pickField(held, field)) };
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
      return { problem: `\${${wish.name}:${rest}}: ${error.message}`, hint: error.mend };
    }
  }

  #wish(name: string, entry: Tree | undefined, keeper: SecretKeeper): Promise<Wish | undefined> {
    const wish = this.#wishes.get(name) ?? this.#makeWish(name, entry, keeper);
    this.#wishes.set(name, wish);
    return wish;
  }

  /** Undefined for an entry with a fault, which is told at its own place. */
  async #makeWish(name: string, written: Tree | undefined, keeper: SecretKeeper): Promise<Wish | undefined> {
    const tree = written && (await interpolate(written, this.#references));
    if (!isBranch(tree) || leafFaults(tree).length > 0) return undefined;
    // Whoever listens on the way would see what the manager shows.
    if (!this.#deps.allowHttp && checkUrls(tree).length > 0) return undefined;
    const { kind, options } = toEntry(tree);
    const { secrets } = this.#deps.registry;
    const load = Object.hasOwn(secrets, kind) ? secrets[kind] : undefined;
    if (!load) return undefined;
    const { default: found } = await load();
    const parsed = found.options.safeParse(options, PARSED_ONCE);
    if (!parsed.success) return undefined;
    const digest = createHash('sha256')
      .update(JSON.stringify([name, kind, options]))
      .digest('base64url');
    const { clock, rest } = keeper;
    const deps = { clock, rest, env: this.#references.env };
    return { name, digest, create: () => found.create(parsed.data as never, deps as never) as SecretManager };
  }

  /** The names on the way back to one of them, where there is one. */
  #circleFrom(name: string, way: readonly string[] = []): readonly string[] | undefined {
    if (way.includes(name)) return [...way, name];
    if (this.#straight.has(name)) return undefined;
    const entry = this.#section?.entries.get(name);
    for (const next of entry ? namesIn(entry) : []) {
      const circle = this.#circleFrom(next, [...way, name]);
      if (circle) return circle;
    }
    this.#straight.add(name);
    return undefined;
  }
}

/** The managers that an entry's own options refer to. */
function namesIn(tree: Tree): ReadonlySet<string> {
  if (isLeaf(tree)) {
    const matches = typeof tree.value === 'string' ? [...tree.value.matchAll(NAMED)] : [];
    return new Set(matches.flatMap(([, name]) => name ?? []));
  }
  const below = isBranch(tree) ? [...tree.entries.values()] : tree.items;
  return new Set(below.flatMap((each) => [...namesIn(each)]));
}
