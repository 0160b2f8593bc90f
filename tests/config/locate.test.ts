import { configCandidates, type Machine, serviceKeyFolder } from '../../src/config/locate.js';

const linux: Machine = { env: {}, cwd: '/project', home: '/home/me', platform: 'linux' };
const windows: Machine = { env: {}, cwd: 'C:\\work', home: 'C:\\Users\\me', platform: 'win32' };

/** The folders of the candidates, in order. */
function folders(machine: Machine): string[] {
  return configCandidates(machine)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.replace(/.mcp-proxy-config\.json$/, ''));
}

it('a configuration is looked for here, then in the user folder', () => {
  expect(configCandidates(linux).slice(0, 4)).toEqual([
    '/project/mcp-proxy-config.json',
    '/project/mcp-proxy-config.jsonc',
    '/project/mcp-proxy-config.yaml',
    '/project/mcp-proxy-config.yml',
  ]);
  expect(folders(linux)).toEqual(['/project', '/home/me/.config/mcp-drawbridge']);
  expect(folders({ ...linux, env: { XDG_CONFIG_HOME: '/etc/me' } })).toEqual(['/project', '/etc/me/mcp-drawbridge']);
  expect(folders(windows)).toEqual(['C:\\work', 'C:\\Users\\me\\AppData\\Roaming\\mcp-drawbridge']);
  expect(folders({ ...windows, env: { APPDATA: 'D:\\data' } })[1]).toBe('D:\\data\\mcp-drawbridge');
});

it.each([
  [linux, undefined, '/home/me/.config/mcp-abap-adt/service-keys'],
  [linux, '/keys:/other', '/keys/service-keys'],
  [linux, '/keys/service-keys/;/other', '/keys/service-keys'],
  [linux, 'a:b', '/project/a/service-keys'],
  [linux, ' ; ', '/home/me/.config/mcp-abap-adt/service-keys'],
  [windows, undefined, 'C:\\Users\\me\\Documents\\mcp-abap-adt\\service-keys'],
  [windows, 'D:\\keys;E:\\other', 'D:\\keys\\service-keys'],
  [windows, 'D:\\keys:E:/other', 'D:\\keys\\service-keys'],
])('service keys are looked for in the first folder of AUTH_BROKER_PATH (%#)', (machine, AUTH_BROKER_PATH, folder) => {
  const env = AUTH_BROKER_PATH === undefined ? {} : { AUTH_BROKER_PATH };
  expect(serviceKeyFolder({ ...machine, env })).toBe(folder);
});
