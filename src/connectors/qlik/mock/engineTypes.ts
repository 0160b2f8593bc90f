import { docMethods } from './docMethods.js';
import { docSelectionMethods } from './docSelectionMethods.js';
import type { EngineMethods } from './engineMethod.js';
import { fieldMethods } from './fieldMethods.js';
import { globalMethods } from './globalMethods.js';
import { masterMethods } from './masterMethods.js';
import { objectDataMethods } from './objectDataMethods.js';
import { objectMethods } from './objectMethods.js';
import { scriptMethods } from './scriptMethods.js';
import { variableMethods } from './variableMethods.js';

/** What handle −1 stands for. */
export const GLOBAL = Object.freeze({});

const TYPES: Readonly<Record<string, EngineMethods<never>>> = {
  Global: globalMethods,
  Doc: { ...docMethods, ...docSelectionMethods, ...scriptMethods },
  Field: fieldMethods,
  GenericObject: { ...objectMethods, ...objectDataMethods },
  GenericVariable: variableMethods,
  GenericMeasure: masterMethods('qMeasure'),
  GenericDimension: masterMethods('qDim'),
};

/** The methods of what a handle stands for. */
export function methodsOf(type: string): EngineMethods<never> {
  return TYPES[type] ?? {};
}
