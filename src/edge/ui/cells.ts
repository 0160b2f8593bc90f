/** How the page makes its rows: every text goes in as text. */
export const CELLS = `
  const make = (tag, className, ...children) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
    return node;
  };
  const pill = (look, ...texts) => make('span', 'pill ' + look, ...texts);
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
    const node = make('time', '', text === undefined ? new Date(ms).toLocaleTimeString([], { hour12: false }) : text);
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
`;
