import * as z from 'zod';
import type { AnswerCache, SharedAnswers } from '../../contracts/answers.js';
import type { Tool, ToolsetDeps, ToolsetKind } from '../../contracts/tools.js';
import { integer } from '../../core/schema.js';
import { MemoryAnswers } from './answerCache.js';
import { catalogTools } from './catalogTools.js';
import { changeTools } from './changeTools.js';
import { QlikEngine } from './engine.js';
import { ENGINE_INSTRUCTIONS, engineTools } from './engineTools.js';
import { governanceTools } from './governanceTools.js';
import { operationsTools } from './operationsTools.js';
import { reloadTools } from './reloadTools.js';
import { QlikRest } from './rest.js';
import type { RestSettings } from './restTenant.js';
import { StoredAnswers } from './sharedAnswers.js';
import { WarmUp } from './warmUp.js';

const cache = z.strictObject({
  /** How long descriptions of things serve: apps, spaces, users, glossaries. */
  metadataSeconds: integer(0, 86_400).default(300),
  /** How long lists and data serve. */
  dataSeconds: integer(0, 3_600).default(0),
  /** Where replicas keep them together: the name of a store. */
  store: z.string().min(1).optional(),
});

export const qlikToolsetOptions = z.strictObject({
  /** Whether tools that change or destroy something are there at all. */
  access: z.enum(['read', 'write']).default('read'),
  /** Which version of namespaced endpoints is asked for. */
  apiVersion: z
    .string()
    .regex(/^(\d{4}-\d{2}|latest)$/, 'must be a version such as 2026-08, or latest')
    .default('2026-08'),
  cache: cache.prefault({}),
  /** The longest that a call waits for its turn before Qlik Cloud's limits. */
  maxWaitSeconds: integer(0, 60).default(15),
  /** Apps that are read before a user asks for them. */
  warmUp: z.array(z.string().min(1).max(64)).max(20).default([]),
});

export type QlikToolsetOptions = z.infer<typeof qlikToolsetOptions>;

/** An app of some thousand fields describes itself in megabytes, and a large lineage takes its time. */
const MAX_BYTES = 8 * 1024 * 1024;
const DEADLINE_MS = 30_000;

const INSTRUCTIONS = `Qlik Cloud. Find things with qlik_search: an app's id is the resourceId. ${ENGINE_INSTRUCTIONS}`;

/** The built-in tools for one tenant of Qlik Cloud. */
const toolset: ToolsetKind<QlikToolsetOptions> = {
  options: qlikToolsetOptions,
  async create(options, deps) {
    const { name, signals } = deps;
    const engine = engineOf(deps);
    const shared = await deps.answers?.();
    const apps = options.cache.metadataSeconds > 0 ? options.warmUp : [];
    const common = new Set(deps.shared ? apps : []);
    const rest = restOf(options, deps, { cache: answersIn(shared, deps), common });
    const warmUp = new WarmUp(apps, { rest, name, signals });
    const tools = [...restTools(rest, engine, options, deps), ...engineTools(engine, options)];
    return {
      tools: tools.map((tool) => greeting(tool, warmUp)),
      instructions: INSTRUCTIONS,
      ...(common.size > 0 ? { warmUp: (credential) => warmUp.ahead(credential) } : {}),
      async close() {
        await Promise.all([warmUp.close(), engine.close()]);
        shared?.close();
      },
    };
  },
};

function answersIn(shared: SharedAnswers | undefined, { clock }: ToolsetDeps): AnswerCache {
  const memory = new MemoryAnswers(clock);
  return shared ? new StoredAnswers(shared, memory) : memory;
}

function restOf(
  { apiVersion, cache: lives, maxWaitSeconds }: QlikToolsetOptions,
  deps: ToolsetDeps,
  kept: Pick<RestSettings, 'cache' | 'common'>,
): QlikRest {
  return new QlikRest(
    {
      url: deps.url,
      apiVersion,
      ...kept,
      lives: { metadata: lives.metadataSeconds * 1000, data: lives.dataSeconds * 1000 },
      maxWaitMs: maxWaitSeconds * 1000,
      maxBytes: MAX_BYTES,
      deadlineMs: DEADLINE_MS,
    },
    deps,
  );
}

function engineOf({ url, clock, signals, name, reach }: ToolsetDeps): QlikEngine {
  return new QlikEngine({ url, clock, signals, destination: name, ...(reach ? { reach } : {}) });
}

function restTools(
  rest: QlikRest,
  engine: QlikEngine,
  { access }: QlikToolsetOptions,
  { clock }: ToolsetDeps,
): readonly Tool[] {
  const all = [
    ...catalogTools(rest),
    ...changeTools(rest),
    ...reloadTools({ rest, clock, reloaded: (app) => engine.renew(app) }),
    ...operationsTools(rest),
    ...governanceTools(rest),
  ];
  return access === 'write' ? all : all.filter(({ effect }) => effect === 'read');
}

/** Every tool tells the warm-up whose call it is. */
function greeting(tool: Tool, warmUp: WarmUp): Tool {
  return {
    ...tool,
    run(args, context) {
      warmUp.greet(context);
      return tool.run(args, context);
    },
  };
}

export default toolset;
