import * as z from 'zod';
import type { Expansion, Kind } from '../../contracts.js';
import { integer } from '../../core/schema.js';

const options = z.strictObject({
  /** Short, so that a user sees a token being renewed without waiting for long. */
  tokenLifetimeSeconds: integer(1, 86_400).default(30),
});

type Options = z.infer<typeof options>;

/** A protected MCP server and the authorization server that it trusts, both in this process and on loopback: something to try Drawbridge on. */
const demo: Kind<Expansion, Options> = {
  options,
  async create({ tokenLifetimeSeconds }, { clock }) {
    const { startTokenEndpoint } = await import('./tokenEndpoint.js');
    const { startMcpServer } = await import('./mcpServer.js');
    const tokens = await startTokenEndpoint(clock, tokenLifetimeSeconds);
    const server = await startMcpServer(tokens, clock);
    return {
      destination: { kind: 'http', url: `${server.origin}/mcp` },
      credential: {
        kind: 'client-credentials',
        tokenUrl: tokens.tokenUrl,
        clientId: tokens.clientId,
        clientSecret: tokens.clientSecret,
        origins: [server.origin],
      },
      async close() {
        await Promise.all([tokens.close(), server.close()]);
      },
    };
  },
};

export default demo;
