import { failureText, isAnswer, oneLine, readSaid, refusalText } from '../../src/edge/messageCallerSaid.js';

const said = (message: unknown) => readSaid(JSON.stringify(message), undefined);
const CALL = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'a' } };

describe('isAnswer', () => {
  it.each([
    ['{"jsonrpc":"2.0","id":1,"result":{}}', true],
    ['{"result":{"method":"x"},"jsonrpc":"2.0","id":1}', true],
    ['{"id":"a","jsonrpc":"2.0","error":{"code":1,"message":"m"}}', true],
    ['{"jsonrpc": "2.0", "id": "with \\" quote", "result": {}}', true],
    ['[{"jsonrpc":"2.0","id":1,"result":{}}]', true],
    ['{"jsonrpc":"2.0","method":"notifications/progress","params":{"result":1}}', false],
    ['{"params":{"result":{}},"method":"notifications/message","jsonrpc":"2.0"}', false],
    ['{"jsonrpc":"2.0","id":3,"method":"sampling/createMessage","params":{}}', false],
    ['no JSON', false],
  ])('%s: %s', (text, expected) => {
    expect(isAnswer(text)).toBe(expected);
  });
});

it('keeps a message on one line without touching its text', () => {
  const pretty = JSON.stringify({ a: 'x\ny', b: [9007199254740993n.toString()] }, null, 2);
  expect(oneLine(pretty)).not.toContain('\n');
  expect(JSON.parse(oneLine(pretty))).toEqual(JSON.parse(pretty));
});

describe('the error for a call', () => {
  it("has the call's own id, or those of a whole batch, and none where nobody waits", () => {
    const failure = { code: 'UPSTREAM_BROKE', message: 'm' } as const;
    expect(JSON.parse(failureText(said(CALL), failure) ?? '')).toMatchObject({
      id: 7,
      error: { data: { code: 'UPSTREAM_BROKE' } },
    });
    const batch = said([CALL, { ...CALL, id: 'b' }, { jsonrpc: '2.0', method: 'notifications/x' }]);
    expect((JSON.parse(failureText(batch, failure) ?? '') as { id: unknown }[]).map(({ id }) => id)).toEqual([7, 'b']);
    expect(failureText(said({ jsonrpc: '2.0', method: 'notifications/x' }), failure)).toBeUndefined();
  });

  it("is the server's own where it has one, under the call's id", () => {
    const error = { code: -32602, message: 'no such tool' };
    const own = JSON.stringify({ jsonrpc: '2.0', id: 7, error });
    expect(refusalText(said(CALL), 400, own, 'r')).toBe(own);
    const nameless = JSON.stringify({ jsonrpc: '2.0', id: null, error });
    expect(JSON.parse(refusalText(said(CALL), 400, nameless, 'r') ?? '')).toEqual({ jsonrpc: '2.0', id: 7, error });
    expect(JSON.parse(refusalText(said(CALL), 403, '<html>', 'r') ?? '')).toMatchObject({
      error: { message: 'the server answered HTTP 403', data: { code: 'UPSTREAM_REFUSED', requestId: 'r' } },
    });
  });
});
