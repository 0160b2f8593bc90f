import path from 'node:path';
import * as z from 'zod';
import type {
  Attempt,
  ChildProcess,
  Exchange,
  Kind,
  McpCall,
  Owner,
  Reply,
  Upstream,
  UpstreamDeps,
} from '../contracts.js';
import { globs } from '../core/glob.js';
import { flag, integer } from '../core/schema.js';
import { ownerOf, scopeKey } from '../core/scopeKey.js';
import { Secret } from '../core/secret.js';
import { safeToRepeat } from '../resilience/retry.js';
import type { Carrying, ChannelHandlers } from './channel.js';
import { ChannelFace } from './channelFace.js';
import { Child, type ChildEnd } from './stdioChild.js';
import { MemoryWatch } from './stdioMemory.js';
import { Starts } from './stdioStarts.js';
import { ChildLog } from './stdioStderr.js';
import { selected, selectionFields } from './toolSelection.js';

const MINUTE_MS = 60_000;
const MIB = 1024 * 1024;

const options = z.strictObject({
  /** Run as it stands, without a shell. */
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  /** Joins the few variables of ours that a program needs to run at all. */
  env: z
    .record(
      z.string().min(1),
      z.string().transform((text) => new Secret(text)),
    )
    .default({}),
  /** From the folder of the configuration file. */
  cwd: z.string().min(1).default('.'),
  /** One child serves all sessions of all callers. */
  shared: flag().default(false),
  /** A session that lies unused for so long is ended, and its child with it. */
  idleMs: integer(1_000, 7 * 24 * 60 * MINUTE_MS).default(30 * MINUTE_MS),
  /** Children at a time. */
  maxChildren: integer(1, 10_000).default(100),
  /** How much memory a child may have, with all that it started; one that has more is killed. */
  maxMemoryMiB: integer(1, MIB).optional(),
  /** The longest message that a child may write. */
  maxLineBytes: integer(1_024, 512 * MIB).default(16 * MIB),
  /** Between closing a child's stdin, SIGTERM and SIGKILL. */
  stopMs: integer(0, 5 * MINUTE_MS).default(2_000),
  /** Milliseconds before a command whose children keep ending is started again: doubled from base to max. */
  restart: z
    .strictObject({
      baseMs: integer(1, 10 * MINUTE_MS).default(500),
      maxMs: integer(1, 60 * MINUTE_MS).default(30_000),
    })
    .default({ baseMs: 500, maxMs: 30_000 }),
  /** Globs of tools that are read-only or idempotent, so that a call may be repeated. */
  safeTools: z.array(z.string().min(1)).default([]),
  ...selectionFields,
});

type Options = z.infer<typeof options>;

/** Servers that are started by a command and speak on their stdin and stdout: a child for each session, or one for all. */
class StdioUpstream implements Upstream {
  readonly name: string;
  readonly strategy = 'PROXY';
  readonly era = 'auto';
  readonly askEraFirst = true;
  readonly offers?: (tool: string) => boolean;
  /** Nothing is ever sent there: the router wants to know where an exchange goes. */
  readonly url: URL;
  readonly allowedOrigins = [];
  readonly allowPrivate = false;
  readonly #deps: UpstreamDeps;
  readonly #options: Options;
  readonly #env: Readonly<Record<string, string>>;
  readonly #isSafeTool: (name: string) => boolean;
  readonly #log: ChildLog;
  readonly #starts: Starts;
  readonly #memory: MemoryWatch | undefined;
  readonly #face: ChannelFace;
  readonly #children = new Map<Child, ChildProcess>();
  readonly #killAll = () => {
    for (const child of this.#children.keys()) child.kill();
  };

