import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { close, done, open, patient, row, start, until } from './rig.mjs';

let bridge;
before(async () => { bridge = await start(); });
after(async () => { await close(); await bridge.stop(); });

test('an empty inbox says what to do, and a message is there within a second of its POST', async () => {
  const page = await open(bridge);
  await page.getByText('No message yet').waitFor();
  await page.locator('.live.on').waitFor();
  // Measured in the page: from the moment the hook answered to the row being drawn.
  await page.evaluate(() => {
    window.drawn = new Promise((resolve) => {
      new MutationObserver(() => { if (document.querySelector('table.inbox tbody tr')) resolve(Date.now()); }).observe(document.body, { childList: true, subtree: true });
    });
  });
  await bridge.put(patient('live-1'));
  const answered = Date.now();
  const drawn = await page.evaluate(() => window.drawn);
  assert.ok(drawn - answered < 1000, `${drawn - answered} ms`);
  await row(page, 'mrn-live-1').getByText('delivered').waitFor();
  assert.match(await row(page, 'mrn-live-1').innerText(), /ADT\^A28/);
  await done(page);
});

test('search narrows the list and stays live', async () => {
  await bridge.put(patient('search-1', { name: [{ family: 'Zebra', given: ['Zoë'] }] }));
  await bridge.put(patient('search-2', { name: [{ family: 'Yak' }] }));
  const page = await open(bridge);
  await page.keyboard.press('/');
  await page.keyboard.type('zoe event:A28');
  await row(page, 'mrn-search-1').waitFor();
  await until('the other one is gone', async () => (await row(page, 'mrn-search-2').count()) === 0);
  await bridge.put(patient('search-3', { name: [{ family: 'Later', given: ['Zoe'] }] }));
  await row(page, 'mrn-search-3').waitFor();
  await page.locator('#search').fill('nothing-like-this');
  await page.getByText('Nothing fits').waitFor();
  await page.reload();
  assert.equal(await page.locator('#search').inputValue(), 'nothing-like-this', 'the address names the search');
  await done(page);
});

test('the whole way by keyboard', async () => {
  await bridge.put(patient('keys-1'));
  await bridge.put(patient('keys-1', { birthDate: '1980-01-01' }));
  const page = await open(bridge);
  await row(page, 'mrn-keys-1').waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  const id = await page.evaluate(() => document.activeElement.closest('tr').dataset.id);
  await page.keyboard.press('y');
  await until('the message is on the clipboard', async () => (await page.evaluate(() => navigator.clipboard.readText())).includes(id));
  await page.keyboard.press('Enter');
  await page.waitForURL(`**/m/${id}`);
  await page.keyboard.press('d');
  await page.locator('#tab-changes[aria-selected=true]').waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('send again').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.keyboard.press('g');
  await page.keyboard.press('i');
  await page.getByRole('heading', { name: 'Inbox' }).waitFor();
  await done(page);
});

test('messages of other senders: results, appointments, and what is no message at all', async () => {
  const msh = (type, id) => `MSH|^~\\&|LAB|H|EHR|H|20240301||${type}|${id}|P|2.5.1`;
  await bridge.mllp(`${msh('ORU^R01^ORU_R01', 'LAB-1')}\nPID|1||77^^^H^MR||Result^Rita\nOBX|1|NM|GLU^Glucose||5.4|mmol/L`);
  await bridge.mllp(`${msh('SIU^S12^SIU_S12', 'SCH-1')}\nSCH|1\nPID|1||78^^^H^MR||Visit^Vera`);
  await bridge.mllp('this is no message');
  const page = await open(bridge);
  // The server takes ADT only and refuses the others; the inspector shows all of them.
  for (const text of ['ORU^R01', 'SIU^S12', 'unreadable']) await row(page, text).getByText('refused').waitFor();
  await row(page, 'ORU^R01').click();
  await page.getByText('Observation', { exact: false }).first().waitFor();
  await page.locator('.field[data-location="OBX-5"]').waitFor();
  await done(page);
});
