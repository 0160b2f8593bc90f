import type { ServerResponse } from 'node:http';

const TEXTS = {
  done: ['You are logged in', 'You can close this window and go back to your work.'],
  refused: ['The login was refused', 'You can close this window. What you were doing will say why.'],
  'not-yours': ['This login is not known here', 'It may be an old one. You can close this window.'],
  'not-here': ['There is nothing here', 'You can close this window.'],
} as const;

/** What a browser shows that came back from a login. Nothing of the request stands in it. */
export function loginPage(response: ServerResponse, status: number, what: keyof typeof TEXTS): void {
  const [title, text] = TEXTS[what];
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Drawbridge</title>
<style>body{font:16px/1.5 system-ui;margin:15vh auto;max-width:30em;padding:0 1em}</style>
<h1>${title}</h1><p>${text}</p></html>`;
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(page),
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  });
  response.end(page);
}
