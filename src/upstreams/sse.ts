import type { Attempt, Exchange, Kind, Reply, Upstream, UpstreamDeps } from '../contracts.js';
import type { Carrying, ChannelHandlers } from './channel.js';
import { ChannelFace } from './channelFace.js';
import { SseChannel } from './sseChannel.js';
import { ONE_OR_SEVERAL, oneOrSeveral, type UrlOptions, UrlUpstream, urlOptions } from './urlUpstream.js';

/** HTTP+SSE of 2024-11-05: each session of a caller has a stream of its own at the server. */
export class SseUpstream extends UrlUpstream {
  readonly era = 'legacy';
  readonly #face: ChannelFace;

  constructor(given: UrlOptions, deps: UpstreamDeps) {
    super(given, deps);
    const { name, clock, signals, deadlines } = deps;
    this.#face = new ChannelFace({
      name,
      clock,
      signals,
      open: (carrying, handlers) => this.#open(carrying, handlers),
      limits: { firstByteMs: deadlines.firstByteMs },
    });
  }

  send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    return this.#face.send(exchange, attempt);
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#face.close()]);
  }

  #open({ exchange, attempt }: Carrying, handlers: ChannelHandlers): Promise<SseChannel | Reply> {
    const channel = new SseChannel(
      {
        url: attempt.route.url,
        dispatcher: this.dispatcher(attempt),
        deadlines: this.deps.deadlines,
        names: this.names,
        lines: (carrying) => this.lines(carrying.exchange, carrying.attempt),
      },
      handlers,
    );
    return channel.open({ exchange, attempt });
  }
}

const sse: Kind<Upstream, UrlOptions, UpstreamDeps> = {
  options: urlOptions.refine(oneOrSeveral, ONE_OR_SEVERAL),
  create: (given, deps) => new SseUpstream(given, deps).watch(),
};

export default sse;
