// The keyboard: one key, one action. Pages say what theirs do.

import { button, h } from './dom.js';

const HELP = [
  ['j / k', 'next, previous message'],
  ['Enter', 'open'],
  ['d', 'what changed since the last message of this patient'],
  ['r', 'send again'],
  ['y', 'copy the message'],
  ['/', 'search'],
  ['m', 'hide or show values of patients'],
  ['g i · g q · g p · g f', 'inbox, queue, playground, faults'],
  ['Esc', 'back'],
  ['?', 'this list'],
];

let page = {};
let prefix = false;
let everywhere = {};

/** Keys of the page that is shown. */
export const use = (actions) => { page = actions; };
/** Keys of every page. */
export const always = (actions) => { everywhere = actions; };

export function help() {
  if (document.querySelector('dialog')) return;
  const rows = HELP.map(([key, what]) => h('tr', {}, h('th', { scope: 'row' }, h('kbd', {}, key)), h('td', {}, what)));
  const close = () => { dialog.close(); dialog.remove(); };
  const dialog = h('dialog', { 'aria-label': 'Keys', oncancel: close },
    h('h2', {}, 'Keys'), h('table', { class: 'plain' }, h('tbody', {}, rows)), h('div', { class: 'row end' }, button('Close', close)));
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, textarea, select, dialog');
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing) {
    if (event.key === 'Escape' && !event.target.closest('dialog')) event.target.blur();
    return;
  }
  const name = prefix ? `g ${event.key}` : event.key;
  prefix = event.key === 'g' && !prefix;
  const action = page[name] ?? everywhere[name];
  if (action) {
    event.preventDefault();
    action();
  }
});
