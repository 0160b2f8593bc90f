import fs from 'node:fs';
import { budgetOf, endpointsOf, pathOf } from '../../../src/connectors/qlik/endpoints.js';
import type { Resource } from '../../../src/connectors/qlik/resource.js';
import { RESOURCES } from '../../../src/connectors/qlik/resources.js';

/** Every endpoint of those resources that the published interface has: one a line, method and path. */
const PUBLISHED = new Set(
  fs.readFileSync('tests/connectors/qlik/endpoints.txt', 'utf8').trim().split('\n').map(withoutNames),
);

/** The published interface isn't consistent in how it names a variable. */
function withoutNames(endpoint: string): string {
  return endpoint.replace(/\{[^}]+\}/g, '{}');
}

const rows = Object.entries<Resource>(RESOURCES);

describe('the table of resources', () => {
  it.each(rows)('%s: every endpoint is there as it is written', (_name, resource) => {
    const endpoints = endpointsOf(resource).map(withoutNames);
    expect(endpoints.filter((endpoint) => !PUBLISHED.has(endpoint))).toEqual([]);
    expect(new Set(endpoints).size).toBe(endpoints.length);
  });

  it.each(rows)('%s: what it can do in general, it is said to', (_name, resource) => {
    const { base, id } = resource;
    const general = new Map([
      [`GET ${base}`, 'list'],
      [`POST ${base}`, 'create'],
      [`GET ${base}/{${id}}`, 'get'],
      [`PATCH ${base}/{${id}}`, 'patch'],
      [`PUT ${base}/{${id}}`, 'put'],
      [`DELETE ${base}/{${id}}`, 'delete'],
    ]);
    const there = [...general]
      .filter(([endpoint]) => PUBLISHED.has(withoutNames(endpoint)))
      .map(([, ability]) => ability);
    expect([...resource.can].sort()).toEqual(there.sort());
  });

  it.each(rows)('%s: shows nothing by a name that holds a secret', (_name, { fields, details = [] }) => {
    const secret = /token|secret|password|header|connectstatement|licenseKey|^key$|url/i;
    expect([...fields, ...details].filter((field) => secret.test(field))).toEqual([]);
  });

  it('names paths of further endpoints', () => {
    expect(pathOf('reloads', 'cancel')).toBe('/api/v1/reloads/{reloadId}/actions/cancel');
    expect(pathOf('tasks', 'lastRun')).toBe('/api/scheduling/tasks/{id}/runs/last');
  });

  it('knows the limits as they are published', () => {
    const limits = [
      budgetOf('GET', '/api/v1/spaces'),
      budgetOf('PATCH', '/api/v1/spaces/{spaceId}'),
      budgetOf('GET', '/api/v1/lineage-graphs/impact/{id}/overview'),
      budgetOf('POST', '/api/v1/reloads'),
      budgetOf('GET', '/api/v1/reloads'),
    ];
    expect(limits.map(({ perMinute }) => perMinute)).toEqual([1_000, 100, 20, 50, 1_000]);
  });
});
