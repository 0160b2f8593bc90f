import { Writable } from 'node:stream';
import { Secret } from '../../src/core/secret.js';
import { LogManager } from '../../src/telemetry/logManager.js';

function log(format: 'json' | 'pretty', shared = false) {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  return { manager: new LogManager({ level: 'info', format, stream, shared }), written, text: () => written.join('') };
}

describe('the log', () => {
  it.each(['json', 'pretty'] as const)('%s: one record is one line, whatever a caller wrote into it', (format) => {
    const { manager, text } = log(format);
    const tool = 'x\n12:00:00.000 error token.failed\u001b[31m\u009b\u2028\u007f';
    manager.write('info', 'exchange', 'exchange', { method: 'POST', tool, status: 200, ms: 1 });
    manager.flush();
    expect(text().trimEnd().split('\n')).toHaveLength(1);
    if (format === 'pretty') expect(text().trimEnd()).not.toMatch(/[\p{Cc}]/u);
    else expect(JSON.parse(text())).toMatchObject({ tool });
  });

  it('writes what went wrong at once, with all that led to it', () => {
    const { manager, text } = log('json');
    manager.write('info', 'exchange', 'exchange', { n: 1 });
    expect(text()).toBe('');
    manager.write('error', 'exchange.failed', 'failed', { n: 2 });
    expect(
      text()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).n),
    ).toEqual([1, 2]);
  });

  it.each(['json', 'pretty'] as const)('%s: shows nothing that is hidden now, or was before', (format) => {
    const { manager, text } = log(format);
    const say = (said: string) => {
      manager.write('error', 'x', 'x', { said });
      return text().trimEnd().split('\n').at(-1);
    };
    expect(say('first-value')).toContain('first-value');
    manager.hide([new Secret('first-value')]);
    expect(say('a first-value')).toContain('a [redacted]');
    manager.hide([new Secret('second-value')]);
    expect(say('first-value second-value')).toContain('[redacted] [redacted]');
    manager.hide([]);
    manager.hide([]);
    expect(say('second-value')).toContain('second-value');
  });

  it('judges levels before anything is built, and takes another level while it runs', () => {
    const { manager } = log('json');
    expect([manager.enabled('debug'), manager.enabled('info')]).toEqual([false, true]);
    manager.rules.configure({ level: 'error', destinations: {} });
    expect([manager.enabled('info'), manager.enabled('error')]).toEqual([false, true]);
  });

  it('writes whole lines in pieces that no pipe mixes, where others write to it too', () => {
    const { manager, text, written } = log('json', true);
    for (let n = 0; n < 100; n += 1) manager.write('info', 'exchange', 'exchange', { n, tool: 'é'.repeat(50) });
    manager.flush();
    expect(Math.max(...written.map((piece) => Buffer.byteLength(piece)))).toBeLessThanOrEqual(4096);
    expect(written.every((piece) => piece.endsWith('}\n'))).toBe(true);
    expect(
      text()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).n),
    ).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });
});
