import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { Flow, McpCall, Principal, Reply, RoutingDecision, Sink } from '../../src/contracts.js';
import type { GatewayError } from '../../src/core/errors.js';
import { createAuthorize } from '../../src/gateway/authorize.js';
import { answersWithList, filterReply } from '../../src/gateway/listFilter.js';
import { createPermissions } from '../../src/policy/permissions.js';
import { permissionsSchema } from '../../src/policy/permissionsSchema.js';
import { fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';
import { sequence } from '../helpers/sequence.js';

const good = (_method: string, name: string) => name.startsWith('good');
const json = ['Content-Type', 'application/json'];
const events = ['Content-Type', 'text/event-stream'];

/** An upstream's body, in pieces; it stops when it is told to. */
class Source {
  readonly #pieces: Buffer[];
  #sink: Sink | undefined;
  #held = false;
  cancelled = false;
  given = 0;

  constructor(pieces: readonly (Buffer | string)[]) {
    this.#pieces = pieces.map((piece) => Buffer.from(piece as string));
  }

  readonly body = (sink: Sink): Flow => {
    this.#sink = sink;
    queueMicrotask(() => this.#give());
    return {
      resume: () => {
        this.#held = false;
        this.#give();
      },
      cancel: () => {
        this.cancelled = true;
      },
    };
  };

  #give(): void {
    while (!this.#held && !this.cancelled) {
      const piece = this.#pieces[this.given];
      if (!piece) {
        this.#sink?.end();
        return;
      }
      this.given += 1;
      this.#held = this.#sink?.write(piece) === false;
    }
  }
}

function reply(headers: readonly string[], pieces: readonly (Buffer | string)[], status = 200): Reply {
  return { status, headers, body: new Source(pieces).body, origin: 'upstream' };
}

/** The body that a caller gets. */
async function read({ body }: Reply): Promise<string> {
  if (typeof body !== 'function') return String(body);
  const chunks: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    body({
      write: (chunk) => chunks.push(chunk) > 0,
      end(chunk) {
        if (chunk) chunks.push(chunk);
        resolve();
      },
      fail: reject,
    });
  });
  return Buffer.concat(chunks).toString();
}

function tools(...names: string[]): string {
  return JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools: names.map((name) => ({ name })), nextCursor: 'c' } });
}

async function filtered(
  headers: readonly string[],
  pieces: readonly (Buffer | string)[],
  status = 200,
): Promise<string> {
  return read(await filterReply(reply(headers, pieces, status), good));
}

function inPieces(text: string | Buffer, size: number): Buffer[] {
  const bytes = Buffer.from(text as string);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

describe('a list in JSON', () => {
  it('loses what the caller may not use, and keeps its cursor', async () => {
    const answer = await filterReply(
      reply([...json, 'Content-Length', '999', 'ETag', '"x"', 'X-A', 'b'], [tools('good1', 'bad', 'good2')]),
      good,
    );
    expect(await read(answer)).toBe(tools('good1', 'good2'));
    expect(answer.headers).toEqual([...json, 'X-A', 'b', 'content-length', String(tools('good1', 'good2').length)]);
  });

  it('passes byte for byte where nothing has to change', async () => {
    const text = `{ "jsonrpc":"2.0", "id":1, "result":{"tools":[{"name":"good","max":18446744073709551615}]} }`;
    expect(await filtered(json, inPieces(text, 7))).toBe(text);
  });

  it.each([
    ['prompts', 'name'],
    ['resources', 'uri'],
    ['resourceTemplates', 'uriTemplate'],
  ])('of %s goes by %s', async (list, key) => {
    const things = [{ [key]: 'good' }, { [key]: 'bad' }, {}, null, { [key]: ['good'] }];
    const text = await filtered(json, [JSON.stringify({ id: 1, result: { [list]: things } })]);
    expect(JSON.parse(text)).toEqual({ id: 1, result: { [list]: [{ [key]: 'good' }] } });
  });

  it('that was public turns private, complete or not', async () => {
    const text = JSON.stringify({ id: 1, result: { tools: [{ name: 'good' }], ttlMs: 5, cacheScope: 'public' } });
    expect(await filtered(json, [text])).toBe(text.replace('public', 'private'));
  });

  it('in a batch of answers is found', async () => {
    expect(await filtered(json, [`[${tools('bad')},{"id":2,"result":{}}]`])).toBe(`[${tools()},{"id":2,"result":{}}]`);
  });

  it('under another id is no way around', async () => {
    expect(await filtered(json, [tools('bad').replace('"id":1', '"id":"other"')])).not.toContain('bad');
  });

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['BR', brotliCompressSync],
  ])('in %s is read, and answered as it is', async (coding, compress) => {
    const body = inPieces(compress(tools('good', 'bad')), 5);
    const answer = await filterReply(reply([...json, 'Content-Encoding', coding], body), good);
    expect(await read(answer)).toBe(tools('good'));
    expect(answer.headers.join().toLowerCase()).not.toContain('content-encoding');
  });

  it('of a cached reply is filtered too', async () => {
    const cached: Reply = { status: 200, headers: json, body: Buffer.from(tools('good', 'bad')), origin: 'cache' };
    expect(await read(await filterReply(cached, good))).toBe(tools('good'));
  });

  it('leaves errors and answers without a body alone', async () => {
    const error = '{"id":1,"error":{"code":-32602,"message":"tools"}}';
    expect(await filtered(json, [error])).toBe(error);
    expect(await filtered(['Content-Type', 'text/html'], ['<p>'], 500)).toBe('<p>');
    expect(await filtered([], [], 202)).toBe('');
  });
});

