import type { Reply } from '../contracts.js';
import { isObject } from '../core/json.js';
import { memberOf, withMembers } from '../wire/jsonText.js';
import { jsonReply } from '../wire/messages.js';
import { valueAt } from '../wire/paramAnnotations.js';
import type { Errand, ModernSender } from './legacyToModernSend.js';
import { type BridgeSessions, clientInfo, modernCapabilities, type SessionState } from './legacyToModernSession.js';
import { type Answer, readAnswer } from './legacyToModernStreams.js';
import { CODES, errorOf, legacyError, MODERN, RpcError, response } from './legacyToModernWords.js';

/** The revisions with sessions, the newest in front. */
export const LEGACY = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;

const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';

/** An `initialize`: its id and params as text, and parsed. */
export interface Initialize {
  readonly id: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly owner: string;
}

/**
 * Answers an `initialize` with what the server says of itself now, and begins a session. What isn't JSON-RPC, such as a
 * 401, is returned as it came.
 */
export async function initialize(
  { id, params, owner }: Initialize,
  sender: ModernSender,
  sessions: BridgeSessions,
  errand: Errand,
): Promise<Reply> {
  const capabilities = modernCapabilities(params.capabilities);
  const info = clientInfo(params.clientInfo);
  const reply = await sender.request(
    { method: 'server/discover', params: undefined, envelope: { capabilities, info } },
    errand,
  );
  if (reply.status >= 300) return reply;
  const answer = await readAnswer(reply, () => {}, errand.signal);
  try {
    const { discovered, text } = read(answer);
    const revision = LEGACY.find((known) => known === params.protocolVersion) ?? LEGACY[0];
    const state = { revision, capabilities, info, server: tellsOf(discovered.capabilities) };
    const session = sessions.begin(owner, state);
    const result = initializeResult(discovered, text, state, errand.attempt.route.destination);
    return jsonReply(response(id, 'result', result), ['mcp-session-id', session.id]);
  } catch (error) {
    if (error instanceof RpcError) return jsonReply(response(id, 'error', errorOf(error, errand.exchange)));
    throw error;
  }
}

interface Discovered {
  readonly discovered: Readonly<Record<string, unknown>>;
  readonly text: string;
}

function read({ text, message }: Answer): Discovered {
  const error = memberOf(text, 'error');
  if (error !== undefined) {
    const words = legacyError(error, message.error, { method: 'initialize' });
    const { code, message: said } = JSON.parse(words) as { code: number; message: string };
    throw new RpcError(code, said);
  }
  const { result } = message;
  if (!isObject(result)) throw new RpcError(CODES.internal, 'the server says nothing of itself');
  const { supportedVersions } = result;
  if (Array.isArray(supportedVersions) && !supportedVersions.includes(MODERN)) {
    throw new RpcError(CODES.internal, `the server doesn't speak ${MODERN}`);
  }
  return { discovered: result, text: memberOf(text, 'result') as string };
}

/** As text; instructions and whatever extensions say of themselves stay as the server wrote them. */
function initializeResult(
  discovered: Readonly<Record<string, unknown>>,
  text: string,
  { revision }: SessionState,
  destination: string,
): string {
  const info = valueAt(discovered, ['_meta', SERVER_INFO]) ?? { name: destination, version: 'unknown' };
  const capabilities = memberOf(text, 'capabilities') ?? '{}';
  const result = new Map<string, string | undefined>([
    ['protocolVersion', JSON.stringify(revision)],
    // Those of old can't be bridged, and the ones of the extension are declared among the extensions.
    ['capabilities', withMembers(capabilities, new Map([['tasks', undefined]]))],
    ['serverInfo', JSON.stringify(info)],
    ['instructions', memberOf(text, 'instructions')],
  ]);
  return withMembers('{}', result);
}

/** What a session has to know of its server, wherever it is served: see `SessionState`. */
function tellsOf(capabilities: unknown): string[] {
  const tells = ['tools', 'prompts', 'resources'].filter(
    (kind) => valueAt(capabilities, [kind, 'listChanged']) === true,
  );
  if (valueAt(capabilities, ['resources', 'subscribe']) === true) tells.push('subscribe');
  if (isObject(valueAt(capabilities, ['logging']))) tells.push('logging');
  return tells;
}
