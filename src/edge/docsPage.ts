const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; }
header { display: flex; flex-wrap: wrap; gap: 1rem; align-items: baseline; justify-content: space-between; }
details { border: 1px solid #8886; border-radius: .5rem; margin: .5rem 0; padding: .5rem 1rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
summary b { display: inline-block; min-width: 4.5rem; }
summary code { margin-right: .75rem; }
label { display: block; margin: .5rem 0; }
label span { display: block; font-size: .875rem; }
input, textarea { box-sizing: border-box; font: inherit; padding: .35rem; width: 100%; }
textarea { font-family: ui-monospace, monospace; min-height: 6rem; }
button { font: inherit; padding: .35rem 1rem; }
pre { background: #8882; border-radius: .5rem; max-height: 30rem; overflow: auto; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.note { opacity: .75; }
`;

/** Writes text only: nothing that comes from the API is ever read as HTML. The token lives in this page's memory. */
const SCRIPT = `
'use strict';
(() => {
  let token = '';
  const make = (tag, text, ...children) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    node.append(...children);
    return node;
  };
  const field = (text, control) => make('label', undefined, make('span', text), control);

  const example = (schema) => {
    const fields = Object.entries((schema && schema.properties) || {});
    const values = fields.map(([name, one]) => {
      if (one.default !== undefined) return [name, one.default];
      if (one.examples) return [name, one.examples[0]];
      return [name, one.type === 'array' ? [] : one.type === 'integer' || one.type === 'number' ? 0 : ''];
    });
    const required = (schema && schema.required) || [];
    return JSON.stringify(Object.fromEntries(values.filter(([name]) => required.includes(name))), null, 2);
  };

  const send = async (method, path, controls, body) => {
    let target = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of controls) {
      if (parameter.in === 'path') {
        if (input.value === '' || input.value === '.' || input.value === '..') throw new Error(parameter.name + ' is needed');
        target = target.replace('{' + parameter.name + '}', () => encodeURIComponent(input.value));
      } else if (input.value !== '') query.set(parameter.name, input.value);
    }
    const headers = token === '' ? {} : { authorization: 'Bearer ' + token };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const search = query.toString();
    const init = { method: method.toUpperCase(), headers, credentials: 'omit', cache: 'no-store', redirect: 'error' };
    if (body !== undefined) init.body = body;
    const response = await fetch(search === '' ? target : target + '?' + search, init);
    const text = await response.text();
    const json = (response.headers.get('content-type') || '').startsWith('application/json');
    return response.status + ' ' + response.statusText + '\\n\\n' + (json ? JSON.stringify(JSON.parse(text), null, 2) : text);
  };

  const show = (path, method, operation) => {
    const controls = (operation.parameters || []).map((parameter) => {
      const input = make('input');
      input.autocomplete = 'off';
      return { parameter, input };
    });
    const schema = operation.requestBody && operation.requestBody.content['application/json'].schema;
    const body = schema && make('textarea');
    if (body) body.value = example(schema);
    const result = make('pre');
    result.hidden = true;
    const button = make('button', 'Send');
    button.type = 'button';
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        result.textContent = await send(method, path, controls, body && body.value);
      } catch (error) {
        result.textContent = String(error && error.message);
      }
      result.hidden = false;
      button.disabled = false;
    });
    const fields = controls.map(({ parameter, input }) =>
      field(parameter.name + (parameter.required ? ' (needed)' : '') + (parameter.description ? ': ' + parameter.description : ''), input));
    if (body) fields.push(field('body, JSON: ' + Object.keys(schema.properties || {}).join(', '), body));
    const head = make('summary', undefined, make('b', method.toUpperCase()), make('code', path), make('span', operation.summary));
    return make('details', undefined, head, make('p', operation.description), ...fields, button, result);
  };

  const start = async () => {
    const main = document.getElementById('calls');
    const response = await fetch('/openapi.json', { credentials: 'omit' });
    const described = await response.json();
    document.getElementById('version').textContent = described.info.version;
    for (const [path, methods] of Object.entries(described.paths)) {
      for (const [method, operation] of Object.entries(methods)) main.append(show(path, method, operation));
    }
  };

  document.getElementById('token').addEventListener('input', (event) => { token = event.target.value.trim(); });
  start().catch(() => { document.getElementById('calls').textContent = 'The description could not be read: reload this page.'; });
})();
`;

/** The interactive page, whole: it fetches nothing but `/openapi.json` and the calls that somebody tries. `nonce` is base64. */
export function docsPage(nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Drawbridge management API</title>
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<header><h1>Drawbridge management API</h1><span class="note" id="version"></span></header>
<label><span>Token or API key, kept in this page's memory only</span><input id="token" type="password" autocomplete="off" spellcheck="false"></label>
<main id="calls"></main>
<p class="note"><a href="/openapi.json">openapi.json</a></p>
<script nonce="${nonce}">${SCRIPT}</script>
</body>
</html>
`;
}

/** What the page may do: its own script and style by their nonce, and calls to where it came from. */
export function docsPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');
}