describe('what can’t be filtered is refused, never passed', () => {
  it.each([
    ['another media type', ['Content-Type', 'text/plain'], [tools('bad')]],
    ['no media type', [], [tools('bad')]],
    ['two media types', [...json, ...events], [tools('bad')]],
    ['no JSON', json, [`\ufeff${tools('bad')}`]],
    ['an unknown coding', [...json, 'Content-Encoding', 'zstd'], [tools('bad')]],
    ['two codings', [...json, 'Content-Encoding', 'gzip, br'], [tools('bad')]],
    ['another coding than it says', [...json, 'Content-Encoding', 'gzip'], [tools('bad')]],
    ['too much', json, inPieces(`"${'x'.repeat(5_000_000)}"`, 100_000)],
    ['a bomb', [...json, 'Content-Encoding', 'gzip'], [gzipSync(Buffer.alloc(50_000_000, 32))]],
  ])('%s', async (_, headers, pieces) => {
    let failure: unknown;
    await filtered(headers, pieces).catch((error: unknown) => {
      failure = error;
    });
    // What is plain from the head is thrown at once, without a promise.
    expect((failure as GatewayError).code).toBe('UPSTREAM_GARBAGE');
    expect((failure as GatewayError).hint).toContain('4 MiB');
  });

  it('lets go of an upstream that sends too much', async () => {
    const source = new Source(inPieces(Buffer.alloc(8_000_000, 32), 500_000));
    const answer = filterReply({ status: 200, headers: json, body: source.body, origin: 'upstream' }, good);
    await expect(answer).rejects.toMatchObject({ code: 'UPSTREAM_GARBAGE' });
    expect(source.cancelled).toBe(true);
    expect(source.given).toBeLessThan(12);
  });

  it('a broken answer is told as one', async () => {
    const body = (sink: Sink): Flow => {
      sink.write(Buffer.from('{'));
      sink.fail(new Error('reset'));
      return { resume() {}, cancel() {} };
    };
    const answer = filterReply({ status: 200, headers: json, body, origin: 'upstream' }, good);
    await expect(answer).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
  });
});

