import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { close, done, open, patient, row, start, until } from './rig.mjs';

let bridge;
before(async () => { bridge = await start(); });
after(async () => { await close(); await bridge.stop(); });

async function delivered(id) {
  return until(`${id} is delivered`, async () => {
    const { messages } = await bridge.api(`messages?q=ids:mrn-${id}`);
    return messages[0]?.state === 'delivered' && messages[0];
  });
}

test('hover, Tab and arrow keys give the same card, linked to the FHIR element', async () => {
  await bridge.put(patient('card-1'));
  const message = await delivered('card-1');
  const page = await open(bridge, { path: `/m/${message.id}` });
  const name = page.locator('.field[data-location="PID-5"]');
  await name.hover();
  const card = page.locator('.card');
  await card.getByText('Patient name').waitFor();
  const hovered = await card.innerText();
  for (const text of ['family name', 'Example', 'Patient.name[0].family', 'legal', 'rule']) assert.ok(hovered.includes(text), `${text} in ${hovered}`);
  assert.ok((await page.locator('[data-path="Patient.name[0].family"].lit').count()) === 1, 'the element is marked');

  await page.locator('.field[data-location="PID-8"]').hover();
  await card.getByText('female').waitFor();
  // The keyboard alone: Tab into the message, then arrows to PID-5.
  await page.locator('.field').first().focus();
  await until('PID-5 has the focus', async () => {
    await page.keyboard.press('ArrowDown');
    return (await page.evaluate(() => document.activeElement.dataset.location)) === 'PID-5';
  });
  assert.equal(await card.innerText(), hovered);
  await done(page);
});

test('an element of the resource marks its values in the message', async () => {
  await bridge.put(patient('fhir-1'));
  const message = await delivered('fhir-1');
  const page = await open(bridge, { path: `/m/${message.id}` });
  await page.locator('[data-path="Patient.birthDate"]').hover();
  await page.locator('.leaf.lit').first().waitFor();
  assert.deepEqual(await page.locator('.leaf.lit').evaluateAll((leaves) => leaves.map((leaf) => leaf.dataset.location)), ['PID-7']);
  await page.locator('[data-path="Patient.name[0].given[0]"]').focus();
  await until('the given name is marked', async () => (await page.locator('.leaf.lit').first().getAttribute('data-location')) === 'PID-5.2');
  await done(page);
});

test('every tab has its side of the message', async () => {
  await bridge.put(patient('tabs-1'));
  const message = await delivered('tabs-1');
  const page = await open(bridge, { path: `/m/${message.id}` });
  const tab = (name) => page.getByRole('tab', { name }).click();
  await tab('Raw');
  const raw = await page.locator('pre.raw').innerText();
  assert.ok(raw.startsWith('MSH|^~\\&|') && raw.includes('\nPID|1|'), raw);
  await tab('FHIR');
  await page.locator('[data-path="Patient.gender"]').getByText('"female"').waitFor();
  await tab('Answer');
  await page.locator('.field[data-location="MSA-1"]').getByText('AA').waitFor();
  await tab('Timeline');
  const steps = page.locator('.timeline li');
  await until('the whole way is there', async () => {
    const words = (await steps.allInnerTexts()).join(' ');
    return ['accepted the write', 'Durable in the queue', 'With the sender', 'Arrived', 'Stored', 'Acknowledged'].every((word) => words.includes(word));
  });
  await page.keyboard.press('Tab');
  await done(page);
});

test('what changed since the last message of the patient', async () => {
  await bridge.put(patient('diff-1'));
  await delivered('diff-1');
  await bridge.put(patient('diff-1', { address: [{ use: 'home', line: ['22 New Road'], city: 'Springfield', postalCode: '62701', country: 'US' }] }));
  const message = await until('the second is delivered', async () => {
    const { messages } = await bridge.api('messages?q=ids:mrn-diff-1');
    return messages.length === 2 && messages[0].state === 'delivered' && messages[0];
  });
  const page = await open(bridge, { path: `/m/${message.id}?tab=changes` });
  const line = page.locator('table.changes tr', { hasText: 'PID-11.1' });
  await line.locator('del').getByText('1 Old Street').waitFor();
  await line.locator('ins').getByText('22 New Road').waitFor();
  assert.match(await line.innerText(), /Patient\.address\[0\]\.line\[0\]/);
  assert.equal(await page.locator('table.changes tbody tr', { hasText: 'MSH-10' }).count(), 0, 'what always differs is not shown');
  await page.getByLabel('Not compared').fill('PID-11');
  await page.getByRole('button', { name: 'Compare' }).click();
  await page.locator('table.changes tbody tr', { hasText: 'MSH-10' }).waitFor();
  assert.equal(await page.locator('table.changes tbody tr', { hasText: 'PID-11' }).count(), 0);
  await done(page);
});

test('copy as curl, download, send again, save as a test case that names nobody', async () => {
  await bridge.put(patient('act-1', { name: [{ family: 'Verysecretname' }] }));
  const message = await delivered('act-1');
  const page = await open(bridge, { path: `/m/${message.id}` });
  await page.getByRole('button', { name: 'Copy as curl' }).click();
  const curl = await until('it is on the clipboard', () => page.evaluate(() => navigator.clipboard.readText()));
  assert.equal(curl, `curl -sS '${bridge.inspector}/api/v1/messages/${message.id}/raw?mask=false'`);
  const file = async (name) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name }).click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  const raw = await file('Download');
  assert.ok(raw.includes('Verysecretname') && raw.includes('\rPID|'));
  const saved = JSON.parse(await file('Save as test case'));
  assert.ok(!JSON.stringify(saved).includes('Verysecretname'));
  assert.ok(!JSON.stringify(saved).includes('1974') && saved.message.startsWith('MSH|^~\\&|'));
  assert.equal(saved.patient.name[0].family.length, 'Verysecretname'.length);
  await page.getByRole('button', { name: 'Send again' }).click();
  await page.getByText('Sent again').waitFor();
  await until('it came twice', async () => (await bridge.api(`messages/${message.id}`)).message.deliveries === 2);
  const raws = await bridge.api(`messages/${message.id}/raw?mask=false`);
  assert.equal(raws, raw, 'the same bytes');
  await done(page);
});

test('sending an older state asks first', async () => {
  await bridge.put(patient('old-1'));
  const first = await delivered('old-1');
  await bridge.put(patient('old-1', { gender: 'other' }));
  await until('the second is delivered', async () => (await bridge.api('messages?q=ids:mrn-old-1')).messages.filter((one) => one.state === 'delivered').length === 2);
  const page = await open(bridge, { path: `/m/${first.id}` });
  await page.getByRole('button', { name: 'Send again' }).click();
  await page.getByRole('dialog').getByText('newer message').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  assert.equal((await bridge.api(`messages/${first.id}`)).message.deliveries, 1);
  await done(page);
});