  constructor(given: Options, deps: UpstreamDeps) {
    const own = Object.fromEntries(Object.entries(given.env).map(([name, value]) => [name, value.reveal()]));
    this.name = deps.name;
    this.url = new URL(`stdio:${encodeURIComponent(deps.name)}`);
    this.#deps = deps;
    this.#options = given;
    this.#env = { ...deps.childEnv, ...own };
    this.#isSafeTool = globs(given.safeTools);
    const offers = selected(given);
    if (offers) this.offers = offers;
    this.#log = new ChildLog(deps.name, own, deps);
    this.#starts = new Starts(deps.name, deps.clock, given.restart, given.shared);
    const { clock, signals } = deps;
    const mostMiB = given.maxMemoryMiB;
    if (mostMiB !== undefined) this.#memory = new MemoryWatch({ name: deps.name, mostMiB, clock, signals });
    this.#face = new ChannelFace({
      name: deps.name,
      open: (carrying, handlers) => this.#start(this.#ownerOf(carrying), handlers),
      shared: given.shared,
      clock: deps.clock,
      signals: deps.signals,
      limits: { channels: given.maxChildren, idleMs: given.idleMs, firstByteMs: deps.deadlines.firstByteMs },
    });
    // However this process ends, short of SIGKILL, its children end with it.
    process.setMaxListeners(process.getMaxListeners() + 1);
    process.once('exit', this.#killAll);
  }

  safeToRepeat(call: McpCall): boolean {
    return safeToRepeat(call, this.#isSafeTool);
  }

  resolve(base: URL): URL {
    return base;
  }

  send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    return this.#face.send(exchange, attempt);
  }

  /** Resolves once nothing is left of any child, nor of what they started. */
  async close(): Promise<void> {
    await this.#face.close();
    await Promise.all([...this.#children.keys()].map((child) => child.close()));
    process.removeListener('exit', this.#killAll);
    process.setMaxListeners(Math.max(0, process.getMaxListeners() - 1));
  }

  children(): readonly ChildProcess[] {
    return [...this.#children.values()];
  }

  /** Whose a child is; undefined: everybody's, or that of callers that nobody knows. */
  #ownerOf({ exchange: { principal } }: Carrying): Owner | undefined {
    return this.#options.shared || !principal ? undefined : ownerOf(principal);
  }

  async #start(whose: Owner | undefined, handlers: ChannelHandlers): Promise<Child> {
    const owner = this.#options.shared ? 'everybody' : scopeKey(whose ?? null);
    this.#starts.assertMayStart(owner);
    const { command, args, cwd, maxLineBytes, maxMemoryMiB, stopMs } = this.#options;
    const { clock, signals, baseDir } = this.#deps;
    const destination = this.name;
    const started = clock.monotonic();
    const isOfCaller = (spoke: boolean) => this.#starts.isOfCaller(owner, spoke);
    const of = { name: destination, command, args, maxLineBytes, maxMemoryMiB, stopMs, isOfCaller, clock };
    const child = await Child.start({ ...of, env: this.#env, cwd: path.resolve(baseDir, cwd) }, handlers, {
      stderr: (pid) => this.#log.reader(pid),
      noise: (pid) => signals.emit('child.noise', { destination, pid }),
      tooLarge: (pid, mib) => signals.emit('child.too-large', { destination, pid, mib, maxMemoryMiB }),
      ended: (ended, how, why) => this.#ended(owner, ended, how, why),
    }).catch((error: unknown) => {
      this.#starts.ended(owner, started);
      throw error;
    });
    this.#children.set(child, { pid: child.pid, since: clock.now(), ...(whose ? { owner: whose } : {}) });
    this.#memory?.add(child);
    signals.emit('child.started', { destination, pid: child.pid });
    return child;
  }

  #ended(owner: string, child: Child, how: string, why: ChildEnd): void {
    this.#children.delete(child);
    this.#memory?.remove(child);
    const waitMs = why === 'stopped' ? 0 : this.#starts.ended(owner, child.startedAt);
    const fields = { destination: this.name, pid: child.pid, how, ...(waitMs > 0 ? { waitMs } : {}) };
    this.#deps.signals.emit(why === 'itself' ? 'child.lost' : 'child.stopped', fields);
  }
}

const stdio: Kind<Upstream, Options, UpstreamDeps> = {
  options,
  create: (given, deps) => new StdioUpstream(given, deps),
};

export default stdio;
