import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { close, done, open, start, until } from './rig.mjs';

let bridge;
before(async () => { bridge = await start(); });
after(async () => { await close(); await bridge.stop(); });

const selected = (page) => page.locator('#input').evaluate((input) => input.value.slice(input.selectionStart, input.selectionEnd));

test('a Patient becomes an annotated message, with what it does not carry', async () => {
  const page = await open(bridge, { path: '/playground' });
  await page.locator('.field[data-location="PID-5"]').hover();
  await page.locator('.card').getByText('Patient.name[0].family').waitFor();
  const lost = page.locator('.typed .findings li', { hasText: 'Patient.photo' });
  await lost.getByRole('button').first().click();
  assert.match(await selected(page), /not carried/);
  await page.getByLabel('Event', { exact: true }).selectOption('A31');
  await page.locator('.field[data-location="MSH-9"]').getByText('A31').waitFor();
  assert.equal((await bridge.api('messages')).messages.length, 0, 'nothing is kept');
  await done(page);
});

test('a mistake is shown at its element', async () => {
  const page = await open(bridge, { path: '/playground' });
  await page.getByLabel('Sample').selectOption('FHIR Patient with a mistake');
  await page.getByText('the Patient cannot be sent', { exact: false }).waitFor();
  await page.locator('.findings').getByRole('button', { name: 'Patient.birthDate' }).click();
  assert.equal(await selected(page), '"25.12.1974"');
  await page.locator('#input').fill('{\n  "resourceType": "Patient",\n  "name": [,]\n}');
  await page.locator('.findings').getByRole('button', { name: 'line 3', exact: false }).click();
  await until('the caret is on line 3', () => page.locator('#input').evaluate((input) => input.value.slice(0, input.selectionStart).split('\n').length === 3));
  await done(page);
});

test('a message becomes a Patient; a foreign one is annotated all the same', async () => {
  const page = await open(bridge, { path: '/playground' });
  await page.getByLabel('Sample').selectOption('HL7 v2 ADT^A31');
  await page.locator('[data-path="Patient.birthDate"]').getByText('1974-12-25').waitFor();
  await page.getByLabel('Sample').selectOption('HL7 v2 ORU^R01');
  await page.locator('.field[data-location="OBX-5"]').waitFor();
  await page.getByText('not of type ADT', { exact: false }).first().waitFor();
  await page.locator('#input').fill('MSH|^~\\&|A|B|C|D|2024||ADT^A31|1|T|2.5.1\nthis is no segment');
  await page.locator('.findings').getByRole('button', { name: 'line 2' }).waitFor();
  await done(page);
});
