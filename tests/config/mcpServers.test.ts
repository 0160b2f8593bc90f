import { faultsOf, load, placesOf } from './loadConfig.js';

const config = 'mcp.json';

function loadServers(servers: object, more: object = {}) {
  return load({ files: { [config]: { mcpServers: servers, ...more } }, flags: { config }, env: { TOKEN: 'secret' } });
}

describe("a client's mcpServers", () => {
  it('become http destinations, a secret header a credential for their own origin', async () => {
    const settings = await loadServers({
      plain: { url: 'https://a.example.com/mcp' },
      old: { type: 'sse', url: 'https://c.example.com/sse' },
      keyed: {
        type: 'http',
        url: 'https://b.example.com/mcp',
        headers: { 'X-Team': 'blue', Authorization: `Bearer \${TOKEN}` },
      },
    });
    expect(settings.notices).toEqual([]);
    expect(settings.destinations.get('plain')).toMatchObject({
      kind: 'http',
      options: { url: 'https://a.example.com/mcp' },
    });
    expect(settings.destinations.get('old')).toMatchObject({
      kind: 'sse',
      options: { url: 'https://c.example.com/sse' },
    });
    expect(settings.destinations.get('keyed')?.options).toEqual({
      url: 'https://b.example.com/mcp',
      headers: { 'X-Team': 'blue' },
      credential: 'keyed',
    });
    expect(settings.credentials.get('keyed')).toMatchObject({
      kind: 'static',
      options: { header: 'Authorization', value: 'Bearer secret', origins: ['https://b.example.com'] },
    });
  });

  it('become stdio destinations where they have a command', async () => {
    const settings = await loadServers({
      files: { command: 'npx', args: ['-y', 'server'], env: { KEY: `\${TOKEN}` }, cwd: 'data', autoApprove: [] },
      typed: { type: 'stdio', command: 'server' },
      nothing: { type: 'stdio' },
    });
    const entry = (name: string) => settings.destinations.get(name);
    expect([...settings.destinations.keys()]).toEqual(['files', 'typed']);
    expect(entry('files')).toMatchObject({
      kind: 'stdio',
      options: { command: 'npx', args: ['-y', 'server'], env: { KEY: 'secret' }, cwd: 'data' },
    });
    expect(entry('typed')).toMatchObject({ kind: 'stdio', options: { command: 'server' } });
    expect(settings.notices.map((notice) => notice.replace(/, line \d+/, ''))).toEqual([
      'mcp.json:mcpServers.files.autoApprove: warning: is ignored: it is not a key that is known here',
      'mcp.json:mcpServers.nothing: warning: is ignored: it has neither url nor command',
    ]);
  });

  it('are told and left out where this version does not serve them', async () => {
    const settings = await loadServers({
      websocket: { type: 'ws', url: 'https://a.example.com/sse' },
      off: { url: 'https://a.example.com/mcp', disabled: true },
      us: { command: 'npx', args: ['-y', 'mcp-drawbridge@latest', 'stdio'] },
      port: { url: 'http://localhost:3001/mcp/x' },
      odd: { url: 'https://a.example.com/mcp', autoApprove: [] },
    });
    expect([...settings.destinations.keys()]).toEqual(['odd']);
    expect(settings.notices.map((notice) => notice.replace(/, line \d+/, ''))).toEqual([
      'mcp.json:mcpServers.websocket: warning: is ignored: type "ws" is not in this version yet',
      'mcp.json:mcpServers.us: warning: is ignored: it starts Drawbridge itself',
      'mcp.json:mcpServers.port: warning: is ignored: it starts Drawbridge itself',
      'mcp.json:mcpServers.odd.autoApprove: warning: is ignored: it is not a key that is known here',
    ]);
  });

  it('get legal names, always the same ones', async () => {
    const url = 'https://a.example.com/mcp';
    const settings = await loadServers({ 'My Server!': { url }, 'My-Server-': { url }, sse: { url }, 日本: { url } });
    expect([...settings.destinations.keys()]).toEqual(['My-Server-', 'My-Server--2', 'sse-server', 'server']);
    expect(settings.notices[0]).toBe('mcp.json:mcpServers.My Server!, line 3: warning: is called "My-Server-" here');
  });

  it('may stand under servers, beside foreign keys, or among destinations', async () => {
    const url = 'https://a.example.com/mcp';
    const file = {
      servers: { one: { type: 'http', url } },
      inputs: [],
      destinations: { two: { url, disabled: false } },
    };
    const settings = await load({ files: { [config]: file }, flags: { config } });
    expect([...settings.destinations.keys()].sort()).toEqual(['one', 'two']);
    expect(settings.notices).toEqual(['mcp.json:inputs, line 8: warning: is ignored: it is not a key of Drawbridge']);
  });

  it('have their faults where the client wrote them', async () => {
    const file = {
      mcpServers: { bad: { url: 'nowhere', headers: { 'x-api-key': 'k' } }, unset: { url: `\${UNSET}` } },
    };
    const faults = await faultsOf({ files: { [config]: file }, flags: { config } });
    expect(placesOf(faults)).toEqual(['mcp.json:mcpServers.bad.url', 'mcp.json:mcpServers.unset.url']);
  });

  it('do not lose a section to come', async () => {
    const file = { mcpServers: {}, permissions: { roles: {} } };
    expect(placesOf(await faultsOf({ files: { [config]: file }, flags: { config } }))).toEqual([
      'mcp.json:permissions',
    ]);
  });
});
