// What happened to a message, step by step, and how long each took.

import { h } from './dom.js';
import { exact, span } from './format.js';

const WORDS = {
  accepted: 'The hook accepted the write',
  queued: 'Durable in the queue',
  sending: 'With the sender',
  received: 'Arrived at the test server',
  stored: 'Stored',
  answered: 'Answered, not stored',
  delivered: 'Acknowledged, gone from the queue',
  dead: 'Given up: a dead letter',
  redriven: 'An operator sent it again',
  resent: 'An operator sent it once more',
  skipped: 'An operator let it go',
};
const TONES = { delivered: 'good', stored: 'good', dead: 'bad', answered: 'bad', skipped: 'calm' };

export function timeline(steps) {
  if (steps.length === 0) return h('p', { class: 'empty' }, 'Nothing is known of its way.');
  let before;
  return h('ol', { class: 'timeline' }, steps.map((step) => {
    const now = Date.parse(step.at);
    const took = before === undefined ? '' : `+${span(now - before)}`;
    before = now;
    return h('li', {},
      h('i', { class: `dot ${TONES[step.kind] ?? 'wait'}`, 'aria-hidden': 'true' }),
      h('time', { class: 'mono', datetime: step.at }, exact(step.at)),
      h('span', { class: 'faint mono took' }, took),
      h('span', { class: 'what' }, h('b', {}, WORDS[step.kind] ?? step.kind), step.detail && h('span', { class: 'faint' }, step.detail)));
  }));
}
