import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { type Answer, jsonOf, type RoutedAsk } from './ask.js';
import { notFound } from './refusal.js';
import { type Resource, resource, rowOf } from './resource.js';
import type { Route } from './router.js';
import type { Row, Tenant } from './tenant.js';

interface Chunk {
  readonly id: string;
  readonly source: string;
  readonly text: string;
}

const BASES: Resource = {
  path: '/api/v1/knowledgebases',
  idName: 'id',
  scope: 'knowledgebases',
  filter: ['name', 'description', 'spaceId', 'ownerId'],
  query: ['countTotal'],
  sort: ['name', 'createdAt', 'updatedAt'],
  create: z.looseObject({ name: z.string().min(1), spaceId: z.string(), description: z.string().optional() }),
  born: () => ({
    chunks: [],
    datasources: [],
    contentSummary: { fileCount: 0, fileSize: 0, textSize: 0, effectivePages: 0 },
  }),
  removed: true,
  show: ({ chunks: _, ...row }) => row,
};

const ASSISTANTS: Resource = {
  path: '/api/v1/assistants',
  idName: 'id',
  scope: 'assistants',
  filter: ['name', 'title', 'description', 'spaceId', 'ownerId'],
  query: ['countTotal'],
  sort: ['name', 'createdAt', 'updatedAt'],
  create: z.looseObject({ name: z.string().min(1), spaceId: z.string(), title: z.string().optional() }),
  removed: true,
};
const ASSISTANT: Resource = { ...ASSISTANTS, idName: 'assistantId' };

const Search = z.strictObject({
  prompt: z.string().min(1),
  topN: z.number().int().min(1).max(50).optional(),
  mode: z.enum(['SIMPLE', 'FULL']).optional(),
});

/** Chunks that share words with the prompt, those with the most first. */
function found(row: Row, prompt: string, topN: number): object[] {
  const words = prompt
    .toLowerCase()
    .split(/\W+/)
    .filter((word) => word.length > 2);
  const scored = (row.chunks as Chunk[]).map((chunk) => {
    const hits = words.filter((word) => chunk.text.toLowerCase().includes(word)).length;
    return { chunk, score: words.length === 0 ? 0 : hits / words.length };
  });
  const best = scored.filter(({ score }) => score > 0).sort((one, other) => other.score - one.score);
  return best.slice(0, topN).map(({ chunk, score }) => ({
    chunkMeta: {
      chunkId: chunk.id,
      documentId: chunk.source,
      knowledgeBaseId: row.id,
      source: chunk.source,
      datasourceId: '',
    },
    semanticScore: score,
    text: chunk.text,
  }));
}

function search(ask: RoutedAsk, tenant: Tenant): Answer {
  const { prompt, topN = 5 } = jsonOf(ask, Search);
  return { status: 200, json: { chunks: found(rowOf(BASES, ask, tenant), prompt, topN) } };
}

function thread(ask: RoutedAsk, tenant: Tenant): Answer {
  const { name = 'Thread' } = jsonOf(ask, z.looseObject({ name: z.string().optional() }));
  const assistant = rowOf(ASSISTANT, ask, tenant);
  const row: Row = {
    id: randomUUID(),
    name,
    assistantId: assistant.id,
    ownerId: ask.caller.userId,
    createdAt: tenant.now,
  };
  tenant.rows('threads').set(row.id, row);
  return { status: 201, json: row };
}

/** A thread is its owner's alone. */
function invoke(ask: RoutedAsk, tenant: Tenant): Answer {
  const Invocation = z.looseObject({ input: z.looseObject({ prompt: z.string().min(1) }) });
  const assistant = rowOf(ASSISTANT, ask, tenant);
  const mine = tenant.row('threads', ask.params.threadId ?? '');
  if (mine?.assistantId !== assistant.id || mine.ownerId !== ask.caller.userId) throw notFound();
  const { prompt } = jsonOf(ask, Invocation).input;
  const bases = (assistant.knowledgeBases as string[] | undefined) ?? [];
  const sources = bases.flatMap((id) => {
    const row = tenant.row('knowledgebases', id);
    return row && tenant.sees(ask.caller, row) ? found(row, prompt, 3) : [];
  });
  const [best] = sources as { readonly text: string }[];
  return {
    status: 200,
    json: { output: best?.text ?? 'I know nothing about that.', sources, interactionId: randomUUID() },
  };
}

const one = '/api/v1/assistants/{assistantId}/threads';

/** Knowledge bases that are searched, and assistants that are asked. */
export const answersRoutes: readonly Route[] = [
  ...resource(BASES),
  {
    method: 'POST',
    path: '/api/v1/knowledgebases/{id}/actions/search',
    scope: 'knowledgebases',
    reads: true,
    tier: 'special',
    run: search,
  },
  ...resource(ASSISTANTS),
  { method: 'POST', path: one, scope: 'assistants', run: thread },
  { method: 'POST', path: `${one}/{threadId}/actions/invoke`, scope: 'assistants', tier: 'special', run: invoke },
];
