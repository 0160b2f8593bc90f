import { SCRIPT } from './script.js';
import { STYLE } from './style.js';

/** The heading of a column; `extra` gives way on a phone, `number` stands at the end. */
type Column = readonly [text: string, look?: 'extra' | 'number'];

interface Table {
  readonly id: string;
  readonly title: string;
  readonly columns: readonly Column[];
  /** Behind the heading. */
  readonly more?: string;
}

const TABLES: readonly Table[] = [
  {
    id: 'destinations',
    title: 'Destinations',
    columns: [['Name'], ['Health'], ['Breaker'], ['Kind', 'extra'], ['Goes to', 'extra'], ['Credential', 'extra']],
  },
  {
    id: 'calls',
    title: 'Calls',
    columns: [
      ['Time'],
      ['Who', 'extra'],
      ['Destination'],
      ['Method', 'extra'],
      ['Tool'],
      ['Status'],
      ['Duration', 'number'],
    ],
    more: '<button type="button" id="pause" aria-pressed="false">Pause</button>',
  },
  {
    id: 'tokens',
    title: 'Tokens',
    columns: [['Name'], ['Whose', 'extra'], ['Got', 'extra'], ['Expires'], ['Action']],
  },
  {
    id: 'sessions',
    title: 'Sessions',
    columns: [['Id', 'extra'], ['Destination'], ['Whose'], ['Since', 'extra'], ['Last used'], ['Action']],
  },
  {
    id: 'children',
    title: 'Children',
    columns: [['Process'], ['Destination'], ['Whose'], ['Since']],
  },
];

function section({ id, title, columns, more = '' }: Table): string {
  const heads = columns.map(([text, look]) => `<th scope="col"${look ? ` class="${look}"` : ''}>${text}</th>`).join('');
  const tall = id === 'calls' ? ' tall' : '';
  return `<section id="${id}" aria-labelledby="${id}-title" hidden>
<div class="head"><h2 id="${id}-title">${title}</h2><span></span>${more}</div>
<div class="scroll${tall}" role="region" aria-labelledby="${id}-title" tabindex="0">
<table aria-labelledby="${id}-title"><thead><tr>${heads}</tr></thead><tbody></tbody></table>
</div>
</section>`;
}

/** The page, whole: it holds nothing of this process, and fetches from the management API only. `nonce` is base64. */
export function uiPage(nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Drawbridge</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<header><h1>Drawbridge</h1><p id="status" role="status" aria-live="polite"></p><button type="button" id="forget" hidden>Forget me</button></header>
<noscript>This page needs JavaScript. The same is to be had from /admin/v1.</noscript>
<form id="proof" hidden>
<label for="token">Token or API key. It stays in this page's memory, and is gone when the page is.</label>
<input id="token" type="password" autocomplete="off" spellcheck="false" required>
<button>Look</button>
</form>
<main>
${TABLES.map(section).join('\n')}
</main>
<script nonce="${nonce}">${SCRIPT}</script>
</body>
</html>
`;
}

/** What the page may do: its own script and style, by their nonce, and calls to where it came from. It opens nobody, and nobody who opened it reaches into it. */
export function uiHeaders(nonce: string): readonly string[] {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return ['content-security-policy', policy.join('; '), 'cross-origin-opener-policy', 'same-origin'];
}
