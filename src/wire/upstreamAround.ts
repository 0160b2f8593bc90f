import type { Pool } from '../contracts/pools.js';
import type { ToolSwitches } from '../contracts/toolSwitches.js';
import type {
  Attempt,
  ChildProcess,
  Credential,
  EraOption,
  Exchange,
  Inbound,
  McpCall,
  Reply,
  Upstream,
} from '../contracts.js';

/** An upstream that stands before another one, and is what that is but for how it is sent to. */
export abstract class UpstreamAround implements Upstream {
  readonly name: string;
  readonly strategy: Upstream['strategy'];
  readonly allowedOrigins: readonly string[];
  readonly allowPrivate: boolean;
  readonly url?: URL;
  readonly credential?: string;
  readonly era?: EraOption;
  readonly personal?: boolean;
  readonly offers?: (tool: string) => boolean;
  readonly delegates?: boolean;
  readonly pool?: Pool;
  readonly tools?: ToolSwitches;
  readonly warmUp?: (credential: Credential | undefined) => Promise<void>;
  protected readonly inner: Upstream;

  constructor(inner: Upstream) {
    this.name = inner.name;
    this.strategy = inner.strategy;
    this.allowedOrigins = inner.allowedOrigins;
    this.allowPrivate = inner.allowPrivate;
    this.inner = inner;
    if (inner.url !== undefined) this.url = inner.url;
    if (inner.credential !== undefined) this.credential = inner.credential;
    if (inner.era !== undefined) this.era = inner.era;
    if (inner.personal !== undefined) this.personal = inner.personal;
    if (inner.offers !== undefined) this.offers = inner.offers;
    if (inner.pool !== undefined) this.pool = inner.pool;
    if (inner.tools !== undefined) this.tools = inner.tools;
    if (inner.warmUp !== undefined) this.warmUp = (credential) => inner.warmUp?.(credential) ?? Promise.resolve();
    if (inner.delegates !== undefined) this.delegates = inner.delegates;
  }

  abstract send(exchange: Exchange, attempt: Attempt): Promise<Reply>;

  safeToRepeat(call: McpCall): boolean {
    return this.inner.safeToRepeat(call);
  }

  resolve(base: URL, request: Inbound): URL {
    return this.inner.resolve(base, request);
  }

  children(): readonly ChildProcess[] {
    return this.inner.children?.() ?? [];
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
