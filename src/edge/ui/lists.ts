/** What the page asks for again and again, and what may be done about it. */
export const LISTS = `
  const healthOf = ({ name, breaker, members = [] }) => {
    const out = members.filter(({ state }) => state === 'ejected' || state === 'unhealthy').length;
    if (breaker === 'open') return ['bad', 'down'];
    if (breaker === 'half-open') return ['warn', 'being tried'];
    if (out > 0) return ['warn', out + ' of ' + members.length + ' out'];
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
    if (!allowed.has('admin/' + id + '/read')) {
      byId(id).hidden = true;
      return;
    }
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
`;
