import { jest } from '@jest/globals';
import type { Flow, Reply, Sink } from '../../src/contracts.js';
import { peeked } from '../../src/wire/peek.js';

const MOST = 10;

/** A server that writes when it is let, and whose every word is kept. */
function source(headers: string[] = ['content-type', 'application/json']) {
  const flow = { resume: jest.fn(), cancel: jest.fn() };
  let sink: Sink | undefined;
  const body = (to: Sink): Flow => {
    sink = to;
    return flow;
  };
  const reply: Reply = { status: 200, headers, body, origin: 'upstream' };
  return {
    reply,
    flow,
    write: (text: string) => sink?.write(Buffer.from(text)),
    end: () => sink?.end(),
    fail: () => sink?.fail(new Error('reset')),
  };
}

/** A caller that takes one chunk at a time. */
function reader() {
  const said: string[] = [];
  const sink: Sink = {
    write: (chunk) => {
      said.push(chunk.toString());
      return false;
    },
    end: () => void said.push('end'),
    fail: () => void said.push('fail'),
  };
  return { said, sink };
}

const attach = ({ body }: Reply, sink: Sink): Flow => (body as (sink: Sink) => Flow)(sink);

describe('a peek at an answer', () => {
  it('gives a short one in one piece', async () => {
    const { reply, write, end } = source();
    const read = peeked(reply, MOST);
    expect([write('{"a":'), write('1}')]).toEqual([true, true]);
    end();
    expect(String((await read).body)).toBe('{"a":1}');
  });

  it('stops the server at one that is too long, and hands on all of it in order, as fast as it is read', async () => {
    const { reply, flow, write, end } = source();
    const read = peeked(reply, MOST);
    expect(write('12345678')).toBe(true);
    expect(write('9012')).toBe(false);
    const { said, sink } = reader();
    const passed = attach(await read, sink);
    expect(said).toEqual(['12345678', '9012']);
    expect(flow.resume).not.toHaveBeenCalled();
    passed.resume();
    expect(flow.resume).toHaveBeenCalledTimes(1);
    expect(write('rest')).toBe(false);
    end();
    expect(said).toEqual(['12345678', '9012', 'rest', 'end']);
    passed.cancel();
    expect(flow.cancel).toHaveBeenCalledTimes(1);
  });

  it('lets no part pass for the whole where it broke off before anybody read', async () => {
    const { reply, write, fail } = source();
    const read = peeked(reply, MOST);
    write('123456789012');
    fail();
    const { said, sink } = reader();
    attach(await read, sink);
    expect(said).toEqual(['123456789012', 'fail']);
  });

  it('fails where a short one broke off', async () => {
    const { reply, write, fail } = source();
    const read = peeked(reply, MOST);
    write('{');
    fail();
    await expect(read).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
  });

  it.each([
    ['an event stream', ['content-type', 'text/event-stream']],
    ['what is compressed', ['content-type', 'application/json', 'content-encoding', 'gzip']],
    ['what says that it is too long', ['content-type', 'application/json', 'content-length', '11']],
  ])('leaves %s alone', (_what, headers) => {
    const { reply } = source(headers);
    expect(peeked(reply, MOST)).toBe(reply);
  });
});
