// A FHIR client against the router, the router against the hook. HOOK_URL names the hook, for example
// http://127.0.0.1:8080/prod/ (base path and last slash are both optional).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startRouter } from './router.js';

const hookUrl = process.env.HOOK_URL;
let router;

before(async () => {
  assert.ok(hookUrl, 'HOOK_URL must name a running hook');
  router = await startRouter(hookUrl);
});
after(() => router?.stop());

async function call(method, path, body) {
  const response = await fetch(`${router.url}${path}`, {
    method,
    headers: body ? { 'content-type': 'application/fhir+json' } : {},
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null };
}

const patient = (members) => ({ resourceType: 'Patient', name: [{ family: 'Chalmers', given: ['Peter'] }], ...members });

test('create, read, update, delete and not found', async () => {
  const created = await call('POST', '/Patient', patient({ birthDate: '1974-12-25' }));
  assert.equal(created.status, 201);
  assert.equal(created.body.resourceType, 'Patient');
  const { id } = created.body;
  assert.match(id, /^[A-Za-z0-9.-]{1,64}$/);
  assert.equal(created.body.meta.versionId, '1');
  assert.equal(created.headers.get('etag'), 'W/"1"');
  assert.doesNotMatch(created.headers.get('last-modified'), /undefined/);

  const read = await call('GET', `/Patient/${id}`);
  assert.equal(read.status, 200);
  assert.deepEqual(read.body, created.body);

  const updated = await call('PUT', `/Patient/${id}`, patient({ id, gender: 'male' }));
  assert.equal(updated.status, 200);
  assert.equal(updated.body.gender, 'male');
  assert.equal(updated.body.meta.versionId, '2');
  assert.equal((await call('GET', `/Patient/${id}`)).body.gender, 'male');

  const deleted = await call('DELETE', `/Patient/${id}`);
  assert.equal(deleted.status, 200);
  assert.match(JSON.stringify(deleted.body), /Successfully deleted 1 resource/);

  const gone = await call('GET', `/Patient/${id}`);
  assert.equal(gone.status, 404);
  assert.equal(gone.body.resourceType, 'OperationOutcome');
  assert.equal(gone.body.issue[0].code, 'not-found');
  assert.match(gone.body.issue[0].diagnostics, new RegExp(id));
  assert.equal((await call('DELETE', `/Patient/${id}`)).status, 404);
});

test('an unknown patient is 404 and not 500', async () => {
  const answer = await call('GET', '/Patient/nobody-here');
  assert.equal(answer.status, 404);
  assert.equal(answer.body.issue[0].code, 'not-found');
});

test('an update of an unknown patient creates it', async () => {
  const id = `interop-${Date.now()}`;
  assert.equal((await call('PUT', `/Patient/${id}`, patient({ id }))).status, 200);
  const read = await call('GET', `/Patient/${id}`);
  assert.equal(read.status, 200);
  assert.equal(read.body.name[0].family, 'Chalmers');
});

test('text comes back as it went in', async () => {
  const name = [{ family: "O'Brien|X^~\\&Y", given: ['Bénédicte', '😀'] }];
  const created = await call('POST', '/Patient', patient({ name }));
  assert.equal(created.status, 201);
  assert.deepEqual((await call('GET', `/Patient/${created.body.id}`)).body.name, name);
});

test('a profile in meta leaves no undefined in the headers', async () => {
  const meta = { profile: ['http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient'] };
  const created = await call('POST', '/Patient', patient({ meta }));
  assert.equal(created.status, 201);
  for (const name of ['etag', 'last-modified']) {
    assert.doesNotMatch(created.headers.get(name) ?? '', /undefined/);
  }
});

test('lists where the router lets them stand for one object are taken', async () => {
  const contact = [{ name: [{ family: 'du Marché' }], address: [{ city: 'PleasantVille' }] }];
  const created = await call('POST', '/Patient', patient({ contact }));
  assert.equal(created.status, 201);
  assert.equal(created.body.contact[0].name.family, 'du Marché');
});
