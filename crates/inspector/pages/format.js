// Times, states and names as people read them.

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const day = new Intl.DateTimeFormat(undefined, { day: '2-digit', month: 'short' });

export function time(text) {
  const when = new Date(text);
  const today = new Date().toDateString() === when.toDateString();
  return today ? clock.format(when) : `${day.format(when)} ${clock.format(when)}`;
}

export function exact(text) {
  const when = new Date(text);
  const fraction = (text.match(/\.(\d{3})/) ?? [])[1] ?? '000';
  return `${clock.format(when)}.${fraction}`;
}

export function span(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return '';
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  if (milliseconds < 3_600_000) return `${Math.floor(milliseconds / 60_000)} min`;
  return `${Math.floor(milliseconds / 3_600_000)} h`;
}

export const count = (number) => Number(number ?? 0).toLocaleString('en').replaceAll(',', '\u202f');

/** Word and tone of a state; colour is never the only sign. */
export const STATES = {
  queued: ['queued', 'wait'],
  sending: ['sending', 'wait'],
  delivered: ['delivered', 'good'],
  stored: ['stored', 'good'],
  dead: ['dead letter', 'bad'],
  refused: ['refused', 'bad'],
  dropped: ['dropped', 'bad'],
  skipped: ['let go', 'calm'],
};

export function event(row) {
  return row.event ? `${row.kind}^${row.event}` : row.kind;
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
