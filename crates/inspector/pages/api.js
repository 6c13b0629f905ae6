// The JSON API. Problems (RFC 9457) become errors with their text.

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `the server answered ${status}`);
    this.status = status;
    this.code = body?.code ?? '';
    this.errors = body?.errors ?? [];
  }
}

export function headers() {
  const token = localStorage.getItem('token');
  return token ? { authorization: `Bearer ${token}` } : {};
}

export function address(path, parameters = {}) {
  const url = new URL(`/api/v1/${path}`, location.origin);
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, value);
  }
  return url;
}

export async function call(method, path, { parameters, body, type, signal } = {}) {
  const all = headers();
  if (type) all['content-type'] = type;
  let response;
  try {
    response = await fetch(address(path, parameters), { method, headers: all, body, signal });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { detail: 'the server does not answer; is adt-bridge running?' });
  }
  if (response.ok) return response;
  throw new Problem(response.status, await response.json().catch(() => undefined));
}

export const get = async (path, parameters, signal) => (await call('GET', path, { parameters, signal })).json();
export const text = async (path, parameters) => (await call('GET', path, { parameters })).text();
export const message = (id) => `messages/${encodeURIComponent(id)}`;

export async function post(path, body, parameters) {
  const type = body === undefined ? undefined : 'application/json';
  const response = await call('POST', path, { parameters, body: body === undefined ? undefined : JSON.stringify(body), type });
  return response.status === 200 ? response.json() : undefined;
}
