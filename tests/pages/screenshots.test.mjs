// Pictures of every page for docs/reference/inspector.md. Made anew by each run; a run that could not draw a page fails.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { close, open, patient, start, until } from './rig.mjs';

const FOLDER = new URL(process.env.SCREENSHOTS ?? '../../docs/screenshots/', import.meta.url);
const SIZES = { wide: { width: 1280, height: 860 }, narrow: { width: 390, height: 844 } };
const PEOPLE = [
  ['Example', 'Anna', 'female'], ['Nowak', 'Boris', 'male'], ['Okafor', 'Chidi', 'male'], ['Lindqvist', 'Doris', 'female'],
  ['Tanaka', 'Emi', 'female'], ['Rossi', 'Fabio', 'male'], ['Silva', 'Gina', 'female'], ['Dubois', 'Hugo', 'male'],
];

let bridge;
let message;
before(async () => {
  await mkdir(FOLDER, { recursive: true });
  bridge = await start();
  for (const [index, [family, given, gender]] of PEOPLE.entries()) {
    const id = `person-${index + 1}`;
    await bridge.put(patient(id, { identifier: [{ system: 'urn:oid:1.2.3.4', value: `10${index}42` }], name: [{ use: 'official', family, given: [given] }], gender }));
  }
  const msh = (type, id) => `MSH|^~\\&|LAB|HOSPITAL|EHR|HOSPITAL|20240301||${type}|${id}|P|2.5.1`;
  await bridge.mllp(`${msh('ORU^R01^ORU_R01', 'LAB-77')}\nPID|1||10042^^^H^MR||Example^Anna\nOBX|1|NM|GLU^Glucose||5.4|mmol/L`);
  await bridge.api('faults', { method: 'PUT', body: '[[rule]]\nname = "from the page"\nmatch = { patient = "person-9" }\nthen = [{ reply = { code = "AE", error = 101 } }]\n' });
  await bridge.put(patient('person-9', { identifier: [{ system: 'urn:oid:1.2.3.4', value: '10942' }], name: [{ use: 'official', family: 'Moreau', given: ['Ines'] }] }));
  await until('the dead letter', async () => (await bridge.api('queue')).dead === 1);
  const anna = patient('person-1', { identifier: [{ system: 'urn:oid:1.2.3.4', value: '10042' }], name: [{ use: 'official', family: 'Example', given: ['Anna', 'Maria'] }], address: [{ use: 'home', line: ['22 New Road'], city: 'Springfield', state: 'IL', postalCode: '62701', country: 'US' }] });
  await bridge.put(anna);
  message = await until('the update is delivered', async () => {
    const { messages } = await bridge.api('messages?q=event:A31%20state:delivered');
    return messages[0];
  });
});
after(async () => { await close(); await bridge.stop(); });

const look = {
  inbox: { path: () => '/', ready: (page) => page.locator('table.inbox tbody tr').nth(8).waitFor(), act: (page) => page.keyboard.press('j') },
  message: { path: () => `/m/${message.id}`, ready: (page) => page.locator('.field[data-location="PID-5"]').waitFor(), act: (page) => page.locator('.field[data-location="PID-5"]').click() },
  timeline: { path: () => `/m/${message.id}?tab=timeline`, ready: (page) => page.locator('.timeline li').nth(4).waitFor() },
  changes: { path: () => `/m/${message.id}?tab=changes`, ready: (page) => page.locator('table.changes tbody tr').first().waitFor() },
  queue: { path: () => '/queue', ready: (page) => page.locator('table.letters tbody tr').first().waitFor() },
  playground: { path: () => '/playground', ready: (page) => page.locator('.field[data-location="PID-5"]').waitFor(), act: (page) => page.locator('.field[data-location="PID-3"]').click() },
  faults: { path: () => '/faults', ready: (page) => page.locator('table.injected tbody tr').first().waitFor() },
};

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark']) {
    test(`every page, ${size} and ${colorScheme}`, async () => {
      for (const [name, { path, ready, act }] of Object.entries(look)) {
        const page = await open(bridge, { path: path(), colorScheme, viewport });
        await ready(page);
        await page.locator('.strip .stage').first().waitFor();
        await act?.(page);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(overflow <= 0, `${name} is ${overflow} pixels too wide`);
        await page.screenshot({ path: new URL(`${name}-${size}-${colorScheme}.png`, FOLDER).pathname });
        await page.context().close();
      }
    });
  }
}
