// What this page may do, and what it hides.

import { get } from './api.js';

export const session = { mask: true, masked: true, token: false, pipeline: false, faults: false, reading: 'open', version: '' };

/** Takes the token of the link that was opened, and asks what may be done. */
export async function open() {
  const given = location.hash.match(/^#([0-9a-f]{64})$/);
  if (given) {
    localStorage.setItem('token', given[1]);
    history.replaceState(null, '', location.pathname + location.search);
  }
  Object.assign(session, await get('session'));
  if (!session.token) localStorage.removeItem('token');
  const chosen = sessionStorage.getItem('masked');
  session.masked = chosen === null ? session.mask : chosen === 'yes';
  if (!session.masked && session.mask && !session.token) session.masked = true;
}

export function setMasked(masked) {
  sessionStorage.setItem('masked', masked ? 'yes' : 'no');
  session.masked = masked;
}

/** The parameter of every call that shows a message. */
export const maskParameter = () => ({ mask: String(session.masked) });
