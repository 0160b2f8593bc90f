import { redactor } from '../../src/telemetry/redact.js';

describe('what no log may show', () => {
  it('is taken out in every form that it may have', () => {
    const value = 'a"b\\c/d+e f';
    const redact = redactor([value]);
    const forms = [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)];
    expect(forms.map((form) => redact?.(`<${form}>`))).toEqual(forms.map(() => '<[redacted]>'));
    expect(redact?.('innocent')).toBe('innocent');
  });

  it('is taken out line by line', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\nshort\n-----END PRIVATE KEY-----\n';
    const redact = redactor([pem]);
    expect(redact?.('line: MIGHAgEAMBMGByqGSM49AgEG, short')).toBe('line: [redacted], short');
    expect(redact?.(JSON.stringify({ pem }))).toBe('{"pem":"[redacted]"}');
  });

  it('is taken out whole, though another one begins like it', () => {
    expect(redactor(['canary', 'canary-two'])?.('canary-two canary')).toBe('[redacted] [redacted]');
  });

  it('is not so short that it stands everywhere', () => {
    expect(redactor(['1', 'true', ''])).toBeUndefined();
    expect(redactor([])).toBeUndefined();
  });

  it('may be no text that a URL could hold', () => {
    expect(redactor(['\ud800 lonely'])?.('x')).toBe('x');
  });
});
