import type { AppDoc, Item, Properties, SessionView, SocketView } from './appDoc.js';
import { entryOf } from './entryOf.js';
import { Selections } from './selections.js';

const MAX_RECKONED = 50;

/** Selections and session objects of one user in one app under one identity; its sockets share them. */
export class EngineSession implements SessionView {
  readonly doc: AppDoc;
  readonly userId: string;
  readonly id: string;
  readonly sockets = new Set<SocketView>();
  readonly objects = new Map<string, Item>();
  /** What this session alone sees of an object's properties. */
  readonly softPatches = new Map<Item, Properties>();
  /** Of list objects that are searched in: the words. */
  readonly searches = new Map<Item, string>();
  /** Values that were given to variables in this session alone. */
  readonly variables = new Map<string, string>();
  /** Variables whose value is being reckoned. */
  readonly resolving = new Set<string>();
  readonly selections: Selections;
  readonly #reckoned = new Map<string, unknown>();
  /** Epoch milliseconds: when it is over, once it has no sockets. */
  endsAt = 0;

  constructor(doc: AppDoc, userId: string, id: string) {
    this.doc = doc;
    this.userId = userId;
    this.id = id;
    this.selections = new Selections(doc.model, doc.app.selections);
    doc.sessions.add(this);
  }

  stale(): void {
    this.#reckoned.clear();
  }

  /** What was reckoned under the name since the last change; reckoned now where nothing was. */
  reckon<Result>(name: string, now: () => Result): Result {
    if (this.#reckoned.size >= MAX_RECKONED) this.#reckoned.clear();
    return entryOf(this.#reckoned, name, now) as Result;
  }

  everySocket(tell: (socket: SocketView) => void): void {
    for (const socket of this.sockets) tell(socket);
  }

  item(id: string): Item | undefined {
    return this.objects.get(id) ?? this.doc.items.get(id);
  }
}
