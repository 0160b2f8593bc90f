import { randomUUID } from 'node:crypto';
import { type AppDoc, itemOf } from './appDoc.js';
import { recordOf } from './cubeDefinition.js';
import { opened } from './docMethods.js';
import { accessDenied, EngineError, invalidParameters } from './engineError.js';
import type { Args, Calling, EngineMethods } from './engineMethod.js';

const STATEMENT =
  /^(?:\[?[\w .-]+\]?\s*:\s*)?(?:(?:no)?concatenate|inner|left|outer|right|join|keep|mapping|buffer)?[\s()\w]*\b(?:load|select|set|let|sql|lib|drop|rename|store|trace|exit|if|else|elseif|end|endif|for|next|do|loop|sub|call|qualify|unqualify|rem|binary|tag|comment|section|include|directory)\b|^\$\(/i;

interface ScriptFault {
  readonly qErrLen: number;
  readonly qTabIx: number;
  readonly qLineInTab: number;
  readonly qColInLine: number;
  readonly qTextPos: number;
  readonly qSecondaryFailure: boolean;
}

/** Statements that begin with no word of the script language, and one that doesn't end. */
export function scriptFaults(script: string): ScriptFault[] {
  const faults: ScriptFault[] = [];
  const bare = script.replace(/^\/\/.*$/gm, (line) => ' '.repeat(line.length));
  let at = 0;
  for (const statement of bare.split(';')) {
    const begin = at + (statement.length - statement.trimStart().length);
    const text = statement.trim();
    const ended = at + statement.length < bare.length;
    if (text !== '' && (!ended || !STATEMENT.test(text))) faults.push(faultAt(script, begin, text.length));
    at += statement.length + 1;
  }
  return faults;
}

function faultAt(script: string, at: number, qErrLen: number): ScriptFault {
  const tabs = script.slice(0, at).split('///$tab');
  const lines = (tabs.at(-1) ?? '').split('\n');
  const qTabIx = Math.max(0, tabs.length - 2);
  const qColInLine = (lines.at(-1) ?? '').length;
  return { qErrLen, qTabIx, qLineInTab: lines.length - 1, qColInLine, qTextPos: at, qSecondaryFailure: false };
}

function mayEdit({ editable }: Calling<AppDoc>): void {
  if (!editable) throw accessDenied();
}

function variable(calling: Calling<AppDoc>, field: 'qName' | 'id', value: string): object {
  const all = [...calling.session.objects.values(), ...calling.target.of('variable')];
  const variables = all.filter(({ kind }) => kind === 'variable');
  const found = variables.find((item) => (field === 'id' ? item.id : item.properties.qName) === value);
  return { qReturn: found ? opened(calling, found) : { qType: null, qHandle: null } };
}

function created(args: Args, calling: Calling<AppDoc>, inSession: boolean): object {
  if (!inSession) mayEdit(calling);
  const given = args.object('qProp');
  if (typeof given.qName !== 'string' || given.qName === '') throw invalidParameters('qName');
  if (calling.target.of('variable').some(({ properties }) => properties.qName === given.qName))
    throw new EngineError(3, 'Already exists', given.qName);
  const properties = {
    qDefinition: '',
    ...given,
    qInfo: { qId: randomUUID(), ...recordOf(given.qInfo), qType: 'variable' },
  };
  const item = inSession ? itemOf('variable', properties) : calling.target.add('variable', properties);
  if (inSession) calling.session.objects.set(item.id, item);
  calling.changed(!inSession);
  return { qReturn: opened(calling, item), qInfo: properties.qInfo };
}

const byName = { qName: 'string' } as const;
const byId = { qId: 'string' } as const;
const creating = { qProp: 'object' } as const;

/** Of an app: its script, its variables, and what keeps them. */
export const scriptMethods: EngineMethods<AppDoc> = {
  GetScript: { params: {}, run: (_, calling) => ({ qScript: scriptOf(calling) }) },
  GetScriptEx: {
    params: {},
    run: (_, calling) => ({ qScript: { qScript: scriptOf(calling), qMeta: { privileges: ['read', 'update'] } } }),
  },
  SetScript: {
    params: { qScript: 'string' },
    run: (args, calling) => {
      mayEdit(calling);
      calling.target.script = args.text('qScript');
      calling.changed(true);
      return {};
    },
  },
  CheckScriptSyntax: { params: {}, run: (_, { target }) => ({ qErrors: scriptFaults(target.script) }) },
  DoSave: {
    params: { qFileName: 'string?' },
    run: (_, calling) => {
      mayEdit(calling);
      calling.target.savedScript = calling.target.script;
      return {};
    },
  },
  DoReload: {
    params: { qMode: 'number?', qPartial: 'boolean?', qDebug: 'boolean?' },
    run: (_, calling) => reloaded(calling),
  },
  DoReloadEx: {
    params: { qParams: 'object?' },
    run: (_, calling) => {
      const { qReturn } = reloaded(calling);
      return { qResult: { qSuccess: qReturn, qScriptLogFile: '', qEndedWithMemoryConstraint: false } };
    },
  },
  GetLineage: {
    params: {},
    run: (_, { target }) => ({
      qLineage: [...target.script.matchAll(/FROM \[([^\]]+)\]/g)].map(([, qDiscriminator]) => ({ qDiscriminator })),
    }),
  },
  GetVariableByName: { params: byName, run: (args, calling) => variable(calling, 'qName', args.text('qName')) },
  GetVariableById: { params: byId, run: (args, calling) => variable(calling, 'id', args.text('qId')) },
  CreateVariableEx: { params: creating, run: (args, calling) => created(args, calling, false) },
  CreateSessionVariable: { params: creating, run: (args, calling) => created(args, calling, true) },
  DestroySessionVariable: {
    params: byId,
    run: (args, { session }) => ({ qSuccess: session.objects.delete(args.text('qId')) }),
  },
  DestroyVariableById: {
    params: byId,
    run: (args, calling) => {
      mayEdit(calling);
      const item = calling.target.items.get(args.text('qId'));
      if (item?.kind !== 'variable') return { qSuccess: false };
      calling.target.remove(item);
      calling.gone(item);
      return { qSuccess: true };
    },
  },
};

/** Those who only read an app don't see its script. */
function scriptOf(calling: Calling<AppDoc>): string {
  mayEdit(calling);
  return calling.target.script;
}

function reloaded(calling: Calling<AppDoc>): { readonly qReturn: boolean } {
  mayEdit(calling);
  calling.changed(true);
  return { qReturn: scriptFaults(calling.target.script).length === 0 };
}
