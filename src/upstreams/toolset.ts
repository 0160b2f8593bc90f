import type { ToolsetUpstreamDeps } from '../contracts/tools.js';
import type { Kind, Upstream } from '../contracts.js';
import { type ToolsetOptions, toolsetOptions } from './toolsetOptions.js';

/** Tools that live in this house. The SDK that serves them is loaded with the first destination that has some. */
const toolset: Kind<Upstream, ToolsetOptions, ToolsetUpstreamDeps> = {
  options: toolsetOptions,
  async create(given, deps) {
    const { openToolsetUpstream } = await import('./toolsetUpstream.js');
    return openToolsetUpstream(given, deps);
  },
};

export default toolset;
