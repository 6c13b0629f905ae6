// The mapping on trial. The text goes to this process only; nothing of it is kept.

import { post } from './api.js';
import { button, h, replace } from './dom.js';
import { both, notes } from './message.js';
import { copy } from './notice.js';
import { find, offset } from './positions.js';
import { SAMPLES } from './samples.js';

let typed = '';

export function show(main) {
  const input = h('textarea', { id: 'input', spellcheck: 'false', rows: 22, 'aria-describedby': 'input-state' });
  const events = h('select', { id: 'event', onchange: () => run() }, ['auto', 'A28', 'A31', 'A29'].map((name) => h('option', { value: name }, name)));
  const samples = h('select', { id: 'sample', onchange: () => { input.value = SAMPLES[samples.value]; run(); } }, Object.keys(SAMPLES).map((name) => h('option', { value: name }, name)));
  const state = h('p', { id: 'input-state', class: 'status', 'aria-live': 'polite' });
  const problems = h('div', {});
  const output = h('div', { class: 'panel' });
  let er7 = [];
  replace(main,
    h('div', { class: 'page-head' }, h('h1', {}, 'Playground'), h('p', { class: 'faint' }, 'Runs in this process. Nothing is stored, logged or sent.')),
    h('div', { class: 'playground' },
      h('section', { class: 'typed', 'aria-label': 'Input' },
        h('div', { class: 'row' }, h('label', { for: 'sample' }, 'Sample'), samples, h('label', { for: 'event' }, 'Event'), events,
          button('Copy result', () => copy(er7.join('\n').replaceAll('\r', '\n'), 'Result'))),
        h('label', { for: 'input', class: 'hidden' }, 'FHIR Patient in JSON, or HL7 v2 message'), input, state, problems),
      output));

  let running;
  async function run() {
    typed = input.value;
    running?.abort();
    const mine = (running = new AbortController());
    input.removeAttribute('aria-invalid');
    try {
      const found = await post('playground', { input: input.value, event: events.value });
      if (mine !== running) return;
      er7 = found.er7;
      state.textContent = found.to === 'er7' ? `becomes ${found.er7.length === 1 ? 'one message' : `${found.er7.length} messages`}` : 'reads as';
      replace(problems, found.findings.length > 0 && notes(found.findings, point));
      if (found.message) both(output, found.message, found.patient, 'no Patient');
      else replace(output, h('p', { class: 'empty' }, 'The configuration sends nothing for this.'));
    } catch (error) {
      if (mine !== running) return;
      input.setAttribute('aria-invalid', 'true');
      state.textContent = error.message;
      replace(problems, error.errors.length > 0 && notes(error.errors, point));
      replace(output, h('p', { class: 'empty' }, 'The other side appears here when the input can be read.'));
      if (document.activeElement !== input && error.errors[0]) point(error.errors[0]);
    }
  }

  /** Shows the element in the text. */
  function point(finding) {
    const text = input.value;
    const range = finding.line
      ? [offset(text, finding.line, finding.column), text.indexOf('\n', offset(text, finding.line)) >>> 0]
      : find(text, finding.expression);
    if (!range) return;
    input.focus();
    input.setSelectionRange(range[0], Math.min(Math.max(range[1], range[0] + 1), text.length));
    const line = text.slice(0, range[0]).split('\n').length;
    input.scrollTop = Math.max(0, (line - 4) * parseFloat(getComputedStyle(input).lineHeight));
  }

  let waiting;
  input.addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(run, 250); });
  input.value = typed || SAMPLES['FHIR Patient'];
  run();
  return () => { clearTimeout(waiting); running?.abort(); };
}
