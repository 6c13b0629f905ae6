// The inbox: newest messages first, live, with search.

import { get, message, text } from './api.js';
import { button, h, hidden, replace } from './dom.js';
import { count, event, exact, span, STATES, time } from './format.js';
import * as keys from './keys.js';
import { listen } from './live.js';
import { attempt, copy } from './notice.js';
import { resend } from './actions.js';
import { maskParameter } from './session.js';

const PAGE = 100;
const MOST_SHOWN = 1000;

export function show(main, go) {
  const query = new URLSearchParams(location.search).get('q') ?? '';
  const page = { rows: new Map(), next: null, selected: null, query, ended: false };
  const body = h('tbody', {});
  const status = h('p', { class: 'status', 'aria-live': 'polite' });
  const more = button('Show older messages', () => load(true), { class: 'more', hidden: true });
  const empty = h('section', { class: 'empty', hidden: true });
  const heads = ['Time', 'Event', 'Patient', 'Control id', 'Answer', 'Tries', 'Took', 'Sender'];
  replace(main,
    h('div', { class: 'page-head' }, h('h1', {}, query ? 'Search' : 'Inbox'), status),
    h('table', { class: 'inbox' },
      h('caption', { class: 'hidden' }, 'Messages, newest first'),
      h('thead', {}, h('tr', {}, heads.map((name) => h('th', { scope: 'col' }, name)))), body),
    empty, more);

  async function load(older = false) {
    const before = older ? page.next : undefined;
    const listed = await attempt(() => get('messages', { q: query, before, limit: PAGE, ...maskParameter() }));
    if (!listed || page.ended) return;
    if (!older) page.rows.clear();
    for (const row of listed.messages) page.rows.set(row.id, row);
    page.next = listed.next;
    draw();
  }

  function draw(fresh = new Set()) {
    const sorted = [...page.rows.values()].sort((a, b) => b.seq - a.seq).slice(0, MOST_SHOWN);
    const had = document.activeElement?.closest?.('tr')?.dataset.id;
    replace(body, sorted.map((row) => line(row, fresh.has(row.id), go)));
    body.closest('table').hidden = sorted.length === 0;
    more.hidden = !page.next;
    status.textContent = query ? `${sorted.length}${page.next ? '+' : ''} found` : `${count(sorted.length)}${page.next ? '+' : ''} shown`;
    empty.hidden = sorted.length > 0;
    if (sorted.length === 0) {
      replace(empty, query
        ? [h('h2', {}, 'Nothing fits'), h('p', {}, 'Words fit the start of any word of a message. Keys: event: type: name: mrn: ids: ack: error: state: from: to: id:')]
        : [h('h2', {}, 'No message yet'), h('p', {}, 'Every message shows up here the moment it is accepted or arrives. Send one:'),
          h('pre', {}, "curl -d @examples/patient.json -H 'content-type: application/fhir+json' \\\n  http://127.0.0.1:8080/persistence/Patient")]);
    }
    if (had) body.querySelector(`tr[data-id="${CSS.escape(had)}"] a`)?.focus({ preventScroll: true });
  }

  let waiting;
  const stop = listen(({ kind, rows }) => {
    if (kind === 'reset' || (kind === 'rows' && query)) {
      clearTimeout(waiting);
      waiting = setTimeout(() => load(), 200);
    } else if (kind === 'rows') {
      const fresh = new Set(rows.filter((row) => !page.rows.has(row.id)).map((row) => row.id));
      for (const row of rows) page.rows.set(row.id, row);
      draw(fresh);
    }
  });

  const links = () => [...body.querySelectorAll('a.open')];
  const current = () => document.activeElement?.closest?.('tr')?.dataset.id;
  const move = (by) => {
    const all = links();
    const at = all.indexOf(document.activeElement);
    const next = all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))];
    next?.focus();
    next?.scrollIntoView({ block: 'nearest' });
  };
  keys.use({
    j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1),
    d: () => { if (current()) go(`/m/${encodeURIComponent(current())}?tab=changes`); },
    r: () => { if (current()) resend(current()); },
    y: async () => {
      const id = current();
      if (id) await copy((await text(`${message(id)}/raw`, maskParameter())).replaceAll('\r', '\n'), 'Message');
    },
  });
  load();
  return () => { page.ended = true; clearTimeout(waiting); stop(); };
}

function line(row, fresh, go) {
  const [word, tone] = STATES[row.state] ?? [row.state, 'calm'];
  const address = `/m/${encodeURIComponent(row.id)}`;
  const answer = [row.ack_code, row.error_code].filter(Boolean).join(' ');
  const opened = (click) => { if (!click.target.closest('a') && !String(getSelection())) go(address); };
  return h('tr', { dataset: { id: row.id, state: row.state }, class: fresh ? 'fresh' : '', onclick: opened },
    h('td', { class: 'when', title: exact(row.at) }, time(row.at)),
    h('td', { class: 'event' }, h('a', { class: 'open', href: address }, event(row)), hidden(` ${row.name}`)),
    h('td', { class: 'who' }, h('span', { class: 'name' }, row.name || '–'), row.mrn && h('span', { class: 'faint' }, row.mrn)),
    h('td', { class: 'mono control' }, row.control_id),
    h('td', { class: 'answer' }, h('span', { class: `pill ${tone}` }, word), answer && h('span', { class: 'faint mono' }, answer)),
    h('td', { class: 'number' }, row.attempts || row.deliveries || ''),
    h('td', { class: 'number' }, span(row.end_to_end_ms)),
    h('td', { class: 'sender faint' }, row.sender));
}
