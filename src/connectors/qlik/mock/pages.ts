import type { Answer, RoutedAsk } from './ask.js';
import { badRequest } from './refusal.js';
import type { Row, Tenant } from './tenant.js';

export interface Paging {
  readonly byDefault?: number;
  readonly max?: number;
  /** Names that `sort` takes, each with `+`, `-` or nothing before it. */
  readonly sort?: readonly string[];
  /** `page` instead of `next` and `prev`, as the scheduler has it. */
  readonly cursor?: 'page';
  /** Automations say `{ href: null }` where others leave a link out. */
  readonly nullLinks?: boolean;
  readonly more?: object;
}

interface Cursor {
  readonly from: number;
  /** Of which list: a cursor serves no other. */
  readonly of: string;
}

/** A page of the rows: `{ data, links: { self, next, prev } }` with absolute addresses. */
export function page(tenant: Tenant, ask: RoutedAsk, rows: readonly Row[], paging: Paging = {}): Answer {
  const { byDefault = 10, max = 100 } = paging;
  const limit = limitOf(ask.query.get('limit'), byDefault, max);
  const sorted = sort(rows, ask.query.get('sort'), paging.sort ?? []);
  const cursorText = ask.query.get('page') ?? ask.query.get('next') ?? ask.query.get('prev');
  const from = cursorText === null ? 0 : cursorOf(cursorText, ask.path).from;
  const data = sorted.slice(from, from + limit);
  const links = {
    self: { href: here(ask) },
    ...link('next', from + limit < sorted.length ? from + limit : undefined, { tenant, ask, paging, here: from }),
    ...link('prev', from > 0 ? Math.max(0, from - limit) : undefined, { tenant, ask, paging, here: from }),
  };
  return { status: 200, json: { data, links, ...paging.more } };
}

function limitOf(text: string | null, byDefault: number, max: number): number {
  if (text === null) return byDefault;
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > max) throw badRequest(`limit must be from 1 to ${max}.`);
  return limit;
}

function sort(rows: readonly Row[], text: string | null, names: readonly string[]): readonly Row[] {
  if (text === null) return rows;
  const keys = text.split(',').map((key) => ({ name: key.replace(/^[+\- ]/, ''), down: key.startsWith('-') }));
  const foreign = keys.find(({ name }) => !names.includes(name));
  if (foreign) throw badRequest(`sort can't be by ${foreign.name}.`);
  return [...rows].sort((one, other) => {
    for (const { name, down } of keys) {
      const difference = String(one[name] ?? '').localeCompare(String(other[name] ?? ''));
      if (difference !== 0) return down ? -difference : difference;
    }
    return 0;
  });
}

interface Linking {
  readonly tenant: Tenant;
  readonly ask: RoutedAsk;
  readonly paging: Paging;
  readonly here: number;
}

function link(name: 'next' | 'prev', from: number | undefined, { tenant, ask, paging, here: at }: Linking): object {
  if (from === undefined) return paging.nullLinks ? { [name]: { href: null } } : {};
  const { loops, foreign } = tenant.faults;
  const url = new URL(here(ask));
  for (const cursor of ['page', 'next', 'prev']) url.searchParams.delete(cursor);
  const target: Cursor = { from: name === 'next' && loops ? at : from, of: ask.path };
  const text = Buffer.from(JSON.stringify(target)).toString('base64url');
  url.searchParams.set(paging.cursor ?? name, text);
  const away = name === 'next' && foreign !== undefined;
  return { [name]: { href: away ? `${foreign}${url.pathname}${url.search}` : url.href } };
}

function here({ origin, path, query }: RoutedAsk): string {
  return `${origin}${path}${query.size > 0 ? `?${query}` : ''}`;
}

function cursorOf(text: string, path: string): Cursor {
  try {
    const cursor = JSON.parse(Buffer.from(text, 'base64url').toString()) as Partial<Cursor>;
    if (Number.isSafeInteger(cursor.from) && cursor.of === path) return cursor as Cursor;
  } catch {
    // What is no cursor of ours is refused like one of another list.
  }
  throw badRequest('The page is unknown.');
}
