/**
 * What runs in the page. Text from the API is only ever set as text; the token lives in this page's memory, since
 * `sessionStorage` belongs to every page of the origin. Paths are relative, so that a prefix before them does no harm.
 */
export const SCRIPT = String.raw`
'use strict';
(() => {
  const MOST_CALLS = 200;
  const REFRESH_MS = 5000;
  const SOON_MS = 500;
  const AGAIN_MS = 1000;
  const LATEST_AGAIN_MS = 15000;

  let token = '';
  let allowed = new Set();
  /** Ends what is under way when somebody else looks on. */
  let look = new AbortController();
  const lastFailed = new Map();

  const byId = (id) => document.getElementById(id);
  const say = (text) => {
    if (byId('status').textContent !== text) byId('status').textContent = text;
  };
  const wait = (ms, signal) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
    });

  const ask = async (method, path, signal = look.signal) => {
    const headers = token === '' ? {} : { authorization: 'Bearer ' + token };
    const init = { method, headers, signal, credentials: 'omit', cache: 'no-store', redirect: 'error' };
    const response = await fetch('admin/v1/' + path, init);
    if (response.ok) return response;
    const { error } = await response.json().catch(() => ({}));
    const failure = new Error((error && error.message) || 'status ' + response.status);
    throw Object.assign(failure, { status: response.status, hint: error && error.details && error.details.hint });
  };

  // Cells: text, or an element. Everything goes in as text.
  const make = (tag, className, ...children) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
    return node;
  };
  const pill = (look, text) => make('span', 'pill ' + look, text);
  const button = (text, label, run) => {
    const node = make('button', '', text);
    node.type = 'button';
    node.setAttribute('aria-label', label);
    node.addEventListener('click', async () => {
      node.disabled = true;
      try {
        await run();
      } catch (error) {
        say('That failed: ' + error.message);
      }
      node.disabled = false;
      await refresh();
    });
    return node;
  };
  const time = (ms, text) => {
    const node = make('time', '', text === undefined ? new Date(ms).toLocaleTimeString() : text);
    node.dateTime = new Date(ms).toISOString();
    node.title = new Date(ms).toLocaleString();
    return node;
  };
  const UNITS = [['d', 86400000], ['h', 3600000], ['min', 60000], ['s', 1000]];
  const span = (ms) => {
    const [unit, size] = UNITS.find(([, one]) => ms >= one) || ['s', 1000];
    return Math.floor(ms / size) + ' ' + unit;
  };
  const ago = (ms) => time(ms, span(Math.max(0, Date.now() - ms)) + ' ago');
  const until = (ms) => {
    if (ms === undefined) return 'never';
    const left = ms - Date.now();
    return left > 0 ? time(ms, 'in ' + span(left)) : pill('warn', 'expired');
  };
  const whose = ({ subject, tenant }, nobody) =>
    subject === undefined ? nobody : subject + (tenant === undefined ? '' : ' (' + tenant + ')');

  const rowOf = (section, cells) => {
    const heads = section.querySelectorAll('thead th');
    const row = make('tr');
    cells.forEach((cell, at) => {
      const node = make(at === 0 ? 'th' : 'td', heads[at].className, cell === undefined ? '' : cell);
      if (at === 0) node.scope = 'row';
      row.append(node);
    });
    return row;
  };

  const settle = (known, fresh) => {
    for (const [at, cell] of [...fresh.cells].entries()) {
      const old = known.cells[at];
      if (old.textContent !== cell.textContent) old.replaceChildren(...cell.childNodes);
    }
    return known;
  };

  /** A row and a cell that are as before stay, and with them the focus. */
  const draw = (id, rows, keyOf, cellsOf, more) => {
    const section = byId(id);
    const body = section.querySelector('tbody');
    const before = new Map([...body.rows].map((row) => [row.dataset.key, row]));
    const next = rows.map((row) => {
      const cells = cellsOf(row);
      const key = keyOf(row);
      const fresh = rowOf(section, cells);
      fresh.dataset.key = key;
      const known = before.get(key);
      return known ? settle(known, fresh) : fresh;
    });
    const moved = next.length !== body.rows.length || next.some((row, at) => row !== body.rows[at]);
    if (moved) body.replaceChildren(...next);
    section.querySelector('.head span').textContent = rows.length + (more ? ' and more' : '');
    section.hidden = false;
  };

  const healthOf = ({ name, breaker }) => {
    if (breaker === 'open') return ['bad', 'down'];
    if (breaker === 'half-open') return ['warn', 'being tried'];
    return lastFailed.get(name) ? ['warn', 'failing'] : ['good', 'up'];
  };

  const LISTS = {
    destinations: [(row) => row.name, (row) => {
      const reset = () => ask('POST', 'breakers/' + encodeURIComponent(row.name) + '/reset')
        .then(() => (lastFailed.delete(row.name), say('The breaker of ' + row.name + ' is closed.')));
      const action = row.breaker !== 'closed' && allowed.has('admin/breakers/write')
        ? [' ', button('Reset', 'Reset the breaker of ' + row.name, reset)] : [];
      return [row.name, pill(...healthOf(row)), make('span', '', row.breaker, ...action), row.kind, row.url, row.credential];
    }],
    tokens: [(row) => JSON.stringify([row.name, row.subject, row.tenant]), (row) => {
      const drop = async () => {
        if (!confirm('Drop the token ' + row.name + '? The next call gets a fresh one.')) return;
        await ask('DELETE', 'tokens/' + encodeURIComponent(row.name));
        say('The token ' + row.name + ' is dropped.');
      };
      const action = allowed.has('admin/tokens/write') ? button('Drop', 'Drop the token ' + row.name, drop) : '';
      return [row.name, whose(row, 'ours'), ago(row.obtainedAt), until(row.expiresAt), action];
    }],
    sessions: [(row) => row.id, (row) => {
      const end = async () => {
        if (!confirm('End this session of ' + row.subject + '? It is lost to them.')) return;
        await ask('DELETE', 'sessions/' + encodeURIComponent(row.id));
        say('The session is ended.');
      };
      const label = 'End the session of ' + row.subject + ' at ' + row.destination;
      const action = allowed.has('admin/sessions/write') ? button('End', label, end) : '';
      return [row.id.slice(0, 12), row.destination, whose(row, ''), ago(row.since), ago(row.lastUsed), action];
    }],
    children: [(row) => String(row.pid), (row) => [row.pid, row.destination, whose(row, 'everybody'), ago(row.since)]],
  };

  const list = async (id) => {
    if (!allowed.has('admin/' + id + '/read')) return;
    const { items, next } = await (await ask('GET', id + '?limit=500')).json();
    if (id === 'destinations') tellTrouble(items);
    draw(id, items, ...LISTS[id], next !== undefined);
  };
  const refresh = () => Promise.all(Object.keys(LISTS).map(list)).catch(stop);

  let inTrouble = '';
  const tellTrouble = (rows) => {
    const down = rows.filter((row) => row.breaker === 'open').map((row) => row.name).join(', ');
    if (down !== inTrouble) say(down === '' ? 'All breakers are closed again.' : 'Down: ' + down);
    inTrouble = down;
  };

  let soon;
  const refreshSoon = () => {
    soon ||= setTimeout(() => {
      soon = undefined;
      list('destinations').catch(stop);
    }, SOON_MS);
  };

  // Calls, the newest first. While the list is held, they wait where nobody sees them.
  let paused = false;
  let missed = 0;
  const held = [];
  const statusOf = ({ status, outcome, code }) => {
    const broke = outcome === 'upstream-broke';
    const look = status >= 500 || broke ? 'bad' : status >= 400 ? 'warn' : 'good';
    return pill(look, status + (code ? ' ' + code : broke ? ' broke' : ''));
  };
  const showCalls = (calls) => {
    const section = byId('calls');
    const body = section.querySelector('tbody');
    const rows = calls.map((call) => rowOf(section, [
      time(call.at), whose(call, ''), call.destination, call.method, call.tool, statusOf(call), call.ms.toFixed(1) + ' ms',
    ]));
    body.prepend(...rows.reverse());
    while (body.rows.length > MOST_CALLS) body.lastElementChild.remove();
    const left = (held.length > 0 ? held.length + ' held. ' : '') + (missed > 0 ? missed + ' were too fast to show.' : '');
    section.querySelector('.head span').textContent = left;
  };
  const takeCall = (call) => {
    const failed = call.status >= 500 || call.outcome === 'upstream-broke';
    if (call.destination !== undefined) {
      if (failed || lastFailed.get(call.destination)) refreshSoon();
      lastFailed.set(call.destination, failed);
      if (lastFailed.size > 1000) lastFailed.delete(lastFailed.keys().next().value);
    }
    if (held.push(call) > MOST_CALLS) held.shift();
  };
  const takeEvent = (text) => {
    const field = (name) => (text.split('\n').find((line) => line.startsWith(name + ': ')) || '').slice(name.length + 2);
    const data = field('data');
    if (field('event') === 'call') takeCall(JSON.parse(data));
    if (field('event') === 'missed') missed += JSON.parse(data).count;
  };

  /** Until the stream ends. */
  const follow = async (signal) => {
    const response = await ask('GET', 'calls', signal);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    byId('calls').hidden = false;
    byId('calls').querySelector('tbody').replaceChildren();
    say(inTrouble === '' ? 'Live' : 'Down: ' + inTrouble);
    let rest = '';
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      const events = (rest + step.value).split('\n\n');
      rest = events.pop();
      events.forEach(takeEvent);
      showCalls(paused ? [] : held.splice(0));
    }
  };
  const watch = async (signal) => {
    for (let pause = AGAIN_MS; !signal.aborted; ) {
      try {
        await follow(signal);
        pause = AGAIN_MS;
      } catch (error) {
        if (signal.aborted) return;
        if (error.status === 401 || error.status === 403) return stop(error);
        say('Not live: ' + error.message);
        pause = Math.min(2 * pause, LATEST_AGAIN_MS);
      }
      await wait(pause, signal);
    }
  };

  /** Somebody whom the API doesn't know, or not any more. */
  const stop = (error) => {
    if (error.name === 'AbortError') return;
    if (error.status !== 401) return say(error.status ? error.message : 'Not reachable: ' + error.message);
    say(token === '' ? 'Show who you are.' : 'That token is not known.');
    forget();
  };
  const forget = () => {
    look.abort();
    look = new AbortController();
    token = '';
    held.length = 0;
    lastFailed.clear();
    for (const section of document.querySelectorAll('section')) {
      section.hidden = true;
      section.querySelector('tbody').replaceChildren();
    }
    byId('forget').hidden = true;
    byId('proof').hidden = false;
    byId('token').value = '';
    byId('token').focus();
  };

  const start = async () => {
    try {
      const me = await (await ask('GET', 'whoami')).json();
      allowed = new Set(me.permissions);
      byId('proof').hidden = true;
      byId('forget').hidden = token === '';
      byId('status').title = me.subject;
    } catch (error) {
      return stop(error);
    }
    const { signal } = look;
    await refresh();
    if (allowed.has('admin/calls/read')) watch(signal);
    else say('You may not see calls.');
    while (!signal.aborted) {
      await wait(REFRESH_MS, signal);
      if (!signal.aborted && !document.hidden) await refresh();
    }
  };

  byId('proof').addEventListener('submit', (event) => {
    event.preventDefault();
    token = byId('token').value.trim();
    byId('token').value = '';
    start();
  });
  byId('forget').addEventListener('click', () => {
    forget();
    say('Forgotten.');
  });
  byId('pause').addEventListener('click', () => {
    paused = !paused;
    byId('pause').setAttribute('aria-pressed', String(paused));
    byId('pause').textContent = paused ? 'Go on' : 'Pause';
    showCalls(paused ? [] : held.splice(0));
  });
  start();
})();
`;
