import { EventSplitter, readEvent, readEvents, writeEvent } from '../../src/wire/sse.js';

function split(...chunks: string[]): string[] {
  const events: string[] = [];
  const splitter = new EventSplitter((event) => events.push(event.toString()));
  for (const chunk of chunks) splitter.write(Buffer.from(chunk));
  return events;
}

describe('an event stream', () => {
  it('is cut into its events, byte for byte, however it comes', () => {
    const stream = 'data: one\n\nid: 7\ndata: two\n\n: alive\n\n';
    expect(split(stream)).toEqual(['data: one\n\n', 'id: 7\ndata: two\n\n', ': alive\n\n']);
    expect(split(...stream)).toEqual(split(stream));
  });

  it.each(['\n', '\r', '\r\n'])('knows the line end %j', (end) => {
    const events = split(...`data: one${end}${end}data: two${end}${end}`);
    expect(events.flatMap((event) => readEvent(Buffer.from(event)).data ?? [])).toEqual(['one', 'two']);
  });

  it('keeps what has not ended', () => {
    expect(split('data: one\n\ndata: tw')).toEqual(['data: one\n\n']);
  });

  it('refuses an event past the limit', () => {
    const splitter = new EventSplitter(() => {});
    expect(splitter.write(Buffer.alloc(4 * 1024 * 1024 + 1, 'x'))).toBe(false);
  });
});

describe('an event', () => {
  it('is read field by field', () => {
    expect(readEvent(Buffer.from('event: message\nid: 7\nretry: 500\ndata: a\ndata:b\nother: x\n\n'))).toEqual({
      event: 'message',
      id: '7',
      retry: 500,
      data: 'a\nb',
    });
  });

  it('has no data where it says none, and empty data where it says so', () => {
    expect(readEvent(Buffer.from(': a comment\n\n'))).toEqual({});
    expect(readEvent(Buffer.from('id: 1\ndata:\n\n'))).toEqual({ id: '1', data: '' });
  });

  it('ignores a retry that is no number, and an id with a null', () => {
    expect(readEvent(Buffer.from('retry: soon\nid: a\0b\n\n'))).toEqual({});
  });

  it('is read as it was written', () => {
    const event = { event: 'endpoint', id: '9', retry: 10, data: 'two\nlines' };
    expect(readEvents(Buffer.concat([writeEvent(event), writeEvent({ data: '{}' })]))).toEqual([event, { data: '{}' }]);
  });
});