describe('a list in an event stream', () => {
  const progress = 'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n';
  const ends = ['\n', '\r\n', '\r'];

  it.each(ends)('loses what the caller may not use, however it is cut into pieces (lines end with %j)', async (eol) => {
    const before = `: hello\n\nid: 1\ndata:\n\n${progress}`.replaceAll('\n', eol);
    const list = `id: 2\nevent: message\ndata: ${tools('good', 'bad')}\n\n`.replaceAll('\n', eol);
    for (let size = 1; size < 60; size++) {
      const text = await filtered(events, inPieces(`${before}${list}${before}`, size));
      expect(text.startsWith(before)).toBe(true);
      expect(text.replaceAll(/\r\n|\r/g, '\n')).toContain(`id: 2\nevent: message\ndata: ${tools('good')}\n\n`);
      expect(text.endsWith(before)).toBe(true);
      expect(text).not.toContain('bad');
    }
  });

  it.each(ends)('passes byte for byte where nothing has to change (lines end with %j)', async (eol) => {
    const text = `${progress}data: ${tools('good')}\n\n:\n\n\n\ndata: not json\n\nretry: 5\n\n`.replaceAll('\n', eol);
    for (let size = 1; size < 60; size++) expect(await filtered(events, inPieces(text, size))).toBe(text);
  });

  it.each([
    ['over several data lines', `data: {"id":1,"result":\ndata:{"tools":[{"name":"bad"}]}}\n\n`],
    ['behind a byte order mark', `\ufeffdata: ${tools('bad')}\n\n`],
    ['with an escaped key', `data: {"id":1,"re\\u0073ult":{"to\\u006fls":[{"name":"bad"}]}}\n\n`],
    ['without its empty line', `data: ${tools('bad')}`],
    ['without a space', `data:${tools('bad')}\r\r`],
  ])('%s is found', async (_, text) => {
    for (const size of [1, 3, 1_000]) {
      const answer = await filtered(events, inPieces(text, size));
      expect(answer).not.toContain('bad');
      expect(answer).toContain('tools');
    }
  });

  it('compressed is read, event by event', async () => {
    const headers = [...events, 'Content-Encoding', 'gzip'];
    expect(await filtered(headers, inPieces(gzipSync(`data: ${tools('bad', 'good')}\n\n`), 4))).toBe(
      `data: ${tools('good')}\n\n`,
    );
  });

  it('passes each event as soon as it is whole', async () => {
    const chunks: string[] = [];
    let sink: Sink | undefined;
    const body = (given: Sink): Flow => {
      sink = given;
      return { resume() {}, cancel() {} };
    };
    const answer = filterReply({ status: 200, headers: events, body, origin: 'upstream' }, good) as Reply;
    (answer.body as (sink: Sink) => Flow)({ write: (chunk) => chunks.push(String(chunk)) > 0, end() {}, fail() {} });
    sink?.write(Buffer.from('data: 1\r\n\r\nda'));
    expect(chunks).toEqual(['data: 1\r\n\r\n']);
    sink?.write(Buffer.from('ta: 2\r\n\r'));
    sink?.write(Buffer.from('\ndata: 3\n\n'));
    expect(chunks).toEqual(['data: 1\r\n\r\n', 'data: 2\r\n\r', '\ndata: 3\n\n']);
  });

  it('keeps back-pressure, and lets go of the upstream when the caller leaves', () => {
    const told: string[] = [];
    let sink: Sink | undefined;
    const body = (given: Sink): Flow => {
      sink = given;
      return { resume: () => told.push('resume'), cancel: () => told.push('cancel') };
    };
    const answer = filterReply({ status: 200, headers: events, body, origin: 'upstream' }, good) as Reply;
    const flow = (answer.body as (sink: Sink) => Flow)({ write: () => false, end() {}, fail() {} });
    expect(sink?.write(Buffer.from('data: half'))).toBe(true);
    expect(sink?.write(Buffer.from('\n\n'))).toBe(false);
    flow.resume();
    flow.cancel();
    expect(told).toEqual(['resume', 'cancel']);
  });

  it('breaks off at an event that is too large, and passes nothing of it', async () => {
    const source = new Source([progress, ...inPieces(`data: ${'x'.repeat(6_000_000)}`, 500_000)]);
    const answer = filterReply({ status: 200, headers: events, body: source.body, origin: 'upstream' }, good) as Reply;
    await expect(read(answer)).rejects.toMatchObject({ code: 'UPSTREAM_GARBAGE' });
    expect(source.cancelled).toBe(true);
  });
});

