import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import { close, done, open, patient, row, start, until } from './rig.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const HOSTILE = '<script>window.hacked=1</script><img src=x onerror=window.hacked=1>';

let bridge;
before(async () => {
  bridge = await start();
  await bridge.put(patient('hostile', { name: [{ family: HOSTILE, given: ['&lt;b&gt;'] }] }));
  await bridge.put(patient('plain', { name: [{ family: 'Markerfamily', given: ['Markergiven'] }], birthDate: '1951-02-03', address: [{ line: ['7 Markerstreet'], city: 'Markertown' }] }));
  await until('both are delivered', async () => (await bridge.api('messages?q=state:delivered')).messages.length === 2);
});
after(async () => { await close(); await bridge.stop(); });

const id = async (mrn) => (await bridge.api(`messages?q=ids:${mrn}`)).messages[0].id;

test('what is hostile in a name stays text on every page', async () => {
  const page = await open(bridge);
  await row(page, 'mrn-hostile').getByText('<script>', { exact: false }).first().waitFor();
  const message = await id('mrn-hostile');
  for (const tab of ['annotated', 'raw', 'fhir', 'answer', 'timeline', 'changes']) {
    await page.goto(`${bridge.inspector}/m/${message}?tab=${tab}`);
    await page.locator('.panel > *').first().waitFor();
    await page.waitForLoadState('networkidle').catch(() => {});
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.locator('main img, main script').count(), 0);
  }
  await page.goto(`${bridge.inspector}/m/${message}`);
  await page.locator('.field[data-location="PID-5"]').hover();
  await page.locator('.card').getByText(HOSTILE).waitFor();
  await page.goto(`${bridge.inspector}/playground`);
  await page.locator('#input').fill(JSON.stringify(patient('x', { name: [{ family: HOSTILE }] })));
  await page.locator('.leaf').getByText('script', { exact: false }).first().waitFor();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  await done(page);
});

test('with values hidden no value of a patient is in the page or in what it was sent', async () => {
  const page = await open(bridge);
  const sent = [];
  page.on('response', (response) => { if (response.url().includes('/api/')) sent.push(response.text().catch(() => '')); });
  await row(page, 'Markerfamily').waitFor();
  await page.getByRole('button', { name: 'Values shown' }).click();
  await row(page, 'M•••').waitFor();
  sent.length = 0;
  const message = await id('mrn-plain');
  for (const tab of ['annotated', 'raw', 'fhir', 'answer', 'timeline', 'changes']) {
    await page.goto(`${bridge.inspector}/m/${message}?tab=${tab}`);
    await page.locator('.panel > *').first().waitFor();
    await until('the head is drawn', async () => (await page.locator('.message-head h1').count()) === 1);
    const html = await page.content();
    for (const value of ['Markerfamily', 'Markergiven', '1951', 'Markerstreet', 'Markertown', 'mrn-plain']) assert.ok(!html.includes(value), `${value} on ${tab}`);
  }
  await page.goto(`${bridge.inspector}/`);
  await row(page, 'M•••').waitFor();
  const answers = (await Promise.all(sent.filter((body) => body instanceof Promise).map((body) => Promise.race([body, new Promise((resolve) => setTimeout(resolve, 500, ''))])))).join('\n');
  assert.ok(!answers.includes('Markerfamily') && !answers.includes('Markerstreet'));
  await page.keyboard.press('m');
  await row(page, 'Markerfamily').waitFor();
  await done(page);
});

test('outside the local profile values are hidden, and nothing is read without the token', async () => {
  const own = await start({ environment: { ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS: '127.0.0.1:9' } });
  await own.put(patient('far-1', { name: [{ family: 'Markerfamily' }] }));
  assert.equal((await own.api('messages', { token: '' })).status, 401);
  const page = await open(own);
  await row(page, 'M•••').waitFor();
  await page.getByRole('button', { name: 'Values hidden' }).click();
  await row(page, 'Markerfamily').waitFor();
  await done(page);
  await own.stop();
});

test('foreign names, foreign pages and frames are refused', async () => {
  const ask = (headers, method = 'GET') => fetch(`${bridge.inspector}/api/v1/messages`, { headers, method });
  assert.equal((await ask({})).status, 200);
  assert.equal((await ask({ origin: 'http://evil.example' })).status, 403);
  assert.equal((await ask({ 'sec-fetch-site': 'cross-site' })).status, 403);
  const policy = (await fetch(bridge.inspector)).headers.get('content-security-policy');
  for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) assert.ok(policy.includes(part), policy);
  assert.ok(!policy.includes('unsafe'));
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds no serious fault, ${colorScheme}`, async () => {
    const message = await id('mrn-plain');
    for (const path of ['/', `/m/${message}`, `/m/${message}?tab=raw`, `/m/${message}?tab=timeline`, `/m/${message}?tab=answer`, '/queue', '/playground', '/faults', '/?q=nothing-like-this']) {
      const page = await open(bridge, { path, colorScheme, bypassCSP: true });
      await page.locator('main h1').first().waitFor();
      if (path.includes('/m/') && !path.includes('tab')) await page.locator('.field[data-location="PID-5"]').hover();
      await page.evaluate(axe);
      const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
      const serious = found.violations.filter((violation) => ['serious', 'critical'].includes(violation.impact));
      const told = serious.map((violation) => `${path}: ${violation.id}: ${violation.nodes.map((node) => `${node.target} ${node.failureSummary}`).slice(0, 4).join(' | ')}`);
      assert.deepEqual(told, []);
      await page.context().close();
    }
  });
}
