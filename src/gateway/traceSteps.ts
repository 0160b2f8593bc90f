import type { Credential, Exchange, Reply, Route, Stage, TraceStep } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { callAttributes, spanName } from '../telemetry/exchangeSpan.js';
import type { StageName } from './pipeline.js';

/** Stages that may wait for somebody, or decide: what each of them took is worth a span. */
const TRACED = ['identify', 'authorize', 'limitCaller', 'recall'] as const satisfies readonly StageName[];

type Stages = Partial<Record<StageName, Stage>>;

/** The same stages, those worth it with a span each: from their beginning until they hand on, or answer. */
export function tracedStages(stages: Stages): Stages {
  const traced = TRACED.flatMap((name) => {
    const stage = stages[name];
    return stage ? [[name, tracedStage(name, stage)] as const] : [];
  });
  return { ...stages, ...Object.fromEntries(traced) };
}

function tracedStage(name: StageName, stage: Stage): Stage {
  return (exchange, next) => {
    const step = exchange.trace?.step(name);
    if (!step) return stage(exchange, next);
    const fail = (error: unknown): never => {
      step.end({}, codeOf(error));
      throw error;
    };
    try {
      const reply = stage(exchange, (later) => {
        step.end();
        return next(later);
      });
      if (reply instanceof Promise) return reply.catch(fail).finally(() => step.end());
      step.end();
      return reply;
    } catch (error) {
      return fail(error);
    }
  };
}

/** A try at an upstream; undefined where nothing is recorded. */
export function attemptStep(exchange: Exchange): TraceStep | undefined {
  return exchange.trace?.step(spanName(exchange), { client: true });
}

/** What became of a try: its answer's head, or why there is none. */
export function endAttempt(
  step: TraceStep | undefined,
  exchange: Exchange,
  route: Route,
  result: { readonly status: number } | GatewayError,
): void {
  if (!step) return;
  const { url, destination } = route;
  const status = result instanceof GatewayError ? undefined : result.status;
  const attributes = {
    ...callAttributes(exchange.call),
    'http.request.method': exchange.request.method,
    'http.response.status_code': status,
    'http.request.resend_count': exchange.costs.attempts > 1 ? exchange.costs.attempts - 1 : undefined,
    'server.address': url.hostname,
    'server.port': portOf(url),
    'drawbridge.destination': destination,
  };
  const bad = status !== undefined && status >= 400 ? String(status) : undefined;
  step.end(attributes, result instanceof GatewayError ? result.code : bad);
}

/** A token that isn't there yet; whoever waits for it waits within a try. */
export async function tracedToken(
  credential: Promise<Credential>,
  exchange: Exchange,
  route: Route,
  under: TraceStep | undefined,
): Promise<Credential> {
  const step = exchange.trace?.step('token', { under });
  const attributes = { 'drawbridge.credential': route.credential };
  try {
    const fetched = await credential;
    step?.end(attributes);
    return fetched;
  } catch (error) {
    step?.end(attributes, codeOf(error));
    throw error;
  }
}

/** A website's answer is on its way to the caller when its end is known. */
export function tracedTakeOver(
  reply: Reply,
  ended: (result: { readonly status: number } | GatewayError) => void,
): Reply {
  const { body } = reply;
  if (body === null || typeof body !== 'object' || !('takeOver' in body)) return reply;
  const takeOver = async () => {
    try {
      const status = await body.takeOver();
      ended({ status });
      return status;
    } catch (error) {
      if (error instanceof GatewayError) ended(error);
      throw error;
    }
  };
  return { ...reply, body: { takeOver } };
}

function codeOf(error: unknown): string {
  return error instanceof GatewayError ? error.code : 'INTERNAL';
}

function portOf({ port, protocol }: URL): number | undefined {
  if (port !== '') return Number(port);
  return { 'http:': 80, 'https:': 443 }[protocol];
}
