import http from 'node:http';
import https from 'node:https';

/** Shorter than servers wait before they close: Node's own 5 s. Milliseconds. */
const IDLE_MS = 4_000;
const LIMITS = { keepAlive: true, timeout: IDLE_MS, maxSockets: 128, maxTotalSockets: 256, maxFreeSockets: 16 };

/** Connections that serve again; they keep no process alive. */
export class KeptAgents {
  readonly httpAgent = new http.Agent(LIMITS);
  readonly httpsAgent: https.Agent;

  constructor(trust: Pick<https.AgentOptions, 'ca'>) {
    this.httpsAgent = new https.Agent({ ...LIMITS, ...trust });
  }

  destroy(): void {
    this.httpAgent.destroy();
    this.httpsAgent.destroy();
  }
}

/** True where the server had closed a connection just as it was to serve again: nothing of an answer has come. */
export function wasClosedMeanwhile(error: unknown): boolean {
  const { request, response } = error as { request?: { reusedSocket?: boolean }; response?: unknown };
  return request?.reusedSocket === true && response === undefined;
}
