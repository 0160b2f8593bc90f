import type { Item } from './appDoc.js';
import { numberOf } from './cells.js';
import type { Calling, EngineMethods } from './engineMethod.js';
import { textOf, variableText, variableValue } from './expressions.js';
import { propertyMethods } from './propertyMethods.js';

/** A value that is set lives in the session alone; the definition, in the app. */
function set({ session, target, changed }: Calling<Item>, text: string): object {
  session.variables.set(String(target.properties.qName), text);
  changed();
  return {};
}

/** Of a variable. */
export const variableMethods: EngineMethods<Item> = {
  ...propertyMethods,
  GetLayout: {
    params: {},
    run: (_, { session, target }) => {
      const value = variableValue(session, String(target.properties.qName));
      const { qInfo, qMetaDef } = target.properties;
      return {
        qLayout: { qInfo, qMeta: qMetaDef ?? {}, qText: textOf(value), qNum: numberOf(value), qIsScriptCreated: false },
      };
    },
  },
  GetRawContent: {
    params: {},
    run: (_, { session, target }) => ({ qReturn: variableText(session, String(target.properties.qName)) ?? '' }),
  },
  SetStringValue: { params: { qVal: 'string' }, run: (args, calling) => set(calling, args.text('qVal')) },
  SetNumValue: { params: { qVal: 'number' }, run: (args, calling) => set(calling, String(args.number('qVal'))) },
  SetDualValue: {
    params: { qText: 'string', qNum: 'number' },
    run: (args, calling) => set(calling, String(args.number('qNum'))),
  },
};
