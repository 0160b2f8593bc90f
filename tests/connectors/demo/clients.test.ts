import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import demo from '../../../src/connectors/demo/demo.js';
import type { KindDeps } from '../../../src/contracts.js';
import { systemClock } from '../../../src/core/async.js';

/** The official client, once per era, against the demo as it is. */
describe('the official client', () => {
  it.each([
    ['2026-07-28', { mode: { pin: '2026-07-28' } }],
    ['2025-11-25', { mode: 'legacy' }],
    ['2026-07-28', { mode: 'auto' }],
  ] as const)('speaks %s with it (%j)', async (revision, versionNegotiation) => {
    const running = await demo.create({ tokenLifetimeSeconds: 30 }, { clock: systemClock } as KindDeps);
    const { tokenUrl, clientId, clientSecret } = running.credential as unknown as Record<string, string>;
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId as string,
      client_secret: clientSecret as string,
    });
    const answer = await fetch(tokenUrl as string, { method: 'POST', body });
    const { access_token } = (await answer.json()) as { access_token: string };
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation });
    const headers = { Authorization: `Bearer ${access_token}` };
    const transport = new StreamableHTTPClientTransport(new URL(running.destination.url as string), {
      requestInit: { headers },
    });
    await client.connect(transport);
    expect(client.getNegotiatedProtocolVersion()).toBe(revision);
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(['echo', 'whoami', 'countdown']);
    const heard: number[] = [];
    const result = await client.callTool(
      { name: 'countdown', arguments: { from: 3 } },
      { onprogress: ({ progress }) => void heard.push(progress) },
    );
    expect(result).toMatchObject({ content: [{ type: 'text', text: 'Lift-off' }] });
    expect(heard).toEqual([1, 2, 3]);
    await client.close();
    await running.close?.();
  });
});
