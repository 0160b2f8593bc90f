import vm from 'node:vm';
import { ADMIN_ROUTES } from '../../src/edge/adminRoutes.js';
import { docsPage } from '../../src/edge/docsPage.js';
import { openapi } from '../../src/edge/openapi.js';
import { adminWorld } from './adminWorld.js';

interface Operation {
  readonly operationId: string;
  readonly 'x-permission': string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody?: { readonly content: Record<string, { schema: { properties: object; required?: string[] } }> };
  readonly responses: Record<string, { content: Record<string, { schema: { properties: Record<string, object> } }> }>;
}

const document = openapi(ADMIN_ROUTES, '1.2.3') as {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
};

const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));

describe('openapi.json', () => {
  it('is OpenAPI 3.1 and has every route of the table, with its permission', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(operations.map((one) => [one.operationId, one['x-permission']]).sort()).toEqual(
      ADMIN_ROUTES.map(({ operation, permission }) => [operation, permission]).sort(),
    );
  });

  it('has each name in a path as a parameter, and nothing that is left over', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const { parameters } of Object.values(methods)) {
        expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(names);
        expect(parameters.filter((one) => one.in === 'path').every(({ required }) => required)).toBe(true);
      }
    }
  });

  it('says what a body takes as it is sent, and what an answer has', () => {
    const create = document.paths['/admin/v1/keys']?.post as Operation;
    expect(create.requestBody?.content['application/json']?.schema).toMatchObject({
      required: ['name'],
      additionalProperties: false,
      properties: { expires: { type: 'string' }, roles: { type: 'array' } },
    });
    expect(Object.keys(create.responses)).toEqual(['201', '400', '401', '403', '404']);
    expect(create.responses['201']?.content['application/json']?.schema.properties).toHaveProperty('key');
  });

  it('is an object of its own: no schema of ours repeats the dialect', () => {
    expect(JSON.stringify(document)).not.toContain('$schema');
  });

  it('is served, with the page, to whoever asks', async () => {
    const world = await adminWorld({});
    expect((await world.call('GET', '/openapi.json')).body).toEqual(JSON.parse(JSON.stringify(document)));
    const [first, second] = [await world.call('GET', '/docs'), await world.call('GET', '/docs')];
    const nonce = /script-src 'nonce-([^']+)'/.exec(first.headers.get('content-security-policy') ?? '')?.[1];
    expect(first.text).toContain(`<script nonce="${nonce}">`);
    expect(first.text).toContain(`<style nonce="${nonce}">`);
    expect(second.text).not.toContain(nonce);
    expect((await world.call('POST', '/docs')).status).toBe(405);
    await world.close();
  });
});

describe('the interactive page', () => {
  const page = docsPage('bm9uY2U=');

  it('holds all that it needs, and asks nobody else', () => {
    expect(page).not.toMatch(/https?:\/\/|<link|<img|@import|src=/);
  });

  it('keeps the token in its memory only', () => {
    expect(page).not.toMatch(/localStorage|sessionStorage|cookie|indexedDB/i);
  });

  it('stops HTML injected through names: what comes from the API is set as text', async () => {
    const evil = '<img src=x onerror=alert(1)>';
    const { click, texts } = await open(evil, { items: [{ name: evil }] });
    await click();
    expect(texts.some((text) => text.includes(evil))).toBe(true);
    expect(texts.some((text) => text.startsWith('200') && text.includes(evil))).toBe(true);
  });

  it('stops a name with dots or slashes from calling another path', async () => {
    const { click, called, inputs } = await open('list', {});
    const [input] = inputs;
    for (const [value, expected] of [
      ['../keys', '/admin/v1/keys/..%2Fkeys'],
      ['a b?c', '/admin/v1/keys/a%20b%3Fc'],
    ] as const) {
      (input as FakeNode).value = value;
      await click();
      expect(called.at(-1)).toBe(expected);
    }
    const before = called.length;
    for (const value of ['', '.', '..']) {
      (input as FakeNode).value = value;
      await click();
    }
    expect(called).toHaveLength(before);
  });
});

/** The little of a page that the script uses. Whatever would read text as HTML isn't there, and throws. */
class FakeNode {
  value = '';
  hidden = false;
  #text = '';
  readonly listeners = new Map<string, (event: unknown) => unknown>();
  readonly texts: string[];

  constructor(texts: string[]) {
    this.texts = texts;
  }

  get textContent(): string {
    return this.#text;
  }

  set textContent(text: string) {
    this.#text = text;
    this.texts.push(text);
  }

  set innerHTML(_html: string) {
    throw new Error('HTML was set');
  }

  append = (...nodes: unknown[]) => {
    if (nodes.some((node) => !(node instanceof FakeNode))) throw new Error('not a node');
  };

  addEventListener = (name: string, listener: (event: unknown) => unknown) => {
    this.listeners.set(name, listener);
  };
}

/** Runs the page's script against a description with one call, `/admin/v1/keys/{id}`. */
async function open(summary: string, answer: object) {
  const texts: string[] = [];
  const called: string[] = [];
  const made: [tag: string, node: FakeNode][] = [];
  const byId = new FakeNode(texts);
  const operation = { summary, description: summary, parameters: [{ name: 'id', in: 'path', required: true }] };
  const described = { info: { version: '1' }, paths: { '/admin/v1/keys/{id}': { get: operation } } };
  const fetch = async (target: string) => {
    if (target === '/openapi.json') return { json: async () => described };
    called.push(target);
    const headers = new Map([['content-type', 'application/json']]);
    return { status: 200, statusText: 'OK', headers, text: async () => JSON.stringify(answer) };
  };
  const createElement = (tag: string) => {
    const node = new FakeNode(texts);
    made.push([tag, node]);
    return node;
  };
  const script = /<script nonce="[^"]*">([\s\S]*)<\/script>/.exec(docsPage('x'))?.[1] as string;
  vm.runInNewContext(script, { document: { createElement, getElementById: () => byId }, fetch, URLSearchParams });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const nodes = (wanted: string) => made.filter(([tag]) => tag === wanted).map(([, node]) => node);
  const [input] = nodes('input');
  if (input) input.value = 'x';
  return { called, texts, inputs: nodes('input'), click: () => nodes('button')[0]?.listeners.get('click')?.({}) };
}
