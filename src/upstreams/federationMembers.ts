import { globs } from '../core/glob.js';
import { Names } from './federationNames.js';
import { type FederationOptions, membersOf, prefixOf } from './federationOptions.js';
import { selected } from './toolSelection.js';

/** What uses a thing by name. */
export type NamedKind = 'tools' | 'prompts';

/** Who is in a federation, what their things are called, and which of them are shown. */
export class Members {
  /** In the order of the configuration. */
  readonly all: readonly string[];
  readonly names: Names;
  readonly #own: ReadonlyMap<string, ((tool: string) => boolean) | undefined>;
  readonly #shown: ((tool: string) => boolean) | undefined;

  constructor(options: FederationOptions) {
    const members = membersOf(options);
    const lead = (prefix: string) => (prefix === '' ? '' : prefix + options.separator);
    this.all = [...members.keys()];
    this.names = new Names(new Map([...members].map(([name, own]) => [name, lead(prefixOf(name, own))])));
    this.#own = new Map([...members].map(([name, own]) => [name, selected(own)]));
    this.#shown = selected(options);
  }

  has(member: string): boolean {
    return this.#own.has(member);
  }

  /** The only one there is: everything that can't be told apart is its. */
  get only(): string | undefined {
    return this.all.length === 1 ? this.all[0] : undefined;
  }

  /** Whether a member's tool may be seen and called; prompts are shown all. By the member's name for it and by ours. */
  offers(kind: NamedKind, member: string, own: string, exposed: string): boolean {
    if (kind !== 'tools') return true;
    return (this.#own.get(member)?.(own) ?? true) && (this.#shown?.(exposed) ?? true);
  }
}

/** Whether a URI may come from a template (RFC 6570): each expression stands for any text. Takes linear time. */
export function matchesTemplate(template: string, uri: string): boolean {
  return globs([template.replace(/\{[^{}]*\}/g, '*')])(uri);
}
