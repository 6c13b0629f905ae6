// Live updates: server-sent events over fetch, because EventSource can send no token. Resumes where it was cut.

import { address, headers } from './api.js';
import { maskParameter } from './session.js';

const listeners = new Set();
let last;
let running;

/** `listener({ kind, rows })`: `rows`, `reset` (read anew), `state` (connected or not). Returns how to stop. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function start(step) {
  last = step ?? last;
  stop();
  running = new AbortController();
  follow(running.signal);
}

export function stop() {
  running?.abort();
}

function tell(event) {
  for (const listener of listeners) listener(event);
}

async function follow(signal) {
  let pause = 250;
  while (!signal.aborted) {
    try {
      const all = headers();
      if (last) all['last-event-id'] = last;
      const response = await fetch(address('events', maskParameter()), { headers: all, signal, cache: 'no-store' });
      if (!response.ok) throw new Error(`status ${response.status}`);
      tell({ kind: 'state', connected: true });
      pause = 250;
      await read(response.body, signal);
    } catch {
      if (signal.aborted) return;
    }
    tell({ kind: 'state', connected: false });
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, 5000);
  }
}

async function read(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  while (!signal.aborted) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const events = buffer.split('\n\n');
    buffer = events.pop();
    for (const event of events) take(event);
  }
}

function take(text) {
  let [kind, data] = ['message', ''];
  for (const line of text.split('\n')) {
    const [, field, value] = line.match(/^(event|data|id): ?(.*)$/) ?? [];
    if (field === 'event') kind = value;
    else if (field === 'data') data += value;
    else if (field === 'id') last = value;
  }
  if (kind === 'rows') tell({ kind, rows: JSON.parse(data).rows });
  else if (kind === 'reset') tell({ kind });
}
