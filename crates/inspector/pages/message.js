// One message, from every side.

import * as actions from './actions.js';
import { annotated, card, expressions } from './annotated.js';
import { get, message, text } from './api.js';
import * as changes from './changes.js';
import { button, h, replace } from './dom.js';
import { event, exact, size, span, STATES, time } from './format.js';
import * as keys from './keys.js';
import { link } from './linked.js';
import { listen } from './live.js';
import { resource } from './resource.js';
import { maskParameter, session } from './session.js';
import { timeline } from './timeline.js';

const TABS = [['annotated', 'Annotated'], ['raw', 'Raw'], ['fhir', 'FHIR'], ['answer', 'Answer'], ['timeline', 'Timeline'], ['changes', 'Changes']];

export function show(main, id, go) {
  const here = `/m/${encodeURIComponent(id)}`;
  const wanted = new URLSearchParams(location.search).get('tab');
  const tab = TABS.some(([name]) => name === wanted) ? wanted : 'annotated';
  const head = h('div', { class: 'message-head' });
  const panel = h('div', { class: 'panel', role: 'tabpanel', id: 'panel', 'aria-labelledby': `tab-${tab}`, tabindex: '-1' }, h('p', { class: 'faint' }, 'reading …'));
  const select = (name) => go(name === 'annotated' ? here : `${here}?tab=${name}`, { replace: true });
  const tabs = TABS.map(([name, word]) => button(word, () => select(name), {
    role: 'tab', id: `tab-${name}`, 'aria-controls': 'panel', 'aria-selected': String(name === tab), tabindex: name === tab ? '0' : '-1',
  }));
  const list = h('div', {
    class: 'tabs', role: 'tablist', 'aria-label': 'Sides of the message', onkeydown: (press) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[press.key];
      if (!by) return;
      const at = TABS.findIndex(([name]) => name === tab);
      select(TABS[(at + by + TABS.length) % TABS.length][0]);
      document.getElementById(`tab-${TABS[(at + by + TABS.length) % TABS.length][0]}`)?.focus();
    },
  }, tabs);
  replace(main, head, list, panel);
  let ended = false;

  async function header() {
    const found = await get(message(id), maskParameter());
    if (!ended) drawHead(head, found, tab);
  }

  async function body() {
    if (tab === 'changes') return changes.show(panel, id, go);
    if (tab === 'annotated') return drawAnnotated(panel, id);
    if (tab === 'timeline') return replace(panel, timeline((await get(`${message(id)}/timeline`)).steps));
    if (tab === 'raw') {
      const raw = await text(`${message(id)}/raw`, maskParameter());
      return replace(panel, h('pre', { class: 'raw' }, raw.replaceAll('\r\n', '\n').replaceAll('\r', '\n')));
    }
    if (tab === 'fhir') return drawResource(panel, await get(`${message(id)}/fhir`, maskParameter()));
    return drawAnswer(panel, await get(`${message(id)}/ack`, maskParameter()));
  }

  const failed = (error) => { if (!ended) replace(panel, h('p', { class: 'empty' }, error.message)); };
  header().catch(() => {});
  body().catch(failed);
  const stop = listen(({ kind, rows }) => {
    if (kind === 'rows' && rows.some((row) => row.id === id)) {
      header().catch(() => {});
      if (tab === 'timeline' || tab === 'answer') body().catch(failed);
    }
  });
  keys.use({
    d: () => select('changes'), r: () => actions.resend(id), y: () => actions.copyMessage(id),
    j: () => head.querySelector('a[rel=prev]')?.click(), k: () => head.querySelector('a[rel=next]')?.click(),
  });
  return () => { ended = true; stop(); };
}

