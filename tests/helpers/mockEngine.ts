import { readFileSync } from 'node:fs';
import enigma from 'enigma.js';
import WebSocket from 'ws';
import type { MockQlik } from '../../src/testing.js';

type Method =
  | ('openDoc' | 'engineVersion' | 'getAppLayout' | 'getTablesAndKeys' | 'evaluateEx' | 'checkExpression' | 'getField')
  | ('createSessionObject' | 'destroySessionObject' | 'getObject' | 'clearAll' | 'getScript' | 'setScript' | 'doSave')
  | ('checkScriptSyntax' | 'getVariableByName' | 'createObject' | 'destroyObject' | 'getLayout' | 'getProperties')
  | ('getEffectiveProperties' | 'getChildInfos' | 'getHyperCubeData' | 'getListObjectData' | 'selectListObjectValues')
  | ('select' | 'selectValues' | 'clear' | 'lock' | 'getMeasure' | 'getDimension' | 'setStringValue' | 'applyPatches')
  | ('searchListObjectFor' | 'selectHyperCubeCells' | 'getTableData' | 'setProperties' | 'getAllInfos' | 'doReload');

/** What the engine answers, as enigma.js gives it: an object with methods, or data, which tests match. */
export type Remote = Readonly<Record<Method, (...args: unknown[]) => Promise<Remote>>> & {
  readonly id: string;
  on(event: 'changed' | 'closed', heard: () => void): void;
};

export interface Engine {
  readonly doc: Remote;
  readonly global: Remote;
  readonly session: { on(event: string, heard: (event: { readonly code: number }) => void): void };
  close(): Promise<void>;
}

export interface Opening {
  readonly app: string;
  readonly user?: string;
  readonly token?: string;
  readonly identity?: string;
  readonly ttl?: number;
}

const schema = JSON.parse(readFileSync('node_modules/enigma.js/schemas/12.2027.0.json', 'utf8')) as object;

/** Opens an app with enigma.js, and the newest schema that it has. */
export async function openEngine(mock: MockQlik, opening: Opening): Promise<Engine> {
  const { session, global } = await connectEngine(mock, opening);
  const doc = await global.openDoc(opening.app);
  return { session, global, doc, close: async () => void (await session.close()) };
}

/** The session alone, with no app open. */
export async function connectEngine(mock: MockQlik, { app, user, token, identity, ttl }: Opening) {
  const shown = token ?? (await mock.mint(user ?? 'user-ben'));
  const path = `/app/${app}${identity ? `/identity/${identity}` : ''}${ttl ? `/ttl/${ttl}` : ''}`;
  const headers = { authorization: `Bearer ${shown}` };
  const session = enigma.create({
    schema,
    url: mock.origin.replace('http', 'ws') + path,
    createSocket: (url: string) => new WebSocket(url, { headers }) as never,
  });
  const global = (await session.open()) as unknown as Remote;
  return { session, global };
}
