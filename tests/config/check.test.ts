import { renderFaults } from '../../src/config/check.js';

it('a fault is one line that starts with file and path', () => {
  const text = renderFaults([
    { file: 'c.json', path: 'server.port', line: 3, message: 'must be a whole number', severity: 'fault' },
    { file: 'flags', path: '--url', message: 'is odd', hint: 'Leave it out.', severity: 'warning' },
  ]);
  expect(text).toBe('c.json:server.port, line 3: must be a whole number\nflags:--url: warning: is odd (Leave it out.)');
});
