import http from 'node:http';
import type { AddressInfo } from 'node:net';
import zlib from 'node:zlib';
import { RestError } from '../../src/core/restError.js';
import { createRest, type RestSettings } from '../../src/wire/rest.js';
import { everyPrintOf, rejection } from '../credentials/world.js';
import { createTestTls } from '../helpers/certificates.js';
import { startXsuaaLike } from '../helpers/xsuaaLike.js';

type Listener = (request: http.IncomingMessage, response: http.ServerResponse) => void;

describe('control calls', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function serve(listener: Listener): Promise<string> {
    const server = http.createServer(listener).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    closing.push(
      () => server.close(),
      () => server.closeAllConnections(),
    );
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  function restWith(settings: RestSettings = {}) {
    const rest = createRest(settings);
    closing.push(rest.close);
    return rest;
  }

  const { signal } = new AbortController();

  describe('by connections that serve again', () => {
    /** A server that counts its connections. */
    async function counting(listener: Listener): Promise<{ url: string; opened: http.IncomingMessage['socket'][] }> {
      const opened: http.IncomingMessage['socket'][] = [];
      const url = await serve((request, response) => {
        if (!opened.includes(request.socket)) opened.push(request.socket);
        listener(request, response);
      });
      return { url, opened };
    }

    it('reads again and again by one connection, and shows on it what each call shows', async () => {
      const { url, opened } = await counting(({ headers }, response) => response.end(headers.authorization));
      const rest = restWith();
      for (const authorization of ['ann', 'bob', 'cem']) {
        const answer = await rest({ method: 'GET', url, headers: { authorization }, signal, keepAlive: true });
        expect(answer.body).toBe(authorization);
      }
      expect(opened).toHaveLength(1);
      rest.close();
      await new Promise((resolve) => opened[0]?.once('close', resolve));
    });

    it('opens one for each call that changes something, that shows a certificate, or that does not ask for it', async () => {
      const { url, opened } = await counting((_, response) => response.end());
      const rest = restWith();
      await rest({ method: 'GET', url, signal, keepAlive: true });
      await rest({ method: 'POST', url, signal, keepAlive: true });
      await rest({ method: 'GET', url, signal, keepAlive: true, tls: {} });
      await rest({ method: 'GET', url, signal });
      expect(opened).toHaveLength(4);
    });

    it('asks once more by a new one where the server had closed it meanwhile', async () => {
      const { url, opened } = await counting(({ url: target, socket }, response) => {
        if (target === '/closed' && opened.length === 1) socket.destroy();
        else response.end('here');
      });
      const rest = restWith();
      await rest({ method: 'GET', url, signal, keepAlive: true });
      expect(await rest({ method: 'GET', url: `${url}/closed`, signal, keepAlive: true })).toMatchObject({
        body: 'here',
      });
      expect(opened).toHaveLength(2);
    });

    it('asks no second time where a new connection broke', async () => {
      const { url, opened } = await counting(({ socket }) => socket.destroy());
      await expect(restWith()({ method: 'GET', url, signal, keepAlive: true })).rejects.toThrow(RestError);
      expect(opened).toHaveLength(1);
    });

    it('never leaves what was not read of one answer for the next', async () => {
      const { url, opened } = await counting(({ url: target }, response) =>
        response.end(target === '/large' ? 'x'.repeat(1_000_000) : 'small'),
      );
      const rest = restWith();
      const large = rest({ method: 'GET', url: `${url}/large`, signal, keepAlive: true, maxBytes: 10 });
      await expect(large).rejects.toThrow('more than 10 bytes');
      expect(await rest({ method: 'GET', url, signal, keepAlive: true })).toMatchObject({ body: 'small' });
      expect(opened).toHaveLength(2);
    });
  });

  it('sends method, headers and body as given and answers with status, lower-case headers and text', async () => {
    let heard = '';
    const url = await serve(async (request, response) => {
      for await (const chunk of request) heard += chunk;
      response
        .writeHead(418, {
          'X-Seen': `${request.method} ${request.headers['content-type']} ${request.headers['content-length']}`,
        })
        .end('{"a":"é"}');
    });
    const answer = await restWith()({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-test' },
      body: '{"x": 1}',
      signal,
    });
    expect(answer).toMatchObject({
      status: 418,
      body: '{"a":"é"}',
      headers: { 'x-seen': 'POST application/x-test 8' },
    });
    expect(heard).toBe('{"x": 1}');
  });

  it('tells cookies apart, and says nothing of none', async () => {
    const cookies = ['a=1; Expires=Fri, 20 Nov 2026 01:00:00 GMT', 'b=2'];
    const url = await serve((request, response) =>
      response.writeHead(200, request.url === '/none' ? {} : { 'Set-Cookie': cookies }).end(),
    );
    expect((await restWith()({ method: 'GET', url, signal })).cookies).toEqual(cookies);
    expect(await restWith()({ method: 'GET', url: `${url}/none`, signal })).not.toHaveProperty('cookies');
  });

  it('answers with a redirect instead of following it', async () => {
    const paths: unknown[] = [];
    const url = await serve((request, response) => {
      paths.push(request.url);
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    const answer = await restWith()({ method: 'POST', url: `${url}/token`, body: 'secret', signal });
    expect([answer.status, answer.headers.location, paths]).toEqual([307, '/elsewhere', ['/token']]);
  });

  it('leaves the environment’s proxies out', async () => {
    const url = await serve((_request, response) => response.end('direct'));
    process.env.http_proxy = 'http://127.0.0.1:1';
    try {
      expect((await restWith()({ method: 'GET', url, signal })).body).toBe('direct');
    } finally {
      delete process.env.http_proxy;
    }
  });

  it.each([
    ['that says nothing', (() => {}) as Listener],
    ['that trickles', ((_request, response) => void setInterval(() => response.write('x'), 20).unref()) as Listener],
  ])('gives up a server %s after its deadline', async (_name, listener) => {
    const url = await serve(listener);
    expect(await rejection(restWith({ deadlineMs: 120 })({ method: 'GET', url, signal }))).toMatchObject({
      reason: 'timeout',
    });
  });

  it('gives up when its caller does, and when it is closed', async () => {
    const url = await serve(() => {});
    const caller = new AbortController();
    const rest = restWith();
    const first = rejection(rest({ method: 'GET', url, signal: caller.signal }));
    const second = rejection(rest({ method: 'GET', url, signal }));
    setTimeout(() => caller.abort(new Error('canary')), 30);
    expect(await first).toMatchObject({ reason: 'aborted', message: `the call to ${url} was given up` });
    rest.close();
    expect(await second).toMatchObject({ reason: 'aborted' });
  });

  it.each([
    ['plain', (body: Buffer) => body, {}],
    ['compressed', zlib.gzipSync, { 'content-encoding': 'gzip' }],
  ])('stops reading a %s answer past its limit', async (_name, pack, headers) => {
    const url = await serve((_request, response) =>
      response.writeHead(200, headers).end(pack(Buffer.alloc(5000, 'a'))),
    );
    const request = { method: 'GET', url, signal } as const;
    expect(await rejection(restWith({ maxBytes: 4999 })(request))).toMatchObject({ reason: 'too-large' });
    expect((await restWith({ maxBytes: 5000 })(request)).body).toHaveLength(5000);
  });

  it('says that nobody answers, and nothing of what was asked', async () => {
    const url = await serve(() => {});
    await Promise.all(closing.splice(0).map((close) => close()));
    const error = await rejection(
      restWith()({
        method: 'POST',
        url: `${url}/?canary`,
        headers: { authorization: 'canary' },
        body: 'canary',
        signal,
      }),
    );
    expect(error).toBeInstanceOf(RestError);
    expect(everyPrintOf(error)).not.toContain('canary');
    expect(error).toMatchObject({
      reason: 'unreachable',
      message: `no answer from ${url} (ECONNREFUSED)`,
    });
  });

  it('reports an answer that breaks off as no answer', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 10 }).write('half');
      setTimeout(() => response.destroy(), 20);
    });
    expect(await rejection(restWith()({ method: 'GET', url, signal }))).toMatchObject({ reason: 'unreachable' });
  });

  it('shows its certificate, and trusts nobody that it should not', async () => {
    const { authority, server, client } = createTestTls('xsuaa client');
    const provider = await startXsuaaLike({ tls: server, clientId: 'me' });
    closing.push(provider.close);
    const call = {
      method: 'POST',
      url: provider.tokenUrl,
      signal,
      tls: client,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'client_id=me&grant_type=client_credentials',
    } as const;
    expect((await restWith({ ca: authority.cert })(call)).status).toBe(200);
    expect(await rejection(restWith()(call))).toMatchObject({ reason: 'tls' });
    expect(
      await rejection(restWith({ ca: authority.cert })({ ...call, tls: { ...client, key: 'broken' } })),
    ).toMatchObject({ reason: 'tls' });
  });
});
