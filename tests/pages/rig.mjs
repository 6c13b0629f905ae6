// A running `adt-bridge up` and a browser that notices what must not happen.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { chromium } from 'playwright-core';

const BINARY = process.env.ADT_BRIDGE_BINARY ?? new URL('../../target/debug/adt-bridge', import.meta.url).pathname;
const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
export const DEADLINE = 15_000;

/** A bridge of its own, in a folder of its own, on free ports. */
export async function start({ environment = {}, folder } = {}) {
  const data = folder ?? (await mkdtemp(join(tmpdir(), 'adt-bridge-pages-')));
  const free = '127.0.0.1:0';
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ADT_BRIDGE|AWS_|RUST_LOG)/.test(name)));
  const child = spawn(BINARY, [
    'up', '--json', '--data-dir', data, '--hook-listen', free, '--mllp-listen', free, '--mllp-plain-listen', free, '--inspector-listen', free,
  ], { env: { ...inherited, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.on('data', (part) => { log += part; });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const line = await Promise.race([
    new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve)),
    ended.then((code) => { throw new Error(`adt-bridge ended with ${code}:\n${log}`); }),
  ]);
  const ready = JSON.parse(line);
  const { token } = JSON.parse(await readFile(join(data, 'admin.json'), 'utf8'));
  return {
    ...ready, token, data, link: `${ready.inspector}/#${token}`, log: () => log,
    async stop({ keep = false } = {}) {
      child.kill('SIGTERM');
      await ended;
      if (!keep) await rm(data, { recursive: true });
    },
    post: (patient) => write(`${ready.hook}/persistence/Patient`, 'POST', patient),
    put: (patient) => write(`${ready.hook}/persistence/Patient/${patient.id}`, 'PUT', patient),
    /** Sends a message as another sender would; answers its acknowledgment. */
    mllp: (er7) => mllp(ready.mllp_plain, er7),
    async api(path, { method = 'GET', body, token: given = token } = {}) {
      const headers = given ? { authorization: `Bearer ${given}` } : {};
      const response = await fetch(`${ready.inspector}/api/v1/${path}`, { method, headers, body });
      return response.headers.get('content-type')?.includes('json') ? response.json() : response.text();
    },
  };
}

async function write(url, method, patient) {
  const response = await fetch(url, { method, headers: { 'content-type': 'application/fhir+json' }, body: JSON.stringify(patient) });
  if (!response.ok) throw new Error(`${method} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

function mllp(address, er7) {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host, () => socket.write(`\x0b${er7.replaceAll('\n', '\r')}\x1c\r`));
    let answer = '';
    socket.on('data', (part) => {
      answer += part;
      if (answer.includes('\x1c')) { socket.end(); resolve(answer.slice(1, answer.indexOf('\x1c'))); }
    });
    socket.on('error', reject);
  });
}

let browser;
/** One browser for all tests of a file. */
export async function browse() {
  browser ??= await chromium.launch({ executablePath: BROWSER, args: ARGUMENTS });
  return browser;
}
export const close = async () => { await browser?.close(); browser = undefined; };

/** A page that records what must not happen: foreign requests, errors, violations of the content policy. */
export async function open(bridge, { path = '/', signed = true, ...options } = {}) {
  const context = await (await browse()).newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-GB', reducedMotion: 'reduce', ...options });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: bridge.inspector });
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  const bad = [];
  page.on('console', (message) => { if (message.type() === 'error' && !/status of (400|401|404|409|422)/.test(message.text())) bad.push(message.text()); });
  page.on('pageerror', (error) => bad.push(String(error)));
  page.on('request', (request) => { if (!request.url().startsWith(bridge.inspector) && !/^(blob|data):/.test(request.url())) bad.push(`request to ${request.url()}`); });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective));
  });
  if (signed) await page.goto(bridge.link);
  if (!signed || path !== '/') await page.goto(`${bridge.inspector}${path}`);
  await page.locator('html[data-ready=yes]').waitFor({ state: 'attached' });
  page.bad = bad;
  return page;
}

/** Nothing foreign, no error, no violation. */
export async function done(page) {
  const violations = await page.evaluate(() => window.violations);
  await page.context().close();
  if (page.bad.length + violations.length > 0) throw new Error([...page.bad, ...violations].join('\n'));
}

/** Looks again until it is so. */
export async function until(what, look) {
  const end = Date.now() + DEADLINE;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A made-up person. */
export function patient(id, more = {}) {
  return {
    resourceType: 'Patient', id, identifier: [{ system: 'urn:oid:1.2.3.4', value: `mrn-${id}` }],
    name: [{ use: 'official', family: 'Example', given: ['Anna', 'Maria'] }], gender: 'female', birthDate: '1974-12-25',
    telecom: [{ system: 'phone', value: '+1 555 0100', use: 'home' }],
    address: [{ use: 'home', line: ['1 Old Street'], city: 'Springfield', postalCode: '62701', country: 'US' }], ...more,
  };
}

/** The row of the inbox about this person's last message. */
export const row = (page, text) => page.locator('table.inbox tbody tr', { hasText: text }).first();
