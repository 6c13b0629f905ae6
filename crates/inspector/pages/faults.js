// Fault control: makes the test server misbehave, to see what a sender does about it.

import { call, get } from './api.js';
import { button, h, replace } from './dom.js';
import { attempt, notice } from './notice.js';
import { REPLIES, scenario } from './scenario.js';
import { session } from './session.js';

export function show(main) {
  if (!session.faults) {
    replace(main, h('h1', {}, 'Faults'), h('section', { class: 'empty' }, h('h2', {}, 'No faults here'),
      h('p', {}, 'This test server is not on trial. ', h('b', {}, 'adt-bridge up'), ' with its bundled server is; a server of its own takes a scenario (docs/reference/test-server.md).')));
    return undefined;
  }
  const reply = h('select', { id: 'reply' }, Object.entries(REPLIES).map(([value, name]) => h('option', { value }, name)));
  const number = (id, value, max, step = 1) => h('input', { type: 'number', id, min: 0, max, step, value: String(value) });
  const [share, delay, seconds] = [number('share', 100, 100), number('delay', 0, 600, 0.1), number('seconds', 30, 86400)];
  const patient = h('input', { id: 'patient', placeholder: 'all', autocomplete: 'off' });
  const handshake = h('input', { type: 'checkbox', id: 'handshake' });
  const toml = h('textarea', { id: 'scenario', rows: 8, spellcheck: 'false' });
  const state = h('p', { class: 'status', id: 'fault-state', 'aria-live': 'polite' });
  const list = h('tbody', {});
  const field = (name, input, unit) => h('div', { class: 'control' }, h('label', { for: input.id }, name), h('div', { class: 'row' }, input, unit && h('span', { class: 'faint' }, unit)));
  const end = button('End all faults', clear);
  replace(main,
    h('div', { class: 'page-head' }, h('h1', {}, 'Faults'), h('p', { class: 'faint' }, 'Only the bundled test server misbehaves. What is accepted is still delivered at least once: watch how.')),
    h('div', { class: 'faults' },
      h('form', { class: 'box', oninput: compose, onsubmit: (event) => { event.preventDefault(); apply(); } },
        h('h2', {}, 'Misbehave'),
        field('The server should', reply), field('For', share, '% of messages'), field('After a pause of', delay, 'seconds'),
        field('During the next', seconds, 'seconds; 0: until it is ended'), field('Only for the patient with id', patient),
        h('div', { class: 'control' }, h('label', { class: 'row' }, handshake, 'Refuse TLS too')),
        h('div', { class: 'row' }, h('button', { type: 'submit', class: 'primary' }, 'Apply'), end)),
      h('section', { class: 'box', 'aria-label': 'Scenario' }, h('h2', {}, 'As a scenario'),
        h('label', { for: 'scenario', class: 'hidden' }, 'Scenario in TOML'), toml, state)),
    h('section', { 'aria-label': 'Done' }, h('h2', {}, 'Done so far'), h('div', { class: 'wide' }, h('table', { class: 'injected' }, h('caption', { class: 'hidden' }, 'Injected faults, newest first'),
      h('thead', {}, h('tr', {}, ['After', 'Message', 'Connection', 'Rule', 'What'].map((name) => h('th', { scope: 'col' }, name)))), list))));

  function compose() {
    if (document.activeElement === toml) return;
    toml.value = scenario({
      reply: reply.value, share: Number(share.value), delay: Number(delay.value), seconds: Number(seconds.value), patient: patient.value.trim(), handshake: handshake.checked,
    });
  }

  function draw(found) {
    const active = found.scenario.trim() !== '';
    state.textContent = active ? 'In force.' : 'No faults: every answer is honest.';
    state.classList.toggle('on', active);
    end.disabled = !active;
    replace(list, found.injected.map((fault) => h('tr', {}, h('td', { class: 'number' }, `${(fault.elapsed_ms / 1000).toFixed(1)} s`), h('td', { class: 'number' }, fault.recv_seq ?? '–'),
      h('td', { class: 'number' }, fault.connection), h('td', {}, fault.rule), h('td', { class: 'mono' }, fault.actions.join(', ')))));
  }

  async function apply() {
    const done = await attempt(async () => (await call('PUT', 'faults', { body: toml.value, type: 'application/toml' })).json());
    if (done) { notice('In force', 'good'); draw(done); }
  }

  async function clear() {
    await attempt(() => call('DELETE', 'faults'), 'Every answer is honest again');
    load();
  }

  const load = () => get('faults').then(draw).catch(() => {});
  reply.value = 'AE';
  compose();
  get('faults').then((found) => { if (found.scenario.trim()) toml.value = found.scenario; draw(found); }).catch(() => {});
  const timer = setInterval(() => { if (!document.hidden) load(); }, 1000);
  return () => clearInterval(timer);
}
