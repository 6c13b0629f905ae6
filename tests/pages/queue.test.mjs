import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { close, done, open, patient, row, start, until } from './rig.mjs';

let bridge;
before(async () => { bridge = await start(); });
after(async () => { await close(); await bridge.stop(); });

test('a refusal leads to a dead letter, which is sent again once the endpoint is well', async () => {
  const page = await open(bridge, { path: '/faults' });
  await page.getByLabel('The server should').selectOption('AE');
  await page.getByLabel('During the next').fill('0');
  assert.match(await page.getByLabel('Scenario in TOML').inputValue(), /code = "AE"/);
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.getByText('In force.').waitFor();
  await page.locator('.strip').getByText('on purpose').waitFor();

  await bridge.put(patient('dead-1'));
  await page.getByRole('link', { name: 'Queue' }).click();
  const letter = page.locator('table.letters tbody tr').first();
  await letter.getByText('refused the message', { exact: false }).waitFor();
  await letter.getByText('AE 101').waitFor();
  await page.getByRole('link', { name: 'Inbox' }).click();
  await row(page, 'mrn-dead-1').getByText('dead letter').waitFor();

  await page.getByRole('link', { name: 'Faults' }).click();
  await page.locator('table.injected tbody tr').first().getByText('from the page').waitFor();
  await page.getByRole('button', { name: 'End all faults' }).click();
  await page.getByText('every answer is honest', { exact: false }).first().waitFor();
  await page.getByRole('link', { name: 'Queue' }).click();
  await letter.getByRole('button', { name: 'Send again' }).click();
  await page.getByText('No dead letters').waitFor();
  await page.getByRole('link', { name: 'Inbox' }).click();
  await row(page, 'mrn-dead-1').getByText('delivered').waitFor();
  await row(page, 'mrn-dead-1').click();
  await page.getByRole('tab', { name: 'Timeline' }).click();
  await page.getByText('Given up: a dead letter').waitFor();
  await page.getByText('An operator sent it again').waitFor();
  await done(page);
});

test('a letter that would bring back an older state is refused, and let go', async () => {
  await bridge.api('faults', { method: 'PUT', body: '[[rule]]\nmatch = { patient = "stale-1" }\ntimes = 1\nthen = [{ reply = { code = "AE", error = 101 } }]\n' });
  await bridge.put(patient('stale-1'));
  const page = await open(bridge, { path: '/queue' });
  const letter = page.locator('table.letters tbody tr').first();
  await letter.waitFor();
  await bridge.put(patient('stale-1', { gender: 'other' }));
  await page.getByText('A newer message of this patient was delivered since.').waitFor();
  await letter.getByRole('button', { name: 'Send again' }).click();
  const question = page.getByRole('dialog');
  await question.getByText('Over a newer state?').waitFor();
  await question.getByRole('button', { name: 'Cancel' }).click();
  await letter.getByRole('button', { name: 'Let go' }).click();
  await question.getByRole('button', { name: 'Let it go' }).click();
  await page.getByText('No dead letters').waitFor();
  await done(page);
});

test('a scenario with a mistake says where, and the old one stays', async () => {
  const page = await open(bridge, { path: '/faults' });
  await page.getByLabel('Scenario in TOML').fill('[[rule]]\nthen = ["fly"]\n');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.locator('.notice.bad').getByText('line 2', { exact: false }).waitFor();
  await done(page);
});

test('without the token nothing can be changed, and the page says so', async () => {
  const page = await open(bridge, { path: '/faults', signed: false });
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.locator('.notice.bad').getByText('needs the token', { exact: false }).waitFor();
  assert.equal((await bridge.api('dead-letters/1', { token: 'f'.repeat(64) })).status, 401);
  await done(page);
});

test('the page goes on where it was cut off, and a server ends with a page open', async () => {
  const own = await start();
  const page = await open(own);
  await page.locator('.live.on').waitFor();
  await own.put(patient('cut-1'));
  await row(page, 'mrn-cut-1').getByText('delivered').waitFor();
  await page.context().setOffline(true);
  await page.evaluate(() => window.dispatchEvent(new Event('offline')));
  const began = Date.now();
  await own.stop();
  assert.ok(Date.now() - began < 10_000, 'an open page does not hold the server');
  await page.getByText('reconnecting').waitFor();
  await page.context().close();
});
