// Where an element stands in JSON text: from a FHIRPath such as `Patient.name[0].family` to a range of characters.

/** `[from, to]` of the element, or of the nearest one around it that is there; null where nothing fits. */
export function find(text, expression) {
  const wanted = expression.replace(/\.?\w+\(.*$/, '');
  let best = null;
  try {
    scan(text, (path, from, to) => {
      const fits = path === wanted || (wanted.startsWith(path) && /^[.[]/.test(wanted.slice(path.length)));
      if (fits && (!best || path.length >= best.path.length)) best = { path, from, to };
    });
  } catch {
    // Text that is not JSON has no places beyond the mistake.
  }
  return best && best.path !== 'Patient' ? [best.from, best.to] : best && [0, 0];
}

/** Line and column, from 1, as a place in the text. */
export function offset(text, line, column = 1) {
  const lines = text.split('\n');
  return lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + Math.max(0, column - 1);
}

function scan(text, found) {
  let at = 0;
  const blank = () => { while (/\s/.test(text[at] ?? '')) at += 1; };
  const fail = () => { throw new Error('not JSON'); };
  const string = () => {
    const match = /^"(?:[^"\\]|\\.)*"/s.exec(text.slice(at));
    if (!match) fail();
    at += match[0].length;
    return JSON.parse(match[0]);
  };
  const value = (path) => {
    blank();
    const from = at;
    if (text[at] === '{') members(path);
    else if (text[at] === '[') list(path);
    else if (text[at] === '"') string();
    else {
      const match = /^[^,\]}\s]+/.exec(text.slice(at));
      if (!match) fail();
      at += match[0].length;
    }
    found(path, from, at);
  };
  const members = (path) => {
    at += 1;
    for (blank(); text[at] !== '}'; blank()) {
      if (text[at] !== '"') fail();
      const name = string();
      blank();
      if (text[at] !== ':') fail();
      at += 1;
      value(`${path}.${name}`);
      blank();
      if (text[at] === ',') at += 1;
      else if (text[at] !== '}') fail();
    }
    at += 1;
  };
  const list = (path) => {
    at += 1;
    let index = 0;
    for (blank(); text[at] !== ']'; blank()) {
      value(`${path}[${index}]`);
      index += 1;
      blank();
      if (text[at] === ',') at += 1;
      else if (text[at] !== ']') fail();
    }
    at += 1;
  };
  value('Patient');
}
