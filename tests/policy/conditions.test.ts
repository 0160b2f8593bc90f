import { type Condition, ConditionError, compileCondition } from '../../src/policy/conditions.js';
import { Facts, VARIABLES } from '../../src/policy/facts.js';

const caller = {
  subject: 'corp:ada',
  tenant: 'acme',
  roles: ['analyst'],
  claims: JSON.parse('{"country":"DE","level":3,"groups":["a","b"],"__proto__":{"admin":true}}') as Record<
    string,
    unknown
  >,
};

function compile(text: string): Condition {
  return compileCondition(text, VARIABLES);
}

function ask(text: string, given: unknown = {}): boolean | undefined {
  const params = { name: 'write', arguments: given };
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }));
  const call = { kind: 'request', era: 'legacy', method: 'tools/call', name: 'write', body } as const;
  return compile(text).test(new Facts(caller, 'qlik', 'tools/call', 'write', call));
}

describe('a condition', () => {
  it.each([
    ["principal.claims.country == 'DE'", true],
    ["principal.claims.country == 'FR'", false],
    ['principal.claims.level >= 3', true],
    ["principal.tenant == 'acme' && 'analyst' in principal.roles", true],
    ["principal.subject.startsWith('corp:')", true],
    ["principal.claims.groups.exists(group, group == 'b')", true],
    ["destination == 'qlik' && method == 'tools/call' && name == 'write'", true],
    ["name.rmatches('^wr')", true],
    ["name.rmatches('^x')", false],
    ['has(principal.claims.none)', false],
    ["principal.?claims.?none.orValue('x') == 'x'", true],
  ])('%s is %s', (text, answer) => {
    expect(ask(text)).toBe(answer);
  });

  it.each([
    ["arguments.path.startsWith('/tmp/')", { path: '/tmp/x' }, true],
    ["arguments.path.startsWith('/tmp/')", { path: '/etc/x' }, false],
    ["arguments.path.startsWith('/tmp/')", { path: 5 }, undefined],
    ["arguments.path.startsWith('/tmp/')", {}, undefined],
    ["arguments.path.startsWith('/tmp/')", ['/tmp/x'], undefined],
    ['has(arguments.path)', undefined, false],
    ['arguments.size() == 0', null, true],
  ])('%s of %j is %s', (text, given, answer) => {
    expect(ask(text, given)).toBe(answer);
  });

  it('says what it asks about', () => {
    expect([...compile("principal.subject == 'x' || arguments.a == 'principal'").mentions]).toEqual([
      'principal',
      'arguments',
    ]);
    expect([...compile("[1].all(x, destination == 'y')").mentions]).toEqual(['destination']);
  });

  it.each([
    ["principle.subject == 'x'", /Unknown variable: principle/],
    ['1 + 1', /is a int/],
    ['principal.subject == ', /./],
    ["name.rmatches('(')", /./],
    ['name.rmatches(name)', /literal/],
    ["name + 1 == 'x'", /./],
    [`name == '${'x'.repeat(5_000)}'`, /longer/],
  ])('is refused at the start: %s', (text, message) => {
    expect(() => compile(text)).toThrow(ConditionError);
    expect(() => compile(text)).toThrow(message);
  });

  it.each([
    ['principal.claims.__proto__.constructor == 1'],
    ['principal.constructor == 1'],
    ['principal.claims.toString == 1'],
    ["principal.claims.hasOwnProperty('country')"],
  ])('never reaches a prototype: %s', (text) => {
    let answer: unknown;
    try {
      answer = ask(text);
    } catch (error) {
      expect(error).toBeInstanceOf(ConditionError);
    }
    expect(answer).toBeUndefined();
  });

  it('reads __proto__ in claims as the claim that it is, and gives it to nobody else', () => {
    expect(ask('principal.claims.__proto__.admin')).toBe(true);
    expect(ask('principal.claims.admin')).toBeUndefined();
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
  });
});

describe('a condition that would run for ever', () => {
  it.each([
    ["name.matches('^(a+)+$')", /rmatches/],
    ["[name].exists(x, x.matches('^(a+)+$'))", /rmatches/],
    ['principal.roles.all(a, principal.roles.all(b, a == b))', /inside another loop/],
    ['principal.roles.map(a, principal.roles.filter(b, a == b).size()).size() > 0', /inside another loop/],
    ['cel.bind(a, [1, 2], a + a).size() > 0', /bind/],
    ["arguments.text.split('').all(x, true)", /split/],
    ["[name, name].join('x') == ''", /join/],
    [`${'name == "a" || '.repeat(400)}true`, /./],
    [`${'('.repeat(100)}true${')'.repeat(100)}`, /./],
    [`${'!'.repeat(4_000)}true`, /./],
  ])('is refused at the start: %s', (text, message) => {
    expect(() => compile(text)).toThrow(ConditionError);
    expect(() => compile(text)).toThrow(message);
  });

  it('has no time to: a pattern that explodes elsewhere takes linear time', () => {
    const started = process.cpuUsage();
    expect(ask("arguments.text.rmatches('^(a+)+$')", { text: `${'a'.repeat(10_000)}!` })).toBe(false);
    expect(process.cpuUsage(started).user / 1_000).toBeLessThan(6_000);
  });

  it('is given nothing large: what it asks about then has no answer', () => {
    const items = Array.from({ length: 100_000 }, () => 'x');
    expect(ask("arguments.items.all(x, x == 'x')", { items })).toBeUndefined();
    expect(ask("arguments.items.all(x, x == 'x')", { items: items.slice(0, 500) })).toBe(true);
    expect(ask('arguments.deep.size() > 0', { deep: [[items]] })).toBeUndefined();
    expect(ask("arguments.text == 'x'", { text: 'x'.repeat(20_000) })).toBeUndefined();
    expect(ask('has(arguments.text)', { text: 'x'.repeat(20_000) })).toBeUndefined();
    expect(ask("arguments.path == 'p'", { path: 'p', content: 'x'.repeat(20_000) })).toBe(true);
    expect(ask("arguments.k1 == 'x'", Object.fromEntries(items.map((x, index) => [`k${index}`, x])))).toBeUndefined();
  });
});
