import { EngineError } from './engineError.js';
import type { EngineMethods } from './engineMethod.js';

const VERSION = '12.2027.0';

/** Of handle −1. */
export const globalMethods: EngineMethods<object> = {
  OpenDoc: {
    params: { qDocName: 'string', qUserName: 'string?', qPassword: 'string?', qSerial: 'string?', qNoData: 'boolean?' },
    run: (args, { session, open }) => {
      if (args.text('qDocName') !== session.doc.app.id)
        throw new EngineError(1003, 'App not found', args.text('qDocName'));
      return { qReturn: open('Doc', session.doc, session.doc.app.id, 'Doc') };
    },
  },
  GetActiveDoc: {
    params: {},
    run: (_, { session, open }) => ({ qReturn: open('Doc', session.doc, session.doc.app.id, 'Doc') }),
  },
  EngineVersion: { params: {}, run: () => ({ qVersion: { qComponentVersion: VERSION } }) },
  QvVersion: { params: {}, run: () => ({ qReturn: VERSION }) },
  GetAuthenticatedUser: { params: {}, run: (_, { session }) => ({ qReturn: session.userId }) },
  IsPersonalMode: { params: {}, run: () => ({ qReturn: false }) },
  GetProgress: {
    params: { qRequestId: 'number' },
    run: () => ({
      qProgressData: { qStarted: false, qFinished: 0, qTotal: 0, qKB: 0, qMillisecs: 0, qUserInteractionWanted: false },
    }),
  },
  CancelRequest: { params: { qRequestId: 'number' }, run: () => ({}) },
  AbortRequest: { params: { qRequestId: 'number' }, run: () => ({}) },
};
