import type { Attempt, Exchange, Reply } from '../contracts.js';
import type { GatewayError } from '../core/errors.js';

/** On whose behalf something goes over a channel, and what is shown to the server for it. */
export interface Carrying {
  readonly exchange: Exchange;
  readonly attempt: Attempt;
}

/** What a channel tells its owner of. Nothing is told before `open` has resolved, or after `close` was called. */
export interface ChannelHandlers {
  /** One JSON-RPC message, or a batch, as text. False: that was neither. */
  message(text: string): boolean;
  /** Nothing comes any more, and nothing can be sent: the server ended it, or it broke. */
  closed(reason: GatewayError): void;
}

/** One connection to one server that carries JSON-RPC messages both ways: a child's pipes, or the pair of endpoints of HTTP+SSE. */
export interface Channel {
  /**
   * Sends one message; it may hold line feeds. `carrying` is absent where nobody waits for it, such as a cancellation.
   * Resolves with the server's answer where there is one that isn't a success: the call gets it as its own.
   * @throws GatewayError, or rejects with one; the channel lives on unless `closed` says otherwise
   */
  send(message: string | Buffer, carrying?: Carrying): undefined | Promise<Reply | undefined>;
  /** Resolves once nothing of it is left. May be called twice. */
  close(): Promise<void>;
}

/** Opens a channel; resolves with the server's own answer where it let nobody in. Rejects with a GatewayError. */
export type OpenChannel = (carrying: Carrying, handlers: ChannelHandlers) => Promise<Channel | Reply>;
