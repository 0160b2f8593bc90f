import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';

const attribute = z.strictObject({
  key: z.string().min(1),
  value: z.union([
    z.strictObject({ stringValue: z.string() }),
    z.strictObject({ boolValue: z.boolean() }),
    z.strictObject({ intValue: z.string().regex(/^-?\d+$/) }),
    z.strictObject({ doubleValue: z.number() }),
  ]),
});
const traceId = z.string().regex(/^(?!0+$)[0-9a-f]{32}$/);
const spanId = z.string().regex(/^(?!0+$)[0-9a-f]{16}$/);
const nanos = z.string().regex(/^\d{19}$/);

const span = z.strictObject({
  traceId,
  spanId,
  parentSpanId: spanId.optional(),
  name: z.string().min(1),
  kind: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes: z.array(attribute),
  links: z.array(z.strictObject({ traceId, spanId })).optional(),
  status: z.strictObject({ code: z.literal(2), message: z.string().optional() }).optional(),
});

/** `ExportTraceServiceRequest` of opentelemetry-proto in its JSON encoding: ids in hex, enums as numbers, 64-bit numbers as text. */
const request = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes: z.array(attribute) }),
      scopeSpans: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.string(), version: z.string().optional() }),
          spans: z.array(span).min(1),
        }),
      ),
    }),
  ),
});

export interface CollectedSpan extends Omit<z.infer<typeof span>, 'attributes'> {
  /** By key, whatever the type. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly service: unknown;
}

/** A collector of traces that takes what the encoding allows, and nothing else. */
export interface Collector {
  readonly url: string;
  readonly spans: CollectedSpan[];
  /** What it didn't understand. */
  readonly faults: unknown[];
  readonly heads: http.IncomingHttpHeaders[];
  /** The whole text of all requests. */
  text(): string;
  /** Answered instead of 200, while it is set. */
  status: number;
  /** Resolves with the spans, past or to come, once there are some that `matches`. */
  wait(matches: (span: CollectedSpan) => boolean, timeoutMs?: number): Promise<CollectedSpan[]>;
  close(): Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const texts: string[] = [];
  const spans: CollectedSpan[] = [];
  const faults: unknown[] = [];
  const heads: http.IncomingHttpHeaders[] = [];
  const server = http.createServer(async (asked, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of asked) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    answer.setHeader('content-type', 'application/json');
    heads.push(asked.headers);
    if (collector.status !== 200) {
      answer.writeHead(collector.status).end('{}');
      server.emit('refused');
      return;
    }
    texts.push(text);
    if (asked.method !== 'POST' || asked.url !== '/v1/traces') faults.push(`${asked.method} ${asked.url}`);
    try {
      for (const { resource, scopeSpans } of request.parse(JSON.parse(text)).resourceSpans) {
        const service = named(resource.attributes)['service.name'];
        for (const one of scopeSpans.flatMap((scope) => scope.spans)) {
          spans.push({ ...one, attributes: named(one.attributes), service });
        }
      }
    } catch (error) {
      faults.push(error);
    }
    answer.end('{"partialSuccess":{}}');
    server.emit('spans');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    faults,
    heads,
    text: () => texts.join('\n'),
    status: 200,
    wait: async (matches, timeoutMs = 5000) => {
      const signal = AbortSignal.timeout(timeoutMs);
      while (!spans.some(matches)) await once(server, 'spans', { signal });
      return spans.filter(matches);
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return collector;
}

function named(attributes: readonly z.infer<typeof attribute>[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
