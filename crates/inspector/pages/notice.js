// Short notices, questions, and the clipboard.

import { button, h } from './dom.js';

export function notice(text, tone = 'calm') {
  const line = h('p', { class: `notice ${tone}` }, text);
  document.getElementById('notices').append(line);
  setTimeout(() => line.remove(), tone === 'bad' ? 8000 : 3500);
}

/** Runs an action of the user; what goes wrong becomes a notice. */
export async function attempt(action, done) {
  try {
    const result = await action();
    if (done) notice(done, 'good');
    return result;
  } catch (error) {
    if (error.status === 401) notice('This needs the token: open the link that adt-bridge printed at its start.', 'bad');
    else notice(error.message, 'bad');
    return undefined;
  }
}

/** Asks before something that cannot be taken back. */
export function ask(title, text, yes) {
  return new Promise((resolve) => {
    const close = (answer) => {
      dialog.close();
      dialog.remove();
      resolve(answer);
    };
    const dialog = h(
      'dialog',
      { class: 'question', 'aria-label': title, oncancel: () => close(false) },
      h('h2', {}, title),
      h('p', {}, text),
      h('div', { class: 'row end' }, button('Cancel', () => close(false)), button(yes, () => close(true), { class: 'danger' })),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

export async function copy(text, what) {
  await attempt(() => navigator.clipboard.writeText(text), `${what} copied`);
}

/** Hands a file to the browser. */
export function save(name, type, content) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = h('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
