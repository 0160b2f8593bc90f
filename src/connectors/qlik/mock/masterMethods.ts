import type { Item } from './appDoc.js';
import { recordOf } from './cubeDefinition.js';
import { accessDenied } from './engineError.js';
import type { EngineMethods } from './engineMethod.js';

/** Of a master measure or dimension, whose definition has this name in its properties. */
export function masterMethods(name: 'qMeasure' | 'qDim'): EngineMethods<Item> {
  const definition = name === 'qMeasure' ? 'GetMeasure' : 'GetDimension';
  return {
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
    GetLayout: {
      params: {},
      run: (_, { target }) => {
        const { qInfo, qMetaDef } = target.properties;
        return { qLayout: { qInfo, qMeta: recordOf(qMetaDef), [name]: target.properties[name] } };
      },
    },
    GetInfo: { params: {}, run: (_, { target }) => ({ qInfo: target.properties.qInfo }) },
    [definition]: { params: {}, run: (_, { target }) => ({ [name]: target.properties[name] }) },
  };
}
