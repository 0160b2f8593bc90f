import type { AppDoc } from './appDoc.js';
import type { EngineMethods } from './engineMethod.js';

/** Of an app: its fields, and what is selected. */
export const docSelectionMethods: EngineMethods<AppDoc> = {
  GetField: {
    params: { qFieldName: 'string', qStateName: 'string?' },
    run: (args, { target, open }) => {
      const field = target.model.fields.get(args.text('qFieldName'));
      return { qReturn: field ? open('Field', field, field.name) : { qType: null, qHandle: null } };
    },
  },
  GetFieldDescription: {
    params: { qFieldName: 'string' },
    run: (args, { target }) => {
      const field = target.model.fields.get(args.text('qFieldName'));
      if (!field) return { qReturn: { qName: args.text('qFieldName'), qCardinal: 0, qTags: [], qSrcTables: [] } };
      const { name, values, tags, tables } = field;
      return {
        qReturn: { qInternalNumber: 0, qName: name, qSrcTables: tables, qCardinal: values.length, qTags: tags },
      };
    },
  },
  ClearAll: {
    params: { qLockedAlso: 'boolean?', qStateName: 'string?' },
    run: (args, { session, changed }) => {
      session.selections.clearAll(args.flag('qLockedAlso'));
      changed();
      return {};
    },
  },
  LockAll: {
    params: { qStateName: 'string?' },
    run: (_, { session, changed }) => {
      for (const name of session.selections.selected.keys()) session.selections.lock(name, true);
      changed();
      return {};
    },
  },
  UnlockAll: {
    params: { qStateName: 'string?' },
    run: (_, { session, changed }) => {
      for (const name of session.selections.selected.keys()) session.selections.lock(name, false);
      changed();
      return {};
    },
  },
  Back: {
    params: {},
    run: (_, { session, changed }) => {
      session.selections.back();
      changed();
      return {};
    },
  },
};
