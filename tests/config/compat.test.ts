import { faultsOf, load, placesOf } from './loadConfig.js';

const URL_OF_API = 'https://api.example.com/mcp';
const config = 'proxy.yaml';

describe('the flat keys of mcp-abap-adt-proxy', () => {
  it('are read, and each tells its new name once', async () => {
    const text = [
      'transport: streamable-http',
      'httpPort: 3005',
      'httpHost: localhost',
      'ssePort: 3002',
      `targetUrl: ${URL_OF_API}`,
      `defaultHeaders: { X-Sap-Login: "\${SAP_LOGIN}" }`,
      'browser: none',
      'unsafe: true',
      'maxRetries: 2',
      'retryDelay: 1000',
      'requestTimeout: 60000',
      'circuitBreakerThreshold: 6',
      'circuitBreakerTimeout: 60000',
      'logLevel: verbose',
    ].join('\n');
    const settings = await load({ files: { [config]: text }, flags: { config }, env: { SAP_LOGIN: 'me' } });
    expect(settings.server).toMatchObject({ host: 'localhost', port: 3005 });
    expect(settings.resilience).toMatchObject({
      firstByteMs: 60000,
      retry: { attempts: 3, baseMs: 1000 },
      circuitBreaker: { failures: 6, resetMs: 60000 },
    });
    expect(settings.telemetry.logLevel).toBe('debug');
    expect(settings.forced).toEqual({ destination: 'target' });
    expect(settings.defaultHeaders).toEqual([['x-sap-login', 'me']]);
    expect(settings.notices).toContain('proxy.yaml:httpPort, line 2: warning: is now server.port');
    expect(settings.notices).toHaveLength(14);
  });

  it('yield to new names in the same file, and to flags', async () => {
    const file = {
      httpPort: 1,
      server: { port: 2 },
      targetUrl: 'https://old.example.com/',
      defaultHeaders: { 'X-A': 'file', 'X-B': 'file' },
    };
    const flags = { config: 'c.json', url: URL_OF_API, header: ['x-a=flag'] };
    const settings = await load({ files: { 'c.json': file }, flags });
    expect(settings.server.port).toBe(2);
    expect(settings.destinations.get('target')?.options.url).toBe(URL_OF_API);
    expect(settings.defaultHeaders).toEqual([
      ['x-a', 'flag'],
      ['x-b', 'file'],
    ]);
  });

  it('refuse Authorization as a default header, and a transport that is not there', async () => {
    const file = { targetUrl: URL_OF_API, transport: 'stdio', defaultHeaders: { Authorization: 'Bearer x' } };
    const faults = await faultsOf({ files: { 'c.json': file }, flags: { config: 'c.json' } });
    expect(placesOf(faults.filter(({ severity }) => severity === 'fault'))).toEqual([
      'c.json:transport',
      'c.json:defaultHeaders.Authorization',
    ]);
  });

  it('keep the place of a value that is wrong', async () => {
    const faults = await faultsOf({ files: { 'c.json': { httpPort: 'x' } }, flags: { config: 'c.json' } });
    expect(faults[0]).toMatchObject({ file: 'c.json', path: 'httpPort', line: 2, message: 'must be a whole number' });
  });
});
