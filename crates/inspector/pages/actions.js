// What can be done with a message.

import { address, headers, message, post, text } from './api.js';
import { ask, attempt, copy, notice, save } from './notice.js';
import { maskParameter } from './session.js';

/** Sends the same bytes once more; asks where that would bring an older state back. */
export async function resend(id) {
  try {
    await post(`${message(id)}/resend`);
    notice('Sent again', 'good');
  } catch (error) {
    if (error.code !== 'stale') return attempt(() => { throw error; });
    const sure = await ask('Send an older state?', `${error.message}.`, 'Send it');
    if (sure) await attempt(() => post(`${message(id)}/resend`, undefined, { force_stale: 'true' }), 'Sent again');
  }
}

export async function download(id) {
  const content = await attempt(() => text(`${message(id)}/raw`, maskParameter()));
  if (content !== undefined) save(`${id}.hl7`, 'application/hl7-v2', content);
}

export async function copyMessage(id) {
  const content = await attempt(() => text(`${message(id)}/raw`, maskParameter()));
  if (content !== undefined) await copy(content.replaceAll('\r', '\n'), 'Message');
}

/** The request that reads this message; the token only where reading needs it. */
export async function copyCurl(id, reading) {
  const parts = ['curl -sS'];
  if (reading === 'token') parts.push(`-H 'authorization: ${headers().authorization ?? 'Bearer TOKEN'}'`);
  parts.push(`'${address(`${message(id)}/raw`, maskParameter())}'`);
  await copy(parts.join(' '), 'Request');
}

export async function saveTestCase(id) {
  const content = await attempt(() => text(`${message(id)}/test-case`));
  if (content !== undefined) save('test-case.json', 'application/json', content);
}
