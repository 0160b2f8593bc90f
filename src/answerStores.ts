import type { Entry, Settings } from './config/settings.js';
import type { SharedAnswers } from './contracts/answers.js';
import type { ToolsetDeps } from './contracts/tools.js';
import type { Clock, Signals } from './contracts.js';
import { build, kinds } from './kinds.js';
import type { AnswersDeps } from './stores/redisAnswers.js';

/** A store that the configuration has, by its name. */
export interface NamedStore {
  readonly name: string;
  readonly entry: Entry;
}

/** The one that a destination's toolset keeps answers in, where its options say so. */
export function answerStoreOf(settings: Settings, { kind, options }: Entry): NamedStore | undefined {
  const own = kind === 'toolset' ? (options.options as { cache?: { store?: unknown } } | undefined) : undefined;
  const name = own?.cache?.store;
  const entry = typeof name === 'string' ? settings.stores.get(name) : undefined;
  return entry ? { name: String(name), entry } : undefined;
}

/** What opens it; nothing where there is none. Whoever opens it closes it. */
export function answersFrom(
  store: NamedStore | undefined,
  destination: string,
  { clock, signals }: { readonly clock: Clock; readonly signals: Signals },
): Pick<ToolsetDeps, 'answers'> {
  if (!store) return {};
  const deps = { name: store.name, destination, clock, signals };
  return { answers: () => build<SharedAnswers, AnswersDeps>(kinds.answers, store.entry, deps) };
}
