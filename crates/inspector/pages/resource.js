// A FHIR resource as lines; each line knows its element.

import { h } from './dom.js';
import { pointed } from './linked.js';

/** Draws the resource. `chosen(path)` is told which element somebody looks at. */
export function resource(value, chosen) {
  const lines = [];
  write(value, value?.resourceType ?? 'Patient', 0, '', '', lines);
  const list = h('ol', { class: 'resource mono' }, lines.map((line) =>
    h('li', {
      dataset: { path: line.path }, class: `depth-${Math.min(line.depth, 12)}`, tabindex: '-1',
      onmousemove: pointed(() => chosen(line.path)), onfocus: () => chosen(line.path), onclick: () => chosen(line.path),
    }, line.name && h('span', { class: 'key' }, line.name), h('span', { class: line.kind }, line.text), line.after)));
  const items = [...list.children];
  if (items[0]) items[0].tabIndex = 0;
  list.addEventListener('keydown', (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = items.indexOf(document.activeElement);
    if (!by || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    items[at].tabIndex = -1;
    const next = items[Math.max(0, Math.min(items.length - 1, at + by))];
    next.tabIndex = 0;
    next.focus();
  });
  return list;
}

function write(value, path, depth, name, after, lines) {
  if (value === null || typeof value !== 'object') {
    lines.push({ path, depth, name, text: JSON.stringify(value), kind: typeof value === 'string' ? 'string' : 'literal', after });
    return;
  }
  const list = Array.isArray(value);
  const entries = list ? value.map((member, index) => [index, member]) : Object.entries(value);
  if (entries.length === 0) {
    lines.push({ path, depth, name, text: list ? '[]' : '{}', kind: 'brace', after });
    return;
  }
  lines.push({ path, depth, name, text: list ? '[' : '{', kind: 'brace', after: '' });
  entries.forEach(([key, member], index) => {
    const inner = list ? `${path}[${key}]` : `${path}.${key}`;
    write(member, inner, depth + 1, list ? '' : `"${key}": `, index < entries.length - 1 ? ',' : '', lines);
  });
  lines.push({ path, depth, name: '', text: list ? ']' : '}', kind: 'brace', after });
}
