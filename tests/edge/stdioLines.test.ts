import { Lines } from '../../src/edge/stdioLines.js';

function reading(most?: number) {
  const heard: string[] = [];
  const lines = new Lines({ line: (text) => heard.push(text), bad: (why) => heard.push(`!${why}`) }, most);
  return { heard, lines };
}

it('cuts lines wherever the chunks are cut', () => {
  const bytes = Buffer.from('{"a":"ä"}\r\n\n  \n{"b":1}\n{"c":2}');
  for (let size = 1; size <= bytes.length; size++) {
    const { heard, lines } = reading();
    for (let at = 0; at < bytes.length; at += size) lines.write(bytes.subarray(at, at + size));
    lines.end();
    expect(heard).toEqual(['{"a":"ä"}', '{"b":1}', '{"c":2}']);
  }
});

it('tells a line that is too long once, skips it to its end, and goes on', () => {
  const { heard, lines } = reading(10);
  lines.write(Buffer.from('short\n0123456789'));
  lines.write(Buffer.from('01234'));
  lines.write(Buffer.from('56789\nafter\n'));
  expect(heard).toEqual(['short', '!too-long', 'after']);
});

it('tells what is not UTF-8', () => {
  const { heard, lines } = reading();
  lines.write(Buffer.from([0x22, 0xff, 0x22, 0x0a]));
  lines.write(Buffer.from('"fine"\n'));
  expect(heard).toEqual(['!not-utf8', '"fine"']);
});
