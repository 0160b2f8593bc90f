import type { Kind, Upstream, UpstreamDeps } from '../contracts.js';
import { type UrlOptions, UrlUpstream, urlOptions } from './urlUpstream.js';

export class SseUpstream extends UrlUpstream {
  readonly era = 'legacy';
  async send(): Promise<never> {
    throw new Error('soon');
  }
  async close() {}
}
const sse: Kind<Upstream, UrlOptions, UpstreamDeps> = {
  options: urlOptions,
  create: (given, deps) => new SseUpstream(given, deps),
};
export default sse;
