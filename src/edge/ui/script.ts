import { CALLS } from './calls.js';
import { CELLS } from './cells.js';
import { LISTS } from './lists.js';

/**
 * What runs in the page. Text from the API is only ever set as text; the token lives in this page's memory, since
 * `sessionStorage` belongs to every page of the origin. Paths are relative, so that a prefix before them does no harm.
 */
export const SCRIPT = `
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
${CELLS}${LISTS}${CALLS}
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

  const learn = async () => {
    allowed = new Set((await (await ask('GET', 'whoami')).json()).permissions);
  };
  const start = async () => {
    try {
      await learn();
      byId('proof').hidden = true;
      byId('forget').hidden = token === '';
    } catch (error) {
      return stop(error);
    }
    const { signal } = look;
    watch(signal);
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
