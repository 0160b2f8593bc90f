import type { Attempt, Exchange, Reply } from '../contracts.js';
import type { ChannelFaceOptions } from './channelFaceLimits.js';

/** Answers exchanges as a Streamable HTTP server would, from the messages of channels. */
export class ChannelFace {
  constructor(_options: ChannelFaceOptions) {}

  /** Rejects with a GatewayError. */
  send(_exchange: Exchange, _attempt: Attempt): Promise<Reply> {
    throw new Error('not yet');
  }

  /** Ends all sessions; resolves once every channel is closed. */
  async close(): Promise<void> {}
}
