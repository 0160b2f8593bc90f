import { kinds } from '../../src/kinds.js';
import { faultsOf, load } from './loadConfig.js';

const faultsIn = async (destination: object, more: object = {}) => {
  const config = { destinations: { tools: { kind: 'toolset', ...destination } }, ...more };
  const faults = await faultsOf({ files: { 'mcp-proxy-config.json': config } });
  return faults.map(({ path, message, hint }) => [path, message, hint]);
};

describe('a destination of kind toolset', () => {
  it('has its own options judged by its toolset, with their defaults', async () => {
    const config = { destinations: { tools: { kind: 'toolset', toolset: 'demo', options: { stepMs: '50' } } } };
    const { destinations } = await load({ files: { 'mcp-proxy-config.json': config } });
    expect(destinations.get('tools')).toMatchObject({ kind: 'toolset', options: { options: { stepMs: '50' } } });
  });

  it('names a toolset that there is', async () => {
    expect(await faultsIn({ toolset: 'deno' })).toEqual([
      ['destinations.tools.toolset', 'toolset "deno" is unknown', 'did you mean "demo"?'],
    ]);
    const known = `Known: ${Object.keys(kinds.toolsets).join(', ')}.`;
    expect(await faultsIn({ toolset: 'constructor' })).toEqual([
      ['destinations.tools.toolset', 'toolset "constructor" is unknown', known],
    ]);
    expect(await faultsIn({})).toEqual([['destinations.tools.toolset', 'is required', undefined]]);
  });

  it('is told which of the own options is wrong, and where it stands', async () => {
    expect(await faultsIn({ toolset: 'demo', options: { stepMs: 0, steps: 1 } })).toEqual([
      ['destinations.tools.options.stepMs', expect.stringContaining('>=1'), undefined],
      ['destinations.tools.options.steps', 'is not a known key', 'did you mean "stepMs"?'],
    ]);
  });

  it('keeps answers in a store that there is, and that can seal them', async () => {
    const url = 'https://acme.eu.qlikcloud.com';
    const destination = { toolset: 'qlik', url, options: { cache: { store: 'shared' } } };
    const stores = (more: object) => ({ stores: { shared: { kind: 'redis', url: 'redis://127.0.0.1', ...more } } });
    const place = 'destinations.tools.options.cache.store';
    expect(await faultsIn(destination)).toEqual([[place, 'there is no store "shared"', 'Define it in stores.']]);
    const hint = 'Add stores.shared.vaultKey: 32 random characters or more, the same for every replica.';
    expect(await faultsIn(destination, stores({}))).toEqual([
      [place, 'the store has no key to seal answers with', hint],
    ]);
    const config = {
      destinations: { tools: { kind: 'toolset', ...destination } },
      ...stores({ vaultKey: 'x'.repeat(32) }),
    };
    await expect(load({ files: { 'mcp-proxy-config.json': config } })).resolves.toBeDefined();
  });

  it('of a toolset that calls nobody has no place to call, and shows nothing', async () => {
    const url = 'https://tenant.example.com';
    expect(await faultsIn({ toolset: 'demo', url })).toEqual([
      ['destinations.tools.url', 'toolset "demo" calls no vendor', 'Leave it out.'],
    ]);
  });

  it('of a toolset with a vendor says where that is', async () => {
    const vendor = { ...(await kinds.toolsets.demo()).default, placeless: undefined };
    const toolsets = { ...kinds.toolsets, vendor: async () => ({ default: vendor }) };
    const { checkToolset } = await import('../../src/config/toolsets.js');
    const place = { file: 'f', path: 'destinations.tools', baseDir: '/' };
    const leaf = (key: string, value: string) => [key, { place: { ...place, path: key }, value }] as const;
    const tree = { place, entries: new Map([leaf('kind', 'toolset'), leaf('toolset', 'vendor')]) };
    const faults = await checkToolset(tree, toolsets as never);
    expect(faults.map(({ path, message }) => [path, message])).toEqual([['destinations.tools.url', 'is required']]);
  });
});
