// A fault scenario (docs/reference/test-server.md) from what somebody chose.

export const REPLIES = {
  answer: 'Answer honestly',
  AE: 'AE: error',
  AR: 'AR: rejected',
  none: 'Store, and never answer',
  wrong: 'Accept another message (wrong MSA-2)',
  garbage: 'Answer with garbage',
  split: 'Answer in pieces',
  close: 'Store, and close before the answer',
  reset: 'Reset the connection, store nothing',
  full: 'The store is full',
};

const THEN = {
  answer: ['"store"', '"answer"'],
  AE: ['{ reply = { code = "AE", error = 101 } }'],
  AR: ['{ reply = { code = "AR", error = 200 } }'],
  none: ['"store"'],
  wrong: ['"store"', '{ reply = { code = "AA", id = "wrong" } }'],
  garbage: ['"store"', '{ send = "garbage" }'],
  split: ['"store"', '{ reply = { gap = "20ms" } }'],
  close: ['"store"', '"close"'],
  reset: ['"reset"'],
  full: ['{ store_error = "full" }', '"answer"'],
};

export function scenario({ reply, share, delay, seconds, patient, handshake }) {
  const text = (value) => JSON.stringify(value);
  const conditions = [];
  if (share < 100) conditions.push(`probability = ${share / 100}`);
  if (patient) conditions.push(`patient = ${text(patient)}`);
  if (seconds) conditions.push(`before = "${seconds}s"`);
  const match = conditions.length > 0 ? `match = { ${conditions.join(', ')} }\n` : '';
  const then = [...(delay ? [`{ wait = "${delay}s" }`] : []), ...THEN[reply]];
  const rule = `[[rule]]\nname = "from the page"\n${match}then = [${then.join(', ')}]\n`;
  const connection = `\n[[connection]]\nname = "no TLS"\n${seconds ? `match = { before = "${seconds}s" }\n` : ''}then = ["abort_handshake"]\n`;
  return rule + (handshake ? connection : '');
}
