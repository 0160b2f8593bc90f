import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { childEnvironment } from './config/environment.js';
import type { Entry } from './config/settings.js';
import type { Clock, Handler } from './contracts.js';
import { METHOD_NOT_FOUND } from './core/jsonRpc.js';
import { type DoctorWalk, Failed, type Skipped } from './doctorWalk.js';
import { RequestIds } from './edge/exchanges.js';
import { APART_MS, MessageCaller } from './edge/messageCaller.js';

/** For each answer. Milliseconds. */
const ANSWER_MS = 30_000;
/** A legacy server on stdin may never answer what it doesn't know. Milliseconds. */
const DISCOVER_MS = 5_000;
const MOST_PAGES = 50;

const LEGACY = '2025-11-25';
const MODERN = '2026-07-28';

interface Answer {
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: {
    readonly code?: number;
    readonly message?: string;
    readonly data?: { readonly hint?: string; readonly code?: string };
  };
}

interface TalkDeps {
  readonly handler: Handler;
  readonly destination: string;
  readonly clock: Clock;
  readonly version: string;
  /** What to say of a server that refuses by an HTTP status. */
  readonly refusedHint: string;
  /** Texts that nothing may repeat which the server says. */
  readonly secrets: readonly string[];
}

/** Messages to a destination by the door that `stdio` has, one after the other. */
class Talk {
  readonly #deps: TalkDeps;
  readonly #caller: MessageCaller;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #ids = 0;

  constructor(deps: TalkDeps) {
    this.#deps = deps;
    this.#caller = new MessageCaller({
      handler: deps.handler,
      clock: deps.clock,
      target: `/mcp/${deps.destination}`,
      door: 'stdio',
      ids: new RequestIds(),
      headers: ['User-Agent', `mcp-drawbridge/${deps.version}`],
      remoteAddress: '',
      heal: false,
      apartMs: APART_MS,
      deliver: (text) => this.#heard(text),
    });
  }

  /** Undefined where no answer comes in time. */
  async ask(method: string, params: object, withinMs = ANSWER_MS): Promise<Answer | undefined> {
    this.#ids += 1;
    const id = this.#ids;
    const over = new AbortController();
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    const late = this.#deps.clock.sleep(withinMs, over.signal).then(
      () => undefined,
      () => undefined,
    );
    void this.#caller.receive(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    return Promise.race([answer, late]).finally(() => over.abort());
  }

  /** What an answer that is no result comes to. */
  failed(answer: Answer | undefined): Failed {
    if (!answer)
      return new Failed(
        `no answer came within ${ANSWER_MS / 1000} s`,
        'Look at what the server does; its own log may say it.',
      );
    const { message = 'the answer is no result', data } = answer.error ?? {};
    const words = [
      message,
      (data?.code === 'UPSTREAM_REFUSED' ? this.#deps.refusedHint : data?.hint) ??
        "Check that the destination's url is an MCP endpoint, path included.",
    ];
    const [said = '', mend = ''] = words.map((text) =>
      this.#deps.secrets.some((secret) => String(text).includes(secret))
        ? '(withheld: it repeats a secret)'
        : String(text),
    );
    return new Failed(said, mend);
  }

  tell(method: string): void {
    void this.#caller.receive(JSON.stringify({ jsonrpc: '2.0', method }));
  }

  close(): Promise<void> {
    return this.#caller.close(0);
  }

  #heard(text: string): void {
    const message = JSON.parse(text) as Answer & { id?: unknown; method?: string };
    if (message.method !== undefined || typeof message.id !== 'number') return;
    this.#waiting.get(message.id)?.(message);
    this.#waiting.delete(message.id);
  }
}

/** What the server speaks, and its tools. */
export async function walkTheTalk(walk: DoctorWalk, deps: TalkDeps): Promise<void> {
  const talk = new Talk(deps);
  const { version } = deps;
  try {
    const era = await walk.step(
      'era',
      () => eraOf(talk, version),
      ({ said }) => said,
    );
    await walk.step(
      'tools/list',
      () => toolsOf(talk, era?.modern === true, version),
      (count) => `${count} ${count === 1 ? 'tool' : 'tools'}`,
    );
  } finally {
    await talk.close();
  }
}

/** Both questions are asked: a server may speak both. */
async function eraOf(talk: Talk, version: string): Promise<{ readonly modern: boolean; readonly said: string }> {
  const clientInfo = { name: 'mcp-drawbridge', version };
  const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo };
  const first = await talk.ask('initialize', params);
  const legacy = first?.result?.protocolVersion;
  const code = first?.error?.data?.code;
  // Ours: the server hasn't been heard, so that there is no sense in asking it in other words.
  if (code !== undefined && code !== 'UPSTREAM_REFUSED') throw talk.failed(first);
  if (legacy !== undefined) talk.tell('notifications/initialized');
  const second = await talk.ask('server/discover', envelope(version), DISCOVER_MS);
  const modern = Array.isArray(second?.result?.supportedVersions) ? second.result.supportedVersions : [];
  if (legacy === undefined && modern.length === 0) throw talk.failed(first);
  const eras = [
    legacy === undefined ? [] : `legacy (${legacy})`,
    modern.length === 0 ? [] : `modern (${modern.join(', ')})`,
  ];
  return { modern: legacy === undefined, said: eras.flat().join(' and ') };
}

function envelope(version: string, params: object = {}): object {
  return {
    ...params,
    _meta: {
      'io.modelcontextprotocol/protocolVersion': MODERN,
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'mcp-drawbridge', version },
    },
  };
}

/** A server without tools is a server that answers. */
async function toolsOf(talk: Talk, modern: boolean, version: string): Promise<number> {
  let count = 0;
  let cursor: unknown;
  for (let page = 0; page < MOST_PAGES; page++) {
    const params = cursor === undefined ? {} : { cursor };
    const answer = await talk.ask('tools/list', modern ? envelope(version, params) : params);
    if (answer?.error?.code === METHOD_NOT_FOUND && page === 0) return 0;
    if (!Array.isArray(answer?.result?.tools)) throw talk.failed(answer);
    count += answer.result.tools.length;
    cursor = answer.result.nextCursor;
    if (typeof cursor !== 'string') return count;
  }
  throw new Failed(
    `its list of tools has more than ${MOST_PAGES} pages`,
    'Have the server looked at: it may give the same page for ever.',
  );
}

/** The program of a `stdio` destination, looked for as the system does when it starts one. */
export async function walkToCommand(walk: DoctorWalk, { options, baseDir }: Entry): Promise<void> {
  await walk.step(
    'command',
    () => found(options, baseDir),
    (file) => file,
  );
}

async function found(options: Entry['options'], baseDir: string): Promise<string | Skipped> {
  const command = String(options.command);
  const env = { ...childEnvironment(), ...(options.env as Record<string, string> | undefined) };
  const cwd = path.resolve(baseDir, typeof options.cwd === 'string' ? options.cwd : '.');
  const folders = /[/\\]/.test(command) ? [cwd] : (env.PATH ?? '').split(path.delimiter);
  const endings = process.platform === 'win32' ? ['', ...(env.PATHEXT ?? '').split(';')] : [''];
  for (const folder of folders) {
    for (const ending of endings) {
      const file = path.resolve(folder, command + ending);
      if (await runs(file)) return file;
    }
  }
  throw new Failed(
    `there is no program ${command}`,
    'Check command in the destination; a bare name is looked for in PATH, which its env may set.',
  );
}

function runs(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