function drawHead(head, found, tab) {
  const row = found.message;
  const [word, tone] = STATES[row.state] ?? [row.state, 'calm'];
  const other = (row, name, rel) => row && h('a', { href: `/m/${encodeURIComponent(row.id)}${tab === 'annotated' ? '' : `?tab=${tab}`}`, rel, title: time(row.at) }, name);
  const facts = [
    ['Patient', [row.name, row.mrn].filter(Boolean).join(' · ')], ['Control id', row.control_id], ['Seen', exact(row.at)], ['From', row.sender], ['To', row.receiver],
    ['Answer', [row.ack_code, row.error_code].filter(Boolean).join(' ')], ['Took', span(row.end_to_end_ms)],
    ['Tries', row.attempts || ''], ['Size', size(row.size_bytes)], ['HL7', row.version],
  ].filter(([, value]) => value !== '');
  replace(head,
    h('div', { class: 'title' }, h('h1', {}, event(row)), h('span', { class: `pill ${tone}` }, word),
      h('span', { class: 'neighbours' }, other(found.previous, '← earlier', 'prev'), other(found.next, 'later →', 'next'))),
    h('dl', { class: 'facts' }, facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))),
    h('div', { class: 'row actions' },
      found.resendable && button('Send again', () => actions.resend(row.id), { title: 'r' }),
      button('Copy', () => actions.copyMessage(row.id), { title: 'y' }),
      button('Copy as curl', () => actions.copyCurl(row.id, session.reading)),
      button('Download', () => actions.download(row.id)),
      button('Save as test case', () => actions.saveTestCase(row.id), { title: 'Values are made up, so that it names nobody' })));
}

async function drawAnnotated(panel, id) {
  const [explained, other] = await Promise.all([get(`${message(id)}/explain`, maskParameter()), get(`${message(id)}/fhir`, maskParameter())]);
  both(panel, explained, other.patient, other.reason, other.findings);
}

/** Message, card and resource, linked in both directions. Also of the playground. */
export function both(panel, explained, patient, reason, findings = []) {
  const linked = link(panel);
  const detail = h('aside', { class: 'card', 'aria-label': 'Field', 'aria-live': 'polite' }, h('p', { class: 'faint' }, 'Point at a field, or walk with Tab and the arrow keys. A click holds it.'));
  let held = null;
  const chosen = (field, row, pinned) => {
    if (pinned) {
      held?.setAttribute('aria-pressed', 'false');
      held = held === row ? null : row;
      held?.setAttribute('aria-pressed', 'true');
    } else if (held || row.classList.contains('current')) return;
    panel.querySelectorAll('.field.current').forEach((element) => element.classList.remove('current'));
    row.classList.add('current');
    card(detail, field);
    linked.toResource(expressions(field));
  };
  const tree = patient ? resource(patient, (path) => { if (!held) linked.toMessage(path); }) : h('p', { class: 'faint' }, reason ?? '');
  replace(panel, h('div', { class: 'sides' },
    h('section', { class: 'side', 'aria-label': 'HL7 message' }, h('h2', {}, 'HL7 v2 ', h('span', { class: 'faint' }, explained.meaning)), annotated(explained, chosen)),
    h('div', { class: 'side right' }, detail,
      h('section', { class: 'box', 'aria-label': 'FHIR' }, h('h2', {}, 'FHIR ', h('span', { class: 'faint' }, 'what the message says')), h('div', { class: 'scroller' }, tree)),
      findings.length > 0 && notes(findings))));
}

export function notes(findings, chosen) {
  return h('section', { class: 'box findings', 'aria-label': 'To be known' }, h('h2', {}, 'To be known'),
    h('ul', {}, findings.map((finding) => {
      const place = finding.expression || (finding.line ? `line ${finding.line}${finding.column ? `, column ${finding.column}` : ''}` : 'input');
      return h('li', { class: finding.severity }, h('b', {}, finding.severity), ' ',
        chosen ? button(place, () => chosen(finding), { class: 'mono link' }) : h('span', { class: 'mono' }, place), ' ', h('span', {}, finding.detail));
    })));
}

function drawResource(panel, found) {
  replace(panel, found.patient ? h('div', { class: 'box' }, resource(found.patient, () => {})) : h('p', { class: 'empty' }, found.reason ?? 'no resource'),
    found.findings.length > 0 && notes(found.findings));
}

function drawAnswer(panel, found) {
  const detail = h('aside', { class: 'card', 'aria-label': 'Field' }, h('p', { class: 'faint' }, 'Point at a field.'));
  replace(panel, found.explained
    ? h('div', { class: 'sides' }, h('section', { class: 'side' }, h('h2', {}, 'Acknowledgment'), annotated(found.explained, (field) => card(detail, field))), h('div', { class: 'side right' }, detail))
    : h('pre', { class: 'raw' }, found.er7.replaceAll('\r', '\n')));
}
