import { TOOLS } from './tools.mjs';

/** What was asked and what was answered, from the clients' side, and what was wrong with it at once. */
export class Ledger {
  violations = [];
  /** Of calls that are over, only what the judgement needs: unsafe ones, and how often each thing happened. */
  unsafe = new Map();
  failures = [];
  counts = { asked: 0, answered: 0, failed: 0, heard: 0 };
  /** By caller: when the newest answered call was asked. */
  #answeredAt = new Map();

  ask({ caller, tool, member }) {
    this.counts.asked += 1;
    const { safe } = TOOLS[tool];
    const call = `${caller.id}/${this.counts.asked}`;
    const { name, destination, id: by } = caller;
    const entry = { call, tool, safe, at: Date.now(), caller: name, destination, member, by };
    if (!safe) this.unsafe.set(call, entry);
    return entry;
  }

  answered(entry, { messages }, at) {
    this.counts.answered += 1;
    entry.answered = true;
    this.#answeredAt.set(entry.by, at);
    for (const message of messages) {
      const fault = message.id === entry.call ? wrongAnswer(entry, message) : wrongProgress(entry, message);
      if (fault !== undefined) this.#violate('answer to the wrong caller, or a wrong one', { ...entry, fault });
    }
  }

  failed(entry, failure) {
    this.counts.failed += 1;
    const { call, tool, caller, destination } = entry;
    // A session of a federation is begun with whoever is there: no one member excuses that it can't be.
    const member = failure.begins ? undefined : entry.member;
    this.failures.push({ call, tool, caller, destination, member, until: Date.now(), ...failure });
    if (failure.fault === 'silence') this.#violate('no answer at all', { call, tool, ...failure });
    if (failure.fault === 'INTERNAL') this.#violate('a fault of our own', { call, tool, ...failure });
    if (failure.retryAfter > 60) this.#violate('told to come back much too late', { call, tool, ...failure });
  }

  lost(entry) {
    this.#violate('a safe call was lost', entry);
  }

  /** Something that a server said by itself. */
  heard(caller, message) {
    this.counts.heard += 1;
    const whose = message.params?.data?.caller;
    if (whose !== caller) this.#violate("another caller's stream", { caller, message });
  }

  trespassed(caller, answer) {
    if (answer.status !== 404) this.#violate("another caller's session was answered", { caller, ...answer });
  }

  strange(caller, answer) {
    if (answer.status !== 401) this.#violate('a key that nobody has was answered', { caller, ...answer });
  }

  note(what, more) {
    this.#violate(what, more);
  }

  /** True when everybody was answered a call that was asked after `since`, and nobody failed within the last `quietMs`. */
  isWell(callers, since, quietMs) {
    const last = this.failures.at(-1)?.until ?? 0;
    const served = callers.every(({ id }) => (this.#answeredAt.get(id) ?? 0) >= since);
    return served && Date.now() - last >= quietMs;
  }

  #violate(what, more) {
    if (this.violations.length < 200) this.violations.push({ what, at: new Date().toISOString(), ...more });
  }
}

function wrongAnswer(entry, { result, error }) {
  if (error) return `error ${error.code}: ${error.message}`;
  const said = JSON.parse(result.content[0].text);
  return said.call === entry.call && said.caller === entry.caller ? undefined : `is for ${said.caller}: ${said.call}`;
}

function wrongProgress(entry, { params }) {
  return params?.progressToken === entry.call ? undefined : `has progress of ${params?.progressToken}`;
}
