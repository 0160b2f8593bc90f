import { type Item, itemOf } from './appDoc.js';
import { recordOf } from './cubeDefinition.js';
import { accessDenied, invalidPath, objectNotFound } from './engineError.js';
import type { Calling, EngineMethods } from './engineMethod.js';
import { effective, layoutOf } from './layouts.js';

/** Objects of the session are their owner's; those of the app want the right to change it. */
function mayEdit({ editable, session, target }: Calling<Item>): boolean {
  const own = session.objects.has(target.id);
  if (!editable && !own) throw accessDenied();
  return !own;
}

interface Patch {
  readonly qOp?: string;
  readonly qPath?: string;
  readonly qValue?: string;
}

/** JSON Patch as the engine has it: each value is JSON in a text. */
function patched(properties: Record<string, unknown>, patches: readonly Patch[]): Record<string, unknown> {
  const result = structuredClone(properties);
  for (const { qOp = '', qPath = '', qValue = '' } of patches) {
    const names = qPath.split('/').slice(1);
    const last = names.pop();
    const parent = names.reduce<unknown>((value, name) => recordOf(value)[name], result);
    if (last === undefined || typeof parent !== 'object' || parent === null) throw invalidPath(qPath);
    if (qOp.toLowerCase() === 'remove') delete (parent as Record<string, unknown>)[last];
    else (parent as Record<string, unknown>)[last] = parsedValue(qPath, qValue);
  }
  return result;
}

function parsedValue(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidPath(path);
  }
}

function tree(item: Item): object {
  return { qProperty: item.properties, qChildren: item.children.map(tree) };
}

/** Of an object: its properties, its layout, what is below it. */
export const objectMethods: EngineMethods<Item> = {
  GetLayout: {
    params: {},
    run: (_, { session, target }) => ({ qLayout: layoutOf(session, target, session.softPatches.get(target)) }),
  },
  GetProperties: { params: {}, run: (_, { target }) => ({ qProp: target.properties }) },
  GetEffectiveProperties: {
    params: {},
    run: (_, { session, target }) => ({ qProp: effective(session, target, session.softPatches.get(target)) }),
  },
  GetFullPropertyTree: { params: {}, run: (_, { target }) => ({ qPropEntry: tree(target) }) },
  GetInfo: { params: {}, run: (_, { target }) => ({ qInfo: target.properties.qInfo }) },
  SetProperties: {
    params: { qProp: 'object' },
    run: (args, calling) => {
      const everywhere = mayEdit(calling);
      const { qInfo } = calling.target.properties;
      calling.target.properties = { ...structuredClone(args.object('qProp')), qInfo };
      calling.changed(everywhere);
      return {};
    },
  },
  ApplyPatches: {
    params: { qPatches: 'array', qSoftPatch: 'boolean?' },
    run: (args, calling) => {
      const { session, target } = calling;
      const soft = args.flag('qSoftPatch');
      const everywhere = !soft && mayEdit(calling);
      const before = soft ? { ...effective(session, target, session.softPatches.get(target)) } : target.properties;
      const after = patched(before, args.list<Patch>('qPatches'));
      if (soft) session.softPatches.set(target, after);
      else target.properties = after;
      calling.changed(everywhere);
      return {};
    },
  },
  ClearSoftPatches: {
    params: {},
    run: (_, { session, target, changed }) => {
      session.softPatches.delete(target);
      changed();
      return {};
    },
  },
  GetChildInfos: {
    params: {},
    run: (_, { target }) => ({ qInfos: target.children.map(({ id, type }) => ({ qId: id, qType: type })) }),
  },
  GetChild: {
    params: { qId: 'string' },
    run: (args, { target, open }) => {
      const child = target.children.find(({ id }) => id === args.text('qId'));
      return { qReturn: child ? open('GenericObject', child, child.id, child.type) : { qType: null, qHandle: null } };
    },
  },
  GetParent: {
    params: {},
    run: (_, { target: { parent }, open }) => ({
      qReturn: parent ? open('GenericObject', parent, parent.id, parent.type) : { qType: null, qHandle: null },
    }),
  },
  CreateChild: {
    params: { qProp: 'object', qPropForThis: 'object?' },
    run: (args, calling) => {
      const everywhere = mayEdit(calling);
      const { session, target, open } = calling;
      const given = structuredClone(args.object('qProp'));
      const { qType } = recordOf(given.qInfo);
      if (typeof qType !== 'string') throw objectNotFound('qInfo');
      const qInfo = { qId: `child-${target.id}-${target.children.length + 1}`, ...withoutEmpty(recordOf(given.qInfo)) };
      const child = everywhere
        ? session.doc.add('object', { ...given, qInfo }, target)
        : itemOf('object', { ...given, qInfo }, target);
      if (!everywhere) target.children.push(child);
      calling.changed(everywhere);
      return { qReturn: open('GenericObject', child, child.id, child.type), qInfo };
    },
  },
  DestroyChild: {
    params: { qId: 'string', qPropForThis: 'object?' },
    run: (args, calling) => {
      const everywhere = mayEdit(calling);
      const { session, target } = calling;
      const child = target.children.find(({ id }) => id === args.text('qId'));
      if (!child) return { qSuccess: false };
      if (everywhere) session.doc.remove(child);
      else target.children.splice(target.children.indexOf(child), 1);
      calling.gone(child);
      calling.changed(everywhere);
      return { qSuccess: true };
    },
  },
  GetLinkedObjects: { params: {}, run: () => ({ qItems: [] }) },
};

function withoutEmpty(info: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(info).filter(([, value]) => value !== ''));
}
