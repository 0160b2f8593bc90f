import type { Flow, Reply, Sink } from '../../src/contracts.js';
import { acceptedReply, allMessages, EventStream, jsonReply, readMessages } from '../../src/wire/messages.js';

const STREAM = ['content-type', 'text/event-stream'];

function streamed(headers: string[], ...chunks: string[]): Reply {
  const body = (sink: Sink): Flow => {
    for (const chunk of chunks) sink.write(Buffer.from(chunk));
    sink.end();
    return { resume() {}, cancel() {} };
  };
  return { status: 200, headers, body, origin: 'upstream' };
}

it('reads an event stream that came at once', async () => {
  const body = Buffer.from('event: message\ndata: {"a":1}\n\ndata: {"b":2}\n\n');
  const reply: Reply = { status: 200, headers: STREAM, body, origin: 'upstream' };
  expect(await allMessages(reply)).toEqual(['{"a":1}', '{"b":2}']);
});

/** A sink that remembers, and takes so much at a time. */
class Remembering implements Sink {
  text = '';
  ended = false;
  failure: Error | undefined;
  ready = true;

  write(chunk: Buffer): boolean {
    this.text += chunk;
    return this.ready;
  }

  end(chunk?: Buffer): void {
    this.text += chunk ?? '';
    this.ended = true;
  }

  fail(reason: Error): void {
    this.failure = reason;
  }
}

function attach(reply: Reply, sink: Sink): Flow {
  return (reply.body as (sink: Sink) => Flow)(sink);
}

describe('the messages of an answer', () => {
  it('are one, where it is JSON', async () => {
    await expect(allMessages(jsonReply({ id: 1 }))).resolves.toEqual(['{"id":1}']);
    await expect(allMessages(streamed(['content-type', 'application/json'], '{"id"', ':1}'))).resolves.toEqual([
      '{"id":1}',
    ]);
  });

  it('are the data of its events, where it is a stream', async () => {
    const reply = streamed(STREAM, 'data: {"a":1}\n\n:\n\ndata: {"b"', ':2}\n\n');
    await expect(allMessages(reply)).resolves.toEqual(['{"a":1}', '{"b":2}']);
  });

  it('are the same where the stream was read before', async () => {
    const body = Buffer.from('data: {"a":1}\n\ndata: {"b":2}\n\n');
    const reply: Reply = { status: 200, headers: STREAM, body, origin: 'upstream' };
    await expect(allMessages(reply)).resolves.toEqual(['{"a":1}', '{"b":2}']);
  });

  it('are none where there is no body', async () => {
    await expect(allMessages(acceptedReply())).resolves.toEqual([]);
  });

  it('leave out an event that broke off', async () => {
    await expect(allMessages(streamed(STREAM, 'data: {"a":1}\n\ndata: {"b":'))).resolves.toEqual(['{"a":1}']);
  });

  it('come with the id of their event, and an event without data primes', () => {
    const seen: unknown[] = [];
    readMessages(streamed(STREAM, 'id: 1\nretry: 5\ndata:\n\nid: 2\ndata: {}\n\n'), {
      message: (text, event) => seen.push([text, event?.id]),
      primed: ({ id, retry }) => seen.push([id, retry]),
      end: () => seen.push('end'),
      fail: (reason) => seen.push(reason),
    });
    expect(seen).toEqual([['1', 5], ['{}', '2'], 'end']);
  });

  it('are refused past the limit, and the source is let go of', () => {
    let cancelled = false;
    const body = (sink: Sink): Flow => {
      for (let i = 0; i < 5; i++) sink.write(Buffer.alloc(1024 * 1024, ' '));
      return { resume() {}, cancel: () => (cancelled = true) };
    };
    const failures: Error[] = [];
    const reader = { message() {}, end() {}, fail: (reason: Error) => failures.push(reason) };
    readMessages({ status: 200, headers: [], body, origin: 'upstream' }, reader);
    expect(failures).toHaveLength(1);
    expect(cancelled).toBe(true);
  });
});

describe('an event stream of ours', () => {
  it('gives what was sent before and after somebody read, and the end', () => {
    const stream = new EventStream();
    stream.send({ data: 'one' });
    const sink = new Remembering();
    attach(stream.reply(), sink);
    stream.send({ id: '2', data: 'two' });
    stream.end();
    stream.send({ data: 'late' });
    expect(sink).toMatchObject({ text: 'data: one\n\nid: 2\ndata: two\n\n', ended: true });
  });

  it('waits for a reader that is full', () => {
    const stream = new EventStream();
    const sink = new Remembering();
    sink.ready = false;
    const flow = attach(stream.reply(), sink);
    stream.send({ data: 'one' });
    stream.send({ data: 'two' });
    expect(sink.text).toBe('data: one\n\n');
    flow.resume();
    expect(sink.text).toBe('data: one\n\ndata: two\n\n');
  });

  it('breaks off for a reader that takes nothing, and says that it left', () => {
    let left = 0;
    const stream = new EventStream(() => (left += 1));
    const sink = new Remembering();
    sink.ready = false;
    attach(stream.reply(), sink);
    for (let i = 0; i < 6; i++) stream.send({ data: 'x'.repeat(1024 * 1024) });
    expect(sink.failure).toBeDefined();
    expect(left).toBe(1);
    expect(stream.over).toBe(true);
  });

  it('says that its reader left, but not after the end', () => {
    let left = 0;
    const open = new EventStream(() => (left += 1));
    attach(open.reply(), new Remembering()).cancel();
    const ended = new EventStream(() => (left += 1));
    const flow = attach(ended.reply(), new Remembering());
    ended.end();
    flow.cancel();
    expect(left).toBe(1);
  });
});
