export type { Settings } from './config/settings.js';
export { ConfigError, type Fault, GatewayError } from './core/errors.js';
export { type ServeDeps, type Serving, serve } from './serve.js';