describe('a reply is filtered', () => {
  const bare = { era: 'legacy', body: null } as const;

  it.each<[string, McpCall, boolean]>([
    ['to tools/list', fakeCall('tools/list'), true],
    ['to resources/templates/list', fakeCall('resources/templates/list'), true],
    ['to a list asked for without an id', { ...bare, kind: 'notification', method: 'tools/list' }, true],
    ['to a batch', { ...bare, kind: 'batch' }, true],
    ['on a GET, whose stream may take up a list that broke off', { ...bare, kind: 'stream' }, true],
    ['to tools/call', fakeCall('tools/call', 'x'), false],
    ['to a DELETE', { ...bare, kind: 'end' }, false],
  ])('%s: %s', (_, call, filters) => {
    expect(answersWithList(call)).toBe(filters);
  });
});

describe('a list and a call agree', () => {
  const parts = ['a', 'b', '_', 'A', '*', '**', 'é', 'e\u0301', ':', '/', 'ab'];
  const conditions = ["principal.claims.country == 'DE'", "name.startsWith('a')", 'principal.claims.none == 1'];

  function section(roll: (sides: number) => number) {
    const word = (from: number) => Array.from({ length: 1 + roll(3) }, () => parts[roll(from)]).join('');
    const rule = () =>
      `${['qlik', '*', 'q*', 'files'][roll(4)]}/${['tools/call', '*', 'tools/*'][roll(3)]}${roll(4) ? `:${word(11)}` : ''}`;
    const grant = () => (roll(4) ? rule() : { rule: rule(), when: conditions[roll(3)] });
    const grants = (most: number) => Array.from({ length: roll(most) }, grant);
    const role = () => ({
      allow: ['qlik/tools/list', ...grants(4)],
      deny: grants(3),
      ...(roll(5) ? {} : { when: conditions[roll(3)] }),
    });
    return { roles: { one: role(), two: role() }, ...(roll(2) ? { scopes: { [rule()]: 's' } } : {}) };
  }

  /** Which of the names a list shows, and which may be called; undefined where not even the list may be asked for. */
  async function compare(roll: (sides: number) => number, names: readonly string[]) {
    const permissions = await createPermissions(permissionsSchema.parse(section(roll)));
    const claims = roll(2) ? { country: 'DE' } : {};
    const principal: Principal = { subject: 'x', roles: ['one', 'two'].slice(roll(2)), claims };
    const authorize = createAuthorize({ permissions, challenge: () => [] });
    const decision: RoutingDecision = { strategy: 'PROXY', destination: 'qlik', by: 'path' };
    const ask = async (call: McpCall, text: string) => {
      const exchange = fakeExchange(fakeInbound('/mcp'), { call, decision, principal });
      return read(await authorize(exchange, () => reply(json, [text])));
    };
    const text = await ask(fakeCall('tools/list'), tools(...names)).catch(() => undefined);
    if (text === undefined) return undefined;
    const { result } = JSON.parse(text) as { result: { tools: { name: string }[] } };
    const shown = result.tools.map(({ name }) => name);
    const outcomes = await Promise.all(
      names.map((name) => ask(fakeCall('tools/call', name), '{}').catch(({ code }: GatewayError) => code)),
    );
    return {
      shown,
      callable: names.filter((_, index) => ['{}', 'SCOPE_REQUIRED'].includes(outcomes[index] as string)),
    };
  }

  it('for random rules, callers and names', async () => {
    // A seed, so that a failure can be repeated.
    const random = sequence(20261121);
    const roll = (sides: number) => Math.floor(random() * sides);
    let listed = 0;
    let hidden = 0;
    for (let round = 0; round < 300; round++) {
      const names = Array.from({ length: 12 }, () =>
        Array.from({ length: 1 + roll(3) }, () => parts[roll(11)]).join(''),
      );
      const found = await compare(roll, names);
      if (!found) continue;
      expect({ round, ...found }).toEqual({ round, shown: found.callable, callable: found.callable });
      listed += found.shown.length;
      hidden += names.length - found.shown.length;
    }
    expect(Math.min(listed, hidden)).toBeGreaterThan(300);
  });
});
