// The start of every page: what may be done, the bar, and the page that the address names.

import * as faults from './faults.js';
import * as inbox from './inbox.js';
import * as keys from './keys.js';
import * as live from './live.js';
import * as message from './message.js';
import * as playground from './playground.js';
import * as queue from './queue.js';
import * as session from './session.js';
import * as shell from './shell.js';
import { h, replace } from './dom.js';

const main = document.getElementById('main');
let leave;

function pageOf(path) {
  const found = path.match(/^\/m\/([^/]+)$/);
  if (found) return () => message.show(main, decodeURIComponent(found[1]), go);
  if (path.startsWith('/queue') || path.startsWith('/dead-letters')) return () => queue.show(main, go);
  if (path.startsWith('/playground')) return () => playground.show(main, go);
  if (path.startsWith('/faults')) return () => faults.show(main, go);
  return () => inbox.show(main, go);
}

async function draw() {
  leave?.();
  keys.use({});
  shell.arrived(location.pathname, new URLSearchParams(location.search).get('q'));
  leave = pageOf(location.pathname)() ?? undefined;
}

/** Goes to an address of ours without loading the page anew. */
function go(address, { replace: instead = false } = {}) {
  if (address === location.pathname + location.search) return;
  if (instead) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  draw();
  if (!instead) window.scrollTo(0, 0);
}

document.addEventListener('click', (event) => {
  const link = event.target.closest('a[href^="/"]');
  if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute('href'));
});
addEventListener('popstate', draw);
addEventListener('beforeunload', live.stop);

keys.always({
  '/': shell.focusSearch,
  '?': keys.help,
  m: shell.toggleMask,
  Escape: () => { if (location.pathname !== '/') history.length > 1 ? history.back() : go('/'); },
  'g i': () => go('/'),
  'g q': () => go('/queue'),
  'g p': () => go('/playground'),
  'g f': () => go('/faults'),
});

try {
  await session.open();
  shell.build(go, () => { live.start(); draw(); });
  live.start();
  await draw();
  document.documentElement.dataset.ready = 'yes';
} catch (error) {
  replace(main, h('section', { class: 'empty' }, h('h1', {}, error.status === 401 ? 'This inspector asks for its token' : 'The inspector does not answer'),
    h('p', {}, error.status === 401 ? 'Open the link that adt-bridge printed at its start; it ends with the token of this run.' : error.message)));
}
