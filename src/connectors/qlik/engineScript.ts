import { ToolError } from '../../core/toolErrors.js';
import { nextOf, offsetOf } from './enginePages.js';
import type { QixApp, QixScriptError } from './engineTypes.js';

/** Characters of a script in one answer. */
const PAGE = 16_000;
const MOST_ERRORS = 50;

/** Where the syntax of a script is wrong; lines and columns count from 1, tabs by their names. */
export interface ScriptError {
  readonly tab: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** A part of the load script, which ends with a line where it can. */
export async function readScript(app: QixApp, cursor: string | undefined): Promise<object> {
  const script = await app.doc.ask('getScript');
  const from = offsetOf(cursor);
  const rest = script.slice(from, from + PAGE);
  const lineEnd = rest.lastIndexOf('\n') + 1;
  const part = from + rest.length < script.length && lineEnd > 0 ? rest.slice(0, lineEnd) : rest;
  return { script: part, length: script.length, ...nextOf(from + part.length, part.length, script.length) };
}

/** Of the script that the app has now, which is handed in. */
export async function scriptErrors(app: QixApp, script: string): Promise<readonly ScriptError[]> {
  const errors = (await app.doc.ask('checkScriptSyntax')) ?? [];
  const tabs = script.split(/^\/\/\/\$tab /m);
  const names = (script.startsWith('///$tab ') ? tabs.slice(1) : tabs).map((tab) => tab.split(/\r?\n/, 1)[0] ?? '');
  return errors
    .filter(({ qSecondaryFailure }) => !qSecondaryFailure)
    .slice(0, MOST_ERRORS)
    .map((error) => errorOf(error, script, names));
}

/**
 * Sets a script and saves the app. Throws a ToolError where its syntax is wrong, or where it can't be saved: what was there
 * before is there again then.
 */
export async function replaceScript(app: QixApp, script: string): Promise<object> {
  const before = await app.doc.ask('getScript');
  if (before === script) return { saved: false, unchanged: true };
  await app.doc.ask('setScript', script);
  try {
    const errors = await scriptErrors(app, script);
    if (errors.length > 0) throw new ToolError(refusal(errors));
    await app.doc.ask('doSave');
  } catch (error) {
    // By whatever it was broken off: what isn't saved must not stay in the engine for others to save.
    await app.doc
      .during()
      .ask('setScript', before)
      .catch(() => undefined);
    throw error;
  }
  return { saved: true, length: script.length };
}

function refusal(errors: readonly ScriptError[]): string {
  const told = errors.slice(0, 5).map(({ tab, line, column, text }) => `${tab} line ${line} column ${column}: ${text}`);
  return `The script is not saved: its syntax is wrong. ${told.join('; ')}.`;
}

function errorOf(error: QixScriptError, script: string, tabs: readonly string[]): ScriptError {
  const { qTabIx = 0, qLineInTab = 0, qColInLine = 0, qTextPos = 0, qErrLen = 0 } = error;
  return {
    tab: tabs[qTabIx] ?? String(qTabIx),
    line: qLineInTab + 1,
    column: qColInLine + 1,
    text: script.slice(qTextPos, qTextPos + Math.min(qErrLen, 80)),
  };
}
