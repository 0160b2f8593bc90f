import type { Attempt, Exchange, Reply, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { derive, type OpenExchange } from '../wire/exchange.js';
import { callerLeft } from '../wire/explain.js';
import { headerValue, isEventStream } from '../wire/headers.js';
import { memberOf, withMembers } from '../wire/jsonText.js';
import { allMessages, EventStream, jsonReply } from '../wire/messages.js';
import { mirrorLines, type ParamHeaders } from '../wire/mirror.js';
import { valueAt } from '../wire/paramAnnotations.js';
import type { BridgeDeps } from './deps.js';
import { type Asked, type Parking, readAsked } from './legacyToModernAsking.js';
import { readAnswer } from './legacyToModernAnswer.js';
import { keepAlive } from './legacyToModernStream.js';
import type { Cancellable, Session } from './legacyToModernSession.js';
import {
  CODES,
  errorOf,
  isObject,
  legacyError,
  legacyResult,
  legacyTools,
  MODERN,
  response,
  RpcError,
  withEnvelope,
} from './legacyToModernWords.js';
