import { decodeValue, encodeValue, mirrorLines, ParamHeaders } from '../../src/wire/mirror.js';

const REVISION = '2026-07-28';

/** A list with one tool whose input schema has these properties. */
function listOf(properties: object, more: object = {}, name = 'query') {
  return { tools: [{ name, inputSchema: { type: 'object', properties, ...more } }] };
}

function learnt(properties: object, more: object = {}) {
  const headers = new ParamHeaders();
  return { headers, illegal: headers.learn(listOf(properties, more)) };
}

describe('the headers of every message', () => {
  it.each([
    ['tools/call', { name: 'echo' }, 'echo'],
    ['prompts/get', { name: 'greet' }, 'greet'],
    ['resources/read', { uri: 'test://a b' }, 'test://a b'],
    ['tasks/cancel', { taskId: 't-1' }, 't-1'],
  ])('%s has a name', (method, params, name) => {
    expect(mirrorLines({ method, params }, REVISION)).toEqual([
      'MCP-Protocol-Version',
      REVISION,
      'Mcp-Method',
      method,
      'Mcp-Name',
      name,
    ]);
  });

  it('others have none', () => {
    expect(mirrorLines({ method: 'tools/list', params: { name: 'x' } }, REVISION)).toHaveLength(4);
    expect(mirrorLines({ method: 'tools/call' }, REVISION)).toHaveLength(4);
    expect(mirrorLines({}, REVISION)).toEqual(['MCP-Protocol-Version', REVISION]);
  });

  it.each([
    ['plain', 'us-west 1', 'us-west 1'],
    ['not ASCII', 'Grüße', '=?base64?R3LDvMOfZQ==?='],
    ['a space in front', ' x', '=?base64?IHg=?='],
    ['a line feed', 'a\nb', '=?base64?YQpi?='],
    ['nothing', '', '=?base64??='],
    ['what looks encoded', '=?base64?eA==?=', '=?base64?PT9iYXNlNjQ/ZUE9PT89?='],
  ])('carries %s', (_, value, line) => {
    expect(encodeValue(value)).toBe(line);
    expect(decodeValue(line)).toBe(value);
  });

  it('refuses base64 that has another spelling, and bytes that are no UTF-8', () => {
    for (const line of ['=?base64?eB==?=', '=?base64?e A==?=', '=?base64?eA?=', '=?base64?/w==?=']) {
      expect(decodeValue(line)).toBeUndefined();
    }
  });
});

describe('the headers of a tool', () => {
  const region = { type: 'string', 'x-mcp-header': 'Region' };

  it('repeat what the arguments say', () => {
    const { headers, illegal } = learnt({
      region,
      place: { type: 'object', properties: { floor: { type: 'integer', 'x-mcp-header': 'Floor' } } },
      dry: { type: 'boolean', 'x-mcp-header': 'Dry' },
      note: { type: 'string' },
    });
    expect(illegal).toEqual([]);
    expect(headers.knows('query')).toBe(true);
    const args = { region: 'Zürich', place: { floor: -3 }, dry: false, note: 'x' };
    expect(headers.lines('query', args)).toEqual([
      'Mcp-Param-Region',
      '=?base64?WsO8cmljaA==?=',
      'Mcp-Param-Floor',
      '-3',
      'Mcp-Param-Dry',
      'false',
    ]);
  });

  it('are absent for null, for nothing, for what is no single value and for rounded numbers', () => {
    const { headers } = learnt({ region, floor: { type: 'integer', 'x-mcp-header': 'Floor' } });
    expect(headers.lines('query', { region: null })).toEqual([]);
    expect(headers.lines('query', undefined)).toEqual([]);
    expect(headers.lines('query', { region: ['x'], floor: 2 ** 53 })).toEqual([]);
    expect(headers.lines('other', { region: 'x' })).toEqual([]);
  });

  it.each([
    ['a number', { n: { type: 'number', 'x-mcp-header': 'N' } }],
    ['a list of types', { n: { type: ['string', 'null'], 'x-mcp-header': 'N' } }],
    ['an object', { n: { type: 'object', 'x-mcp-header': 'N' } }],
    ['no token', { n: { type: 'string', 'x-mcp-header': 'a b' } }],
    ['a line break', { n: { type: 'string', 'x-mcp-header': 'a\r\nb' } }],
    ['nothing', { n: { type: 'string', 'x-mcp-header': '' } }],
    ['the same name twice', { a: region, b: { type: 'string', 'x-mcp-header': 'REGION' } }],
    ['an item of a list', { a: { type: 'array', items: region } }],
    ['an item inside a property', { a: { type: 'array', items: { properties: { b: region } } } }],
    ['one of several', { a: { oneOf: [region] } }],
    ['an additional property', { a: { additionalProperties: region } }],
  ])('are refused at %s', (_, properties) => {
    const { headers, illegal } = learnt(properties);
    expect(illegal).toEqual(['query']);
    expect(headers.knows('query')).toBe(false);
  });

  it('are refused at the root and in definitions, but data and names are no annotations', () => {
    expect(learnt({}, { 'x-mcp-header': 'Root' }).illegal).toEqual(['query']);
    expect(learnt({}, { $defs: { r: region } }).illegal).toEqual(['query']);
    const named = learnt({ 'x-mcp-header': { type: 'string', default: { 'x-mcp-header': 1 } } }).illegal;
    expect(named).toEqual([]);
  });

  it('are not looked for where a schema nests without end', () => {
    let properties: object = { a: region };
    for (let level = 0; level < 1_000; level++) properties = { a: { properties } };
    const { headers, illegal } = learnt(properties);
    expect([illegal, headers.knows('query')]).toEqual([[], false]);
  });

  it('are forgotten with the annotation, and are limited in number', () => {
    const { headers } = learnt({ region });
    headers.learn(listOf({ region: { type: 'string' } }));
    expect(headers.knows('query')).toBe(false);
    for (let index = 0; index <= 2_000; index++) headers.learn(listOf({ region }, {}, `tool-${index}`));
    expect([headers.knows('tool-0'), headers.knows('tool-1'), headers.knows('tool-2000')]).toEqual([false, true, true]);
  });

  it('are checked where a server would', () => {
    const { headers } = learnt({ region, floor: { type: 'integer', 'x-mcp-header': 'Floor' } });
    const verify = (args: unknown, lines: Record<string, string>) =>
      headers.verify('query', args, (name) => lines[name]);
    expect(verify({ region: 'Zürich' }, { 'mcp-param-region': '=?base64?WsO8cmljaA==?=' })).toBeUndefined();
    expect(verify({ floor: 42 }, { 'mcp-param-floor': '42.0' })).toBeUndefined();
    expect(verify({ region: null }, { 'mcp-param-region': 'anything' })).toBeUndefined();
    expect(verify({ region: 'x' }, {})).toBe('Mcp-Param-Region is missing');
    expect(verify({ region: 'x' }, { 'mcp-param-region': 'y' })).toBe('Mcp-Param-Region differs from the body');
    expect(verify({ region: 'x' }, { 'mcp-param-region': '=?base64?e?=' })).toMatch('differs');
    expect(verify({ floor: 42 }, { 'mcp-param-floor': '0x2a' })).toMatch('differs');
  });

  it('survive a list that is none', () => {
    const headers = new ParamHeaders();
    for (const odd of [null, 1, {}, { tools: 1 }, { tools: [null, 'x', { name: 1 }] }]) {
      expect(() => headers.learn(odd)).not.toThrow();
    }
  });
});
