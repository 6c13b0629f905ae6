// What stands on every page: the bar, and the strip that shows the pipeline.

import { get } from './api.js';
import { button, h, hidden, replace } from './dom.js';
import { count, span } from './format.js';
import { help } from './keys.js';
import { listen } from './live.js';
import { notice } from './notice.js';
import { session, setMasked } from './session.js';

const NAVIGATION = [
  ['/', 'Inbox'],
  ['/queue', 'Queue'],
  ['/playground', 'Playground'],
  ['/faults', 'Faults'],
];

const parts = {};

export function build(go, redraw) {
  parts.redraw = redraw;
  const links = NAVIGATION.map(([path, name]) => h('a', { href: path, dataset: { path } }, name));
  parts.links = links;
  parts.dead = h('span', { class: 'count bad', hidden: true });
  links[1].append(parts.dead);
  parts.search = h('input', {
    type: 'search', id: 'search', placeholder: 'Search: anna event:A31 mrn:123 ack:AE', 'aria-label': 'Search messages',
    autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'search',
  });
  parts.search.addEventListener('input', debounce(() => go(`/?q=${encodeURIComponent(parts.search.value)}`, { replace: true }), 150));
  parts.live = h('span', { class: 'live', title: 'Live updates' }, h('i', { class: 'dot', 'aria-hidden': 'true' }), h('span', {}, 'connecting'));
  parts.mask = button('', () => toggleMask(), { class: 'quiet', id: 'mask' });
  parts.theme = button('', () => toggleTheme(), { class: 'quiet icon', id: 'theme' });
  parts.strip = h('div', { class: 'strip', role: 'group', 'aria-label': 'Pipeline' });
  replace(
    document.getElementById('shell'),
    h('div', { class: 'bar' },
      h('a', { class: 'brand', href: '/' }, h('img', { src: '/assets/icon.svg', alt: '', width: 22, height: 22 }), 'adt-bridge'),
      h('nav', { 'aria-label': 'Pages' }, links),
      h('form', { role: 'search', onsubmit: (event) => event.preventDefault() }, parts.search, h('kbd', { 'aria-hidden': 'true' }, '/')),
      h('div', { class: 'tools' }, parts.live, parts.mask, parts.theme, button('?', help, { class: 'quiet icon', 'aria-label': 'Keys' }))),
    parts.strip,
  );
  drawMask();
  drawTheme();
  listen(({ kind, connected }) => {
    if (kind === 'state') {
      parts.live.classList.toggle('on', connected);
      parts.live.lastChild.textContent = connected ? 'live' : 'reconnecting';
    } else strip();
  });
  strip();
  setInterval(() => { if (!document.hidden) strip(); }, 2000);
}

export function arrived(path, query) {
  for (const link of parts.links) {
    const here = link.dataset.path === '/' ? path === '/' || path.startsWith('/m/') : path.startsWith(link.dataset.path);
    if (here) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (document.activeElement !== parts.search) parts.search.value = query ?? '';
}

export const focusSearch = () => parts.search.select();

export function toggleMask() {
  if (session.masked && session.mask && !session.token) {
    notice('Values are hidden here. The link that adt-bridge printed at its start shows them.', 'bad');
    return;
  }
  setMasked(!session.masked);
  drawMask();
  parts.redraw();
}

function drawMask() {
  parts.mask.textContent = session.masked ? 'Values hidden' : 'Values shown';
  parts.mask.setAttribute('aria-pressed', String(session.masked));
  parts.mask.title = 'Hide or show values of patients (m)';
}

function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('theme', root.dataset.theme);
  drawTheme();
}

function drawTheme() {
  const dark = (document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  replace(parts.theme, dark ? '☀' : '☾', hidden(dark ? 'Light colours' : 'Dark colours'));
}

let asked = 0;
const strip = () => {
  const mine = ++asked;
  get('overview').then((overview) => { if (mine === asked) drawStrip(overview); }).catch(() => {});
};

let key = '';
function drawStrip(overview) {
  const states = overview.states;
  const queue = overview.queue;
  const good = (states.delivered ?? 0) + (states.stored ?? 0);
  const bad = queue ? queue.dead : (states.refused ?? 0);
  parts.dead.hidden = !queue?.dead;
  replace(parts.dead, String(queue?.dead ?? ''), hidden(' dead letters'));
  const steps = queue
    ? [
        ['hook', `${count(overview.messages)} messages`, 'good'],
        ['queue', queue.ready ? `${count(queue.ready)} waiting` : 'empty', queue.oldest_age_seconds > 30 ? 'wait' : 'good',
          queue.oldest_age_seconds ? `oldest ${span(queue.oldest_age_seconds * 1000)}` : ''],
        ['sender', queue.in_flight ? `${count(queue.in_flight)} in flight` : 'idle', 'good'],
        ['endpoint', overview.endpoint ?? '', 'good', `${count(good)} accepted`],
        ['dead letters', count(queue.dead), queue.dead ? 'bad' : 'calm'],
      ]
    : [['received', `${count(overview.messages)} messages`, 'good'], ['stored', count(good), 'good'], ['refused', count(bad), bad ? 'bad' : 'calm']];
  if (overview.faults_active) steps.push(['faults', 'on purpose', 'wait']);
  const now = JSON.stringify(steps);
  if (now === key) return;
  key = now;
  replace(parts.strip, steps.map(([name, value, tone, more]) =>
    h('span', { class: 'stage' }, h('i', { class: `dot ${tone}`, 'aria-hidden': 'true' }), h('b', {}, name), h('span', {}, value),
      more && h('span', { class: 'faint' }, more))));
}

function debounce(work, pause) {
  let waiting;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(work, pause);
  };
}
