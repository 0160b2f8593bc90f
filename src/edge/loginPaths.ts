/** Where browsers come back to, behind the public URL. */
export const CALLBACK_PATH = '/oauth/callback';
const PAGES = '/login/';

/** The login whose page that is; undefined for every other path. */
export function loginIdIn(path: string): string | undefined {
  const id = path.startsWith(PAGES) ? path.slice(PAGES.length) : '';
  return /^[\w-]{43}$/.test(id) ? id : undefined;
}

/** The address of a login's page. */
export function loginPageAt(base: URL, id: string): URL {
  return new URL(base.pathname.replace(/\/$/, '') + PAGES + id, base);
}
