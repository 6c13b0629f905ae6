// A message taken apart: each field with its name, its value and where it came from; and the card of one field.

import { h, hidden, replace } from './dom.js';
import { pointed } from './linked.js';

/** Draws all segments. `chosen(field)` is told what somebody looks at, by hover, keyboard or click. */
export function annotated(explained, chosen) {
  const list = h('div', { class: 'segments' });
  const fields = [];
  for (const segment of explained.segments) {
    const place = segment.occurrence > 1 ? `${segment.name}(${segment.occurrence})` : segment.name;
    const rows = segment.fields.filter((field) => field.repetitions.length > 0).map((field) => {
      const row = fieldRow(field, explained.separators, (pinned) => chosen(field, row, pinned));
      fields.push(row);
      return row;
    });
    list.append(h('section', { class: 'segment', 'aria-label': `${place} ${segment.title}` },
      h('h3', {}, h('b', {}, place), ' ', segment.title, segment.text && h('span', { class: 'faint' }, segment.text)),
      h('ul', {}, rows.map((row) => h('li', {}, row)))));
  }
  fields.forEach((row, index) => { row.tabIndex = index === 0 ? 0 : -1; });
  list.addEventListener('keydown', (event) => walk(event, fields));
  return list;
}

/** One stop for Tab; arrows walk from field to field. */
function walk(event, fields) {
  const at = fields.indexOf(document.activeElement);
  const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -fields.length, End: fields.length }[event.key];
  if (at < 0 || !by) return;
  event.preventDefault();
  event.stopPropagation();
  const next = fields[Math.max(0, Math.min(fields.length - 1, at + by))];
  fields[at].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

function fieldRow(field, separators, chosen) {
  const sources = new Set();
  const values = field.repetitions.map((repetition, r) => [
    r > 0 && h('span', { class: 'sep' }, separators.repetition),
    repetition.map((component, c) => [
      c > 0 && h('span', { class: 'sep' }, separators.component),
      component.map((leaf, s) => {
        if (leaf.source?.expression) sources.add(leaf.source.expression);
        return [
          s > 0 && h('span', { class: 'sep' }, separators.subcomponent),
          leaf.raw && h('span', { class: 'leaf', dataset: { location: leaf.location, ...(leaf.source?.expression ? { source: leaf.source.expression } : {}) } }, leaf.raw),
        ];
      }),
    ]),
  ]);
  const row = h('button', {
    type: 'button', class: 'field', dataset: { location: field.location },
    onmousemove: pointed(() => chosen(false)), onfocus: () => chosen(false), onclick: () => chosen(true),
  },
    h('span', { class: 'place' }, field.location),
    h('span', { class: 'title' }, field.title || hidden('no name known')),
    h('span', { class: 'value mono' }, values),
    h('span', { class: 'from' }, [...sources].slice(0, 1).map((source) => source.replace(/^Patient\./, '')), sources.size > 1 && ` +${sources.size - 1}`));
  return row;
}

export const expressions = (field) =>
  field.repetitions.flat(2).map((leaf) => leaf.source?.expression).filter(Boolean);

/** The card: everything about one field. */
export function card(element, field) {
  const leaves = field.repetitions.flatMap((repetition, index) =>
    repetition.flat().filter((leaf) => leaf.raw).map((leaf) => ({ ...leaf, repetition: index })));
  const many = field.repetitions.length > 1;
  const facts = [field.kind, field.table && `table ${field.table}`, field.required && 'required', field.repeats && 'may repeat'].filter(Boolean);
  replace(element,
    h('p', { class: 'place' }, field.location),
    h('h3', {}, field.title || 'Field of another sender'),
    field.text && h('p', {}, field.text),
    facts.length > 0 && h('p', { class: 'facts' }, facts.map((fact) => h('span', {}, fact))),
    h('dl', {}, leaves.map((leaf) => [
      h('dt', {}, h('span', { class: 'mono' }, short(leaf.location)), ' ', leaf.title, many && h('span', { class: 'faint' }, ` · ${leaf.repetition + 1}.`)),
      h('dd', {},
        h('span', { class: 'mono strong' }, leaf.value ?? leaf.raw),
        leaf.meaning && h('span', {}, ` – ${leaf.meaning}`),
        leaf.source && h('span', { class: 'source' }, '← ', h('span', { class: 'mono' }, leaf.source.expression || 'the bridge, not the resource'),
          h('span', { class: 'rule' }, `rule ${leaf.source.rule}`))),
    ])));
  element.dataset.location = field.location;
}

const short = (location) => location.replace(/^[A-Z0-9]{3}(\(\d+\))?-\d+(\[\d+\])?/, '') || 'whole';
