import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { HeaderLines } from '../contracts.js';
import type { Pending } from './pendingLogins.js';

/** A page of our own. */
export interface Page {
  readonly status: number;
  readonly headers: HeaderLines;
  readonly body: Buffer;
}

const TEXTS = {
  done: [200, 'You are logged in', 'You can close this window and go back to your work.'],
  refused: [400, 'The login was refused', 'You can close this window. What you were doing will say why.'],
  'not-yours': [
    400,
    'This login is not known here',
    'It may be an old one, or over already. You can close this window.',
  ],
  'not-here': [404, 'There is nothing here', 'You can close this window.'],
  foreign: [
    403,
    'This login was begun in another browser',
    'Nothing was handed over. If somebody sent you here, do not log in for them; else open the link again that you were given.',
  ],
  'not-pasted': [
    400,
    'That is not the address',
    'It is the one that your browser shows when the login is over: it holds <code>code=</code> and <code>state=</code>. Go back and paste all of it.',
  ],
} as const;

const STYLE = `:root{color-scheme:light dark}
body{font:16px/1.55 system-ui,sans-serif;margin:12vh auto;max-width:34em;padding:0 1.25em}
h1{font-size:1.6em;line-height:1.25}dt{opacity:.7;font-size:.875em}dd{margin:0 0 .9em;overflow-wrap:anywhere;font-weight:600}
.take-care{border-left:4px solid #c60;padding:.1em 1em}a.go,button{display:inline-block;font:inherit;font-weight:600;
color:#fff;background:#1a5fb4;border:0;border-radius:.4em;padding:.65em 1.3em;text-decoration:none;cursor:pointer}
input{box-sizing:border-box;display:block;width:100%;font:inherit;padding:.55em;margin:.4em 0 1em}`;

/** No script at all, no frame around it, no style but ours, and forms go to us only. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** What a browser shows that came back from a login. Nothing of the request stands in it. */
export function pageOf(what: keyof typeof TEXTS): Page {
  const [status, title, text] = TEXTS[what];
  return page(status, title, `<p>${text}</p>`);
}

/** Asks whoever opened the link whether the login is theirs: the link may have been somebody else's to give. */
export function confirmPage(pending: Pending): Page {
  const { host } = new URL(pending.authorization);
  return page(
    200,
    `Log in to ${escaped(new URL(pending.server).host)}?`,
    `${facts(pending)}${warning(pending)}
<form method="post"><button>Log in at ${escaped(host)}</button></form>
<p>Not yours? Close this window: nothing happens.</p>`,
    'same-origin',
  );
}

/** The same, for a browser that can't come back by itself. */
export function pastePage(pending: Pending): Page {
  const { href, host } = new URL(pending.authorization);
  return page(
    200,
    `Log in to ${escaped(new URL(pending.server).host)}?`,
    `${facts(pending)}${warning(pending)}
<ol><li><p><a class="go" href="${escaped(href)}" target="_blank" rel="noopener noreferrer">Log in at ${escaped(host)}</a></p></li>
<li><p>In the end your browser may say that it can't reach <code>${escaped(new URL(pending.redirectUri).host)}</code>. Copy the
address of that page, as it is.</p></li>
<li><form method="post"><label>Paste it here<input name="address" type="text" autocomplete="off" spellcheck="false" required></label>
<button>Done</button></form></li></ol>`,
    'same-origin',
  );
}

/** On to the authorization server; not by a redirect, which browsers hold against a form's policy. */
export function onwardPage(authorization: string): Page {
  const { host } = new URL(authorization);
  const body = `<p><a class="go" href="${escaped(authorization)}">Go on to ${escaped(host)}</a></p>`;
  const refresh = `<meta http-equiv="refresh" content="0;url=${escaped(authorization)}">`;
  return page(200, 'One moment', body, 'no-referrer', refresh);
}

/** The answer on a connection of its own. */
export function sendPage(response: ServerResponse, { status, headers, body }: Page): void {
  response.writeHead(status, [...headers, 'connection', 'close'] as string[]);
  response.end(body);
}

function facts({ server, credential, authorization, subject, tenant }: Pending): string {
  const user = subject === null ? 'everybody who may use this gateway' : [tenant, subject].filter(Boolean).join(' / ');
  const rows = [
    ['Server', server],
    ['You log in at', new URL(authorization).host],
    ['Who will use it', user],
    ['Kept as the credential', credential],
  ] as const;
  return `<dl>${rows.map(([term, text]) => `<dt>${term}</dt><dd>${escaped(text)}</dd>`).join('')}</dl>`;
}

function warning({ subject }: Pending): string {
  const whose = subject === null ? 'everybody who may use this gateway' : `<b>${escaped(subject)}</b>`;
  const who = subject === null ? 'Go on only if you run this gateway' : `Go on only if you are ${whose}`;
  return `<p class="take-care">${who}, and asked for this yourself. From then on ${whose} can do at the server what the
account that you log in with may do. If somebody else sent you this link, don't.</p>`;
}

function page(status: number, title: string, content: string, referrers = 'no-referrer', head = ''): Page {
  const body = Buffer.from(`<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>${title} - Drawbridge</title>${head}<style>${STYLE}</style>
<main><h1>${title}</h1>${content}</main></html>`);
  const headers = [
    ['content-type', 'text/html; charset=utf-8'],
    ['content-length', String(body.length)],
    ['cache-control', 'no-store'],
    ['content-security-policy', POLICY],
    // A form under `no-referrer` is sent with `Origin: null`.
    ['referrer-policy', referrers],
    ['x-content-type-options', 'nosniff'],
    ['x-frame-options', 'DENY'],
  ];
  return { status, headers: headers.flat(), body };
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] as string);
}
