// The queue, and the messages that were given up.

import { call, get, post } from './api.js';
import { button, h, replace } from './dom.js';
import { count, span, time } from './format.js';
import { listen } from './live.js';
import { ask, attempt, notice } from './notice.js';
import { session } from './session.js';

const REASONS = {
  negative_acknowledgment: 'The endpoint refused the message and would refuse it again.',
  retries_exhausted: 'The endpoint refused the message too often.',
  app_negative: 'The endpoint took it, and then reported failure.',
  kills_peer: 'The connection was lost each time it was sent.',
  expired: 'It got older than allowed.',
  too_large: 'It is larger than the endpoint allows.',
  unsendable: 'It cannot be sent as it is.',
  receive_limit: 'It was tried too often.',
  parked: 'An earlier message of its patient was given up.',
  damaged: 'Its stored bytes changed.',
};

export function show(main) {
  if (!session.pipeline) {
    replace(main, h('h1', {}, 'Queue'), h('section', { class: 'empty' }, h('h2', {}, 'No queue here'), h('p', {}, 'This process only receives. ', h('b', {}, 'adt-bridge up'), ' has a queue, and shows it here.')));
    return undefined;
  }
  const tiles = h('dl', { class: 'tiles' });
  const body = h('tbody', {});
  const table = h('div', { class: 'wide' }, h('table', { class: 'letters' }, h('caption', { class: 'hidden' }, 'Dead letters, oldest first'),
    h('thead', {}, h('tr', {}, ['Given up', 'Event', 'Control id', 'Answer', 'Why', 'Actions'].map((name) => h('th', { scope: 'col' }, name)))), body));
  const empty = h('p', { class: 'empty' }, 'No dead letters. A message that the endpoint will not take ends up here, with the reason.');
  const all = button('Send all again', redriveAll, { class: 'primary' });
  replace(main, h('div', { class: 'page-head' }, h('h1', {}, 'Queue')), tiles,
    h('div', { class: 'page-head' }, h('h2', {}, 'Dead letters'), all), table, empty);

  async function load() {
    const [status, listed] = await Promise.all([get('queue'), get('dead-letters', { limit: 200 })]);
    const tile = (name, value, tone, note) => h('div', { class: tone }, h('dt', {}, name), h('dd', {}, value, note && h('small', {}, note)));
    replace(tiles,
      tile('Waiting', count(status.ready), ''), tile('In flight', count(status.in_flight), ''),
      tile('Withheld', count(status.parked), status.parked ? 'wait' : '', status.parked_groups ? `${status.parked_groups} patients` : ''),
      tile('Dead letters', count(status.dead), status.dead ? 'bad' : ''),
      tile('Oldest', status.oldest_age_seconds === null ? '–' : span(status.oldest_age_seconds * 1000), status.oldest_age_seconds > 60 ? 'wait' : ''));
    const letters = listed.dead_letters;
    replace(body, letters.map(line));
    table.hidden = letters.length === 0;
    all.hidden = letters.length < 2;
    empty.hidden = letters.length > 0;
  }

  const line = (letter) => h('tr', { dataset: { id: letter.id } },
    h('td', { class: 'when' }, time(letter.dead_since)),
    h('td', {}, letter.event),
    h('td', { class: 'mono' }, h('a', { href: `/m/${encodeURIComponent(letter.control_id)}` }, letter.control_id)),
    h('td', {}, letter.ack_code ? h('span', { class: 'pill bad' }, [letter.ack_code, letter.error_code].filter(Boolean).join(' ')) : ''),
    h('td', {}, REASONS[letter.reason] ?? letter.reason, letter.superseded && h('span', { class: 'faint block' }, 'A newer message of this patient was delivered since.')),
    h('td', { class: 'row' }, button('Send again', () => redrive(letter), { class: 'primary' }), button('Let go', () => skip(letter))));

  async function redrive(letter, quiet = false) {
    const path = `dead-letters/${encodeURIComponent(letter.id)}/redrive`;
    try {
      await post(path);
      if (!quiet) notice('Sent again', 'good');
    } catch (error) {
      if (error.status !== 409) return attempt(() => { throw error; });
      if (quiet) return notice(error.message, 'bad');
      if (await ask('Over a newer state?', `${error.message}. Sending it all the same may put an older state over a newer one.`, 'Send it all the same')) {
        await attempt(() => post(path, undefined, { force_stale: 'true' }), 'Sent again');
      }
    }
    return load();
  }

  async function redriveAll() {
    const listed = await attempt(() => get('dead-letters', { limit: 1000 }));
    for (const letter of listed?.dead_letters ?? []) await redrive(letter, true);
    notice('Done', 'good');
  }

  async function skip(letter) {
    if (!(await ask('Let this message go?', 'It is removed for good and never sent.', 'Let it go'))) return;
    await attempt(() => call('DELETE', `dead-letters/${encodeURIComponent(letter.id)}`), 'Let go');
    load();
  }

  const again = () => load().catch(() => {});
  attempt(load);
  const stop = listen(({ kind }) => { if (kind !== 'state') again(); });
  const timer = setInterval(() => { if (!document.hidden) again(); }, 2000);
  return () => { stop(); clearInterval(timer); };
}
