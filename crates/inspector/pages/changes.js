// What changed since the last message of the same patient.

import { get, message } from './api.js';
import { h, replace } from './dom.js';
import { event, time } from './format.js';
import { maskParameter } from './session.js';

export async function show(panel, id, go) {
  const parameters = new URLSearchParams(location.search);
  let found;
  try {
    found = await get(`${message(id)}/changes`, { ...maskParameter(), ignore: parameters.get('ignore'), with: parameters.get('with') });
  } catch (error) {
    replace(panel, h('p', { class: 'empty' }, error.status === 404 ? 'This is the first message of this patient that is known here.' : error.message));
    return;
  }
  const ignored = h('input', { id: 'ignored', value: found.ignored.join(', '), size: 36, spellcheck: 'false' });
  const form = h('form', {
    class: 'row', onsubmit: (submit) => {
      submit.preventDefault();
      go(`/m/${encodeURIComponent(id)}?tab=changes&ignore=${encodeURIComponent(ignored.value || '-')}`);
    },
  }, h('label', { for: 'ignored' }, 'Not compared'), ignored, h('button', { type: 'submit' }, 'Compare'));
  const rows = found.changes.map((change) => h('tr', {},
    h('th', { scope: 'row', class: 'mono' }, change.location),
    h('td', {}, change.title, change.expression && h('span', { class: 'faint mono block' }, change.expression)),
    h('td', { class: 'mono' }, change.before === null ? h('span', { class: 'faint' }, 'none') : h('del', {}, change.before)),
    h('td', { class: 'mono' }, change.after === null ? h('span', { class: 'faint' }, 'none') : h('ins', {}, change.after))));
  replace(panel,
    h('p', {}, 'Since ', h('a', { href: `/m/${encodeURIComponent(found.before.id)}` }, event(found.before)), ` of ${time(found.before.at)}: `,
      h('b', {}, `${found.changes.length} changed`), `, ${found.unchanged} the same.`),
    rows.length > 0 && h('div', { class: 'wide' }, h('table', { class: 'changes' },
      h('caption', { class: 'hidden' }, 'Changed values'),
      h('thead', {}, h('tr', {}, ['Place', 'Field', 'Before', 'After'].map((name) => h('th', { scope: 'col' }, name)))), h('tbody', {}, rows))),
    form);
}
