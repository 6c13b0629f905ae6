// The real FHIR Works on AWS router with its persistence facade, in this process.
//
// `hookUrl` is what an installation finds under the parameter TransformApiRootUrl. The facade signs every call
// (SigV4) with the credentials of the environment.
import { once } from 'node:events';
import facade from 'fhir-works-on-aws-persistence-facade';
import fhirInterface from 'fhir-works-on-aws-interface';
import routing from 'fhir-works-on-aws-routing';
import validation from 'fhir-works-on-aws-routing/lib/router/validation/jsonSchemaValidator.js';

export async function startRouter(hookUrl, region = 'us-east-1') {
  process.env.AWS_ACCESS_KEY_ID ??= 'test';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'test';
  const { stubs } = fhirInterface;
  const service = {
    typeSearch: stubs.search,
    typeHistory: stubs.history,
  };
  const config = {
    configVersion: 1,
    productInfo: { orgName: 'interop' },
    auth: { authorization: stubs.passThroughAuthz, strategy: {} },
    server: { url: 'http://127.0.0.1' },
    validators: [new validation.default('4.0.1')],
    profile: {
      fhirVersion: '4.0.1',
      systemOperations: [],
      systemSearch: stubs.search,
      systemHistory: stubs.history,
      bundle: stubs.bundle,
      resources: {
        Patient: {
          ...service,
          operations: ['create', 'read', 'update', 'delete'],
          fhirVersions: ['4.0.1'],
          persistence: new facade.ApiDataService(hookUrl, region),
        },
      },
    },
  };
  const server = routing.generateServerlessRouter(config, []).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
