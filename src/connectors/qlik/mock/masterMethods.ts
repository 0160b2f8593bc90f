import type { Item } from './appDoc.js';
import { recordOf } from './cubeDefinition.js';
import type { EngineMethods } from './engineMethod.js';
import { propertyMethods } from './propertyMethods.js';

/** Of a master measure or dimension, whose definition has this name in its properties. */
export function masterMethods(name: 'qMeasure' | 'qDim'): EngineMethods<Item> {
  const definition = name === 'qMeasure' ? 'GetMeasure' : 'GetDimension';
  return {
    ...propertyMethods,
    GetLayout: {
      params: {},
      run: (_, { target }) => {
        const { qInfo, qMetaDef } = target.properties;
        return { qLayout: { qInfo, qMeta: recordOf(qMetaDef), [name]: target.properties[name] } };
      },
    },
    [definition]: { params: {}, run: (_, { target }) => ({ [name]: target.properties[name] }) },
  };
}
