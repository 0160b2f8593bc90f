import type { Exchange, Principal, Reply, Route } from '../../src/contracts.js';
import { GatewayError, LoginRequired } from '../../src/core/errors.js';
import { Seal } from '../../src/core/seal.js';
import { askingForLogins } from '../../src/gateway/askingForLogins.js';
import { parseCall } from '../../src/wire/mcp.js';
import { SteppedClock } from '../credentials/steppedClock.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

const ALICE: Principal = { subject: 'keys:alice', roles: [], claims: {} };
const BOB: Principal = { subject: 'keys:bob', roles: [], claims: {} };
const URL_MODE = { elicitation: { url: {} } };
const PAGE = 'https://mcp.example.com/login/abc';

function meta(clientCapabilities: object) {
  const key = 'io.modelcontextprotocol/';
  return { [`${key}protocolVersion`]: '2026-07-28', [`${key}clientCapabilities`]: clientCapabilities };
}

function asked(method: string, params: object | string, principal = ALICE): Exchange {
  const text = typeof params === 'string' ? params : JSON.stringify(params);
  const body = Buffer.from(`{"jsonrpc":"2.0","id":7,"method":"${method}","params":${text}}`);
  const route = { destination: 'notes', url: new URL('https://notes.example.com/mcp') } as Route;
  const request = fakeInbound('/mcp', {});
  return fakeExchange(request, { principal, route, call: parseCall(body, request) });
}

const tool = (more: object = {}, capabilities: object = URL_MODE) => ({
  name: 't',
  ...more,
  _meta: meta(capabilities),
});
const OK: Reply = { status: 200, headers: [], body: null, origin: 'upstream' };

type Said = { result?: Record<string, unknown>; error?: { code: number; data: Record<string, unknown> } };
const said = ({ body }: Reply) => JSON.parse(String(body)) as Said & { id: unknown };

describe('where a person must log in', () => {
  function bench() {
    const clock = new SteppedClock();
    let back: () => void = () => {};
    const over = new Promise<void>((resolve) => {
      back = resolve;
    });
    const failure = new GatewayError('LOGIN_REQUIRED', 'no token', {
      hint: 'h',
      cause: new LoginRequired(PAGE, { over }),
    });
    const state = { loggedIn: false };
    const bodies: string[] = [];
    const handler = askingForLogins(
      async (exchange) => {
        bodies.push(String(exchange.call?.body));
        if (!state.loggedIn) throw failure;
        return OK;
      },
      { clock, seal: new Seal() },
    );
    const ask = (exchange: Exchange) => Promise.resolve(handler(exchange));
    const logIn = () => {
      state.loggedIn = true;
      back();
    };
    return { clock, ask, bodies, failure, logIn, state };
  }

  it('a call of 2026-07-28 is answered with a question for its client', async () => {
    const { ask, failure } = bench();
    const exchange = asked('tools/call', tool());
    const reply = await ask(exchange);
    expect(reply.status).toBe(200);
    expect(said(reply)).toEqual({
      jsonrpc: '2.0',
      id: 7,
      result: {
        resultType: 'input_required',
        inputRequests: {
          login: { method: 'elicitation/create', params: { mode: 'url', url: PAGE, message: expect.any(String) } },
        },
        requestState: expect.stringMatching(/^drawbridge-login\.[\w-]+$/),
      },
    });
    expect(exchange.failure).toBe(failure);
  });

  it.each([
    ['that declares nothing of it', asked('tools/call', tool({}, {}))],
    ['that shows forms only', asked('tools/call', tool({}, { elicitation: { form: {} } }))],
    ['that asks for what can ask nothing', asked('tools/list', tool())],
    ['of 2025, whose session is not known for it', asked('tools/call', { name: 't' })],
    [
      'that only lies about it in its arguments',
      asked('tools/call', { name: 't', arguments: { elicitation: { url: {} } } }),
    ],
  ])('a client %s gets the error', async (_, exchange) => {
    const { ask, failure } = bench();
    await expect(ask(exchange)).rejects.toBe(failure);
  });

  it.each([
    ['its initialize', asked('initialize', { capabilities: URL_MODE })],
    ['its session', Object.assign(asked('tools/call', { name: 't' }), { elicitsUrls: true })],
  ])('a client of 2025-11-25 that declared it in %s gets the error that has the address', async (_, exchange) => {
    const { ask } = bench();
    const first = said(await ask(exchange));
    expect(first.error).toMatchObject({ code: -32042, data: { code: 'LOGIN_REQUIRED', hint: 'h' } });
    const { elicitations = [] } = first.error?.data ?? {};
    const [elicitation] = elicitations as Record<string, string>[];
    expect(elicitation).toMatchObject({ mode: 'url', url: PAGE, message: expect.any(String) });
    const again = said(await ask(exchange));
    expect(again.error?.data.elicitations).toEqual([elicitation]);
  });

  async function question(ask: (exchange: Exchange) => Promise<Reply>): Promise<string> {
    return said(await ask(asked('tools/call', tool()))).result?.requestState as string;
  }

  it('the repeated call waits for the person, and reaches the server as it was first', async () => {
    const { ask, bodies, clock, logIn } = bench();
    const requestState = await question(ask);
    const big = `{"name":"t","arguments":{"n":9007199254740993},"inputResponses":{"login":{"action":"accept"}},"requestState":"${requestState}","_meta":${JSON.stringify(meta(URL_MODE))}}`;
    const reply = ask(asked('tools/call', big));
    await clock.advance(20_000);
    logIn();
    expect(await reply).toBe(OK);
    expect(bodies.at(-1)).toContain('9007199254740993');
    expect(bodies.at(-1)).not.toMatch(/inputResponses|requestState/);
  });

  it('is asked for again when nobody came, in time for the client', async () => {
    const { ask, clock } = bench();
    const requestState = await question(ask);
    const reply = ask(asked('tools/call', tool({ requestState, inputResponses: { login: { action: 'accept' } } })));
    await clock.advance(25_000);
    expect(said(await reply).result).toMatchObject({ resultType: 'input_required' });
  });

  it.each(['decline', 'cancel'])('is not asked for again after a %s', async (action) => {
    const { ask, failure } = bench();
    const requestState = await question(ask);
    const exchange = asked('tools/call', tool({ requestState, inputResponses: { login: { action } } }));
    await expect(ask(exchange)).rejects.toBe(failure);
  });

  it.each([
    ['of another caller', (state: string) => asked('tools/call', tool({ requestState: state }), BOB)],
    ['of another call', (state: string) => asked('tools/call', { ...tool({ requestState: state }), name: 'other' })],
    ['that was changed', (state: string) => asked('tools/call', tool({ requestState: `${state}A` }))],
  ])('a question %s holds nobody up, and goes no further', async (_, exchange) => {
    const { ask, bodies } = bench();
    const reply = await ask(exchange(await question(ask)));
    expect(said(reply).result).toMatchObject({ resultType: 'input_required' });
    expect(bodies.at(-1)).not.toContain('requestState');
  });

  it("leaves a server's own questions alone", async () => {
    const { ask, bodies, state } = bench();
    state.loggedIn = true;
    const exchange = asked(
      'tools/call',
      tool({ requestState: 'theirs', inputResponses: { login: { action: 'accept' } } }),
    );
    const sent = String(exchange.call?.body);
    expect(await ask(exchange)).toBe(OK);
    expect(bodies).toEqual([sent]);
  });
});
