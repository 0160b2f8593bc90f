import type { Kind, Upstream, UpstreamDeps } from '../contracts.js';
import { urlOptions, UrlUpstream, type UrlOptions } from './urlUpstream.js';
class SseUpstream extends UrlUpstream { readonly era = 'legacy'; async send(): Promise<never> { throw new Error('soon'); } async close() {} }
const sse: Kind<Upstream, UrlOptions, UpstreamDeps> = { options: urlOptions, create: (given, deps) => new SseUpstream(given, deps) };
export default sse;
