import type { Field } from './dataModel.js';
import type { Calling, EngineMethod, EngineMethods } from './engineMethod.js';
import { matches } from './expressionFunctions.js';
import { finds } from './listObject.js';

/** Tells everybody who looks at the session, and answers whether it came to something. */
function done({ changed }: Calling<Field>, success: boolean): object {
  if (success) changed();
  return { qReturn: success };
}

/** Selects the values with these states. */
function ofStates(...states: readonly string[]): EngineMethod<Field> {
  return {
    params: { qSoftLock: 'boolean?' },
    run: (_, calling) => {
      const { session, target } = calling;
      const found = session.selections
        .states(target.name)
        .flatMap((state, element) => (states.includes(state) ? [element] : []));
      return done(calling, session.selections.select(target.name, found));
    },
  };
}

function bySearch(toggle: boolean): EngineMethod<Field> {
  return {
    params: { qMatch: 'string', qSoftLock: 'boolean?', qExcludedValuesMode: 'number?' },
    run: (args, calling) => {
      const { session, target } = calling;
      const match = args.text('qMatch');
      const found = target.values.flatMap((value, element) => (meets(value, match) ? [element] : []));
      return done(calling, session.selections.select(target.name, found, toggle));
    },
  };
}

/** `>=10`, `=…` as a number, a wildcard, or the very text. */
function meets(value: string | number, match: string): boolean {
  const bound = /^([<>]=?)\s*(-?[\d.]+)$/.exec(match);
  if (!bound) return /[*?]/.test(match) ? finds(String(value), match) : matches(String(value), match.replace(/^=/, ''));
  const [, sign, limit] = bound;
  const difference = Number(value) - Number(limit);
  if (difference === 0) return sign?.endsWith('=') === true;
  return sign?.startsWith('>') === true ? difference > 0 : difference < 0;
}

const values: EngineMethod<Field> = {
  params: { qFieldValues: 'array', qToggleMode: 'boolean?', qSoftLock: 'boolean?' },
  run: (args, calling) => {
    const { session, target } = calling;
    const elements = args
      .list<{ qText?: string; qNumber?: number; qIsNumeric?: boolean }>('qFieldValues')
      .map((value) => {
        const wanted = value.qIsNumeric ? value.qNumber : value.qText;
        return target.values.findIndex((one) => one === wanted || (!value.qIsNumeric && String(one) === wanted));
      });
    return done(calling, session.selections.select(target.name, elements, args.flag('qToggleMode')));
  },
};

/** Of a field. */
export const fieldMethods: EngineMethods<Field> = {
  GetCardinal: { params: {}, run: (_, { target }) => ({ qReturn: target.values.length }) },
  Select: bySearch(false),
  ToggleSelect: bySearch(true),
  SelectValues: values,
  LowLevelSelect: {
    params: { qValues: 'array', qToggleMode: 'boolean', qSoftLock: 'boolean?' },
    run: (args, calling) => {
      const { session, target } = calling;
      return done(
        calling,
        session.selections.select(target.name, args.list<number>('qValues'), args.flag('qToggleMode')),
      );
    },
  },
  SelectAll: ofStates('S', 'O', 'A', 'X', 'XS', 'L'),
  SelectPossible: ofStates('S', 'O', 'L'),
  SelectExcluded: ofStates('X', 'A', 'XS'),
  SelectAlternative: ofStates('A'),
  Clear: {
    params: {},
    run: (_, calling) => done(calling, calling.session.selections.clear(calling.target.name)),
  },
  ClearAllButThis: {
    params: { qSoftLock: 'boolean?' },
    run: (_, calling) => {
      calling.session.selections.clearAll(false, calling.target.name);
      return done(calling, true);
    },
  },
  Lock: { params: {}, run: (_, calling) => done(calling, calling.session.selections.lock(calling.target.name, true)) },
  Unlock: {
    params: {},
    run: (_, calling) => done(calling, calling.session.selections.lock(calling.target.name, false)),
  },
};
