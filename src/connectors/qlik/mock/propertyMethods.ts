import type { Item } from './appDoc.js';
import { accessDenied } from './engineError.js';
import type { EngineMethods } from './engineMethod.js';

/** What master items and variables have in common: their properties, replaced as a whole. */
export const propertyMethods: EngineMethods<Item> = {
  GetProperties: { params: {}, run: (_, { target }) => ({ qProp: target.properties }) },
  SetProperties: {
    params: { qProp: 'object' },
    run: (args, { target, editable, changed }) => {
      if (!editable) throw accessDenied();
      target.properties = structuredClone(args.object('qProp'));
      changed(true);
      return {};
    },
  },
  GetInfo: { params: {}, run: (_, { target }) => ({ qInfo: target.properties.qInfo }) },
};
