import type { Flow, Reply, Sink } from '../../src/contracts.js';
import { readMessages } from '../../src/wire/messages.js';

function replying(type: string, play: (sink: Sink) => void) {
  const seen = { cancelled: 0 };
  const flow: Flow = {
    resume() {},
    cancel() {
      seen.cancelled += 1;
    },
  };
  const body = (sink: Sink) => {
    play(sink);
    return flow;
  };
  const reply: Reply = { status: 200, headers: ['content-type', type], body, origin: 'upstream' };
  return { reply, seen };
}

function reader() {
  const heard: string[] = [];
  return {
    heard,
    message: (text: string) => void heard.push(text),
    end: () => void heard.push('end'),
    fail: (reason: Error) => void heard.push(reason.message),
  };
}

it('lets nothing go that came whole at once', () => {
  for (const [type, text] of [
    ['application/json', '{}'],
    ['text/event-stream', 'data: {}\n\n'],
  ] as const) {
    const { reply, seen } = replying(type, (sink) => sink.end(Buffer.from(text)));
    const read = reader();
    readMessages(reply, read);
    expect(read.heard).toEqual(['{}', 'end']);
    expect(seen.cancelled).toBe(0);
  }
});

it('lets go of an answer that is larger than the reader takes, even where it came at once', () => {
  const { reply, seen } = replying('application/json', (sink) => void sink.write(Buffer.from('{"long":1}')));
  const read = reader();
  readMessages(reply, read, 5);
  expect(read.heard).toEqual(['the server sent a message that is too large to be read']);
  expect(seen.cancelled).toBe(1);
});
