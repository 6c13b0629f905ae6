/**
 * The synthesized templates against the real binaries: the part of them that an emulator can make is made from them, and
 * each container of each task definition is started with its own environment, ports and health command.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { Stacks } from '../synthesize.ts';
import { secrets } from './certificates.ts';
import { createStack, json, object, s3 } from './emulator.ts';
import { Container, until } from './task.ts';

const API = 'https://api.example/prod/';
// A stage of its own: the emulator is shared, names are not.
const stage = `run-${Date.now().toString(36)}`;
const stacks = new Stacks({ stage, 'hl7-tls': 'mutual' });
const folder = mkdtempSync(join(tmpdir(), 'adt-bridge-'));
const started: Container[] = [];
const made: Record<string, Map<string, string>> = {};
let bucket: string;
let hook: Container, sender: Container, server: Container;

beforeAll(async () => {
  const mine = (template: Template, types: string[]) => createStack(`${stage}-${types.length}`, subset(template, types));
  made.server = await mine(stacks.testServer, ['AWS::KMS::Key', 'AWS::S3::Bucket', 'AWS::S3::BucketPolicy']);
  made.transform = await mine(stacks.transform, ['AWS::KMS::Key', 'AWS::SQS::Queue', 'AWS::SQS::QueuePolicy', 'AWS::SSM::Parameter']);
  bucket = name(made.server, /^Hl7TestServerOutputBucket(?!AccessLogs|Policy)/);

  const addresses = { server: '127.0.0.21', hook: '127.0.0.22', sender: '127.0.0.23' };
  const names = new Map([...made.server, ...made.transform, ['TestHl7ServerBucket', bucket]]);
  const dns = JSON.stringify(stacks.transform.toJSON()).match(/test-hl7-server-stack:[\w]*DNSName\w*/);
  names.set(dns![0], addresses.server);

  const { server: serverSecret, client: clientSecret } = secrets('test-hl7-server.internal');
  const tasks = {
    server: containers(stacks.testServer, 'test-hl7-server', addresses.server, names),
    hook: containers(stacks.transform, 'transform', addresses.hook, names),
    sender: containers(stacks.transform, 'sender', addresses.sender, names),
  };
  for (const [id, value] of [['test-hl7-server', serverSecret], ['hl7-endpoint', clientSecret]]) {
    await json('secretsmanager', 'secretsmanager.CreateSecret', { Name: `adt-bridge/${stage}/${id}`, SecretString: value });
  }
  for (const task of Object.values(tasks)) {
    // The order of DependsOn: the writer of the files first.
    for (const container of [...task].reverse()) {
      await container.start();
      started.push(container);
    }
  }
  [hook, sender, server] = [tasks.hook[0]!, tasks.sender[0]!, tasks.server[0]!];
}, 120_000);

afterAll(async () => {
  await Promise.all(started.map((container) => container.stop()));
  rmSync(folder, { recursive: true, force: true });
});

test('the queues are as the template says, as far as SQS tells', async () => {
  const queues = Object.entries(stacks.transform.findResources('AWS::SQS::Queue'));
  for (const [id, { Properties: wanted }] of queues as [string, any][]) {
    const QueueUrl = made.transform!.get(id)!;
    const { Attributes } = await json('sqs', 'AmazonSQS.GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] });
    expect(Attributes, id).toMatchObject({
      FifoQueue: 'true', FifoThroughputLimit: wanted.FifoThroughputLimit, DeduplicationScope: wanted.DeduplicationScope,
      MessageRetentionPeriod: String(wanted.MessageRetentionPeriod), VisibilityTimeout: String(wanted.VisibilityTimeout),
    });
    if (wanted.RedrivePolicy) expect(JSON.parse(Attributes.RedrivePolicy).maxReceiveCount).toBe(1000);
  }
});

test('FHIR Works on AWS finds the integration where it looks', async () => {
  const parameter = async (Name: string) => (await json('ssm', 'AmazonSSM.GetParameter', { Name })).Parameter.Value;
  expect(await parameter(`/fhir-service/integration-transform/${stage}/url`)).toBe(API);
  expect(await parameter(`/fhir-service/integration-transform/${stage}/awsRegion`)).toBe('us-east-1');
});

test('a Patient goes through, and is read back', async () => {
  const patient = JSON.parse(readFileSync(new URL('../../../examples/patient.json', import.meta.url), 'utf8'));
  // As FHIR Works on AWS sends it and API Gateway forwards it, the stage in front.
  const origin = `http://127.0.0.22:${hook.ports[0]}/prod/persistence/Patient`;
  const created = await fetch(origin, {
    method: 'POST', body: JSON.stringify(patient), headers: { 'content-type': 'application/json;charset=utf-8', 'user-agent': 'axios/0.20.0' },
  });
  expect(created.status).toBe(201);
  const { resource } = await created.json() as any;
  expect(resource).toMatchObject({ resourceType: 'Patient', birthDate: patient.birthDate });

  const stored = await until(() => object(bucket, `Patient/${resource.id}`), logs);
  expect(stored).toMatch(/^MSH\|\^~\\&\|/);
  expect(stored).toContain('|ADT^A28^ADT_A05|');
  expect(await s3(bucket, 'list-type=2&prefix=received/')).toMatch(/<KeyCount>1</);

  const read = await fetch(`${origin}/${resource.id}`);
  expect(read.status).toBe(200);
  expect((await read.json() as any).resource).toMatchObject({ id: resource.id, name: patient.name.map(({ given }: any) => ({ given })) });

  // And without the stage, should API Gateway leave it out.
  const changed = await fetch(`${origin}/${resource.id}`.replace('/prod/', '/'), {
    method: 'PUT', body: JSON.stringify({ ...resource, birthDate: '1975-01-31' }), headers: { 'content-type': 'application/fhir+json' },
  });
  expect(changed.status).toBe(200);
  await until(async () => (await object(bucket, `Patient/${resource.id}`))?.includes('|19750131|') || undefined, logs);

  await until(async () => {
    const QueueUrl = name(made.transform!, /^QueuesQueue/);
    const { Attributes } = await json('sqs', 'AmazonSQS.GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] });
    return (Number(Attributes.ApproximateNumberOfMessages) + Number(Attributes.ApproximateNumberOfMessagesNotVisible) === 0) || undefined;
  }, () => 'the message stays in the queue');
});

test('the metrics of the template see what the binaries log', async () => {
  const lines = await until(() => {
    const parsed = started.filter((one) => one === sender || one === started[started.indexOf(sender) - 1]).flatMap(({ log }) => log).map((line) => JSON.parse(line));
    return parsed.filter(({ message }) => message === 'message exchanged').length === 2 ? parsed : undefined;
  }, logs);
  const counted = Object.fromEntries(Object.values(stacks.transform.findResources('AWS::Logs::MetricFilter')).map(({ Properties }: any) =>
    [Properties.MetricTransformations[0].MetricName, lines.filter((line) => matches(Properties.FilterPattern, line))]));
  expect(Object.keys(counted).sort()).toEqual(['CertificateDays', 'Delivered', 'NotDelivered', 'Paused', 'SecretFailures']);
  expect(counted['Delivered']).toHaveLength(2);
  for (const none of ['NotDelivered', 'Paused', 'SecretFailures']) expect(counted[none], none).toEqual([]);
  expect(Math.min(...counted['CertificateDays']!.map(({ days_left }: any) => days_left))).toBeGreaterThanOrEqual(89);
});

test('no log line names the patient', () => {
  const all = started.flatMap(({ log }) => log).join('\n');
  expect(all).not.toMatch(/Chalmers|PleasantVille|1974-?12-?25/);
});

test('SIGTERM ends each container in its time, with everything settled', async () => {
  for (const container of [hook, sender, server, ...started]) expect(await container.stop(), `${container.name}\n${container.log.join('\n')}`).toBe(0);
});

/** The containers of the task whose first one is `service`, in the template's order. */
function containers(template: Template, service: string, address: string, names: Map<string, string>): Container[] {
  for (const { Properties } of Object.values(template.findResources('AWS::ECS::TaskDefinition')) as any[]) {
    if (Properties.ContainerDefinitions[0].Name !== service) continue;
    const tlsFolder = mkdtempSync(join(folder, 'tls-'));
    return Properties.ContainerDefinitions.map((one: any) => new Container(one, { address, tlsFolder, names }));
  }
  throw new Error(`no task ${service}`);
}

/** What an emulator can make of a template; the API, which it cannot, is a fixed text. */
function subset(template: Template, types: string[]): object {
  const resources = Object.entries(template.toJSON()['Resources']).filter(([, one]: any) => types.includes(one.Type));
  const text = JSON.stringify(Object.fromEntries(resources)).replace(/\{"Fn::Join":\["",\["https:\/\/",[^]*?\]\]\}/g, JSON.stringify(API));
  return { Resources: JSON.parse(text) };
}

function name(physical: Map<string, string>, logical: RegExp): string {
  const found = [...physical].find(([id]) => logical.test(id));
  if (found === undefined) throw new Error(`${logical} is not among ${[...physical.keys()]}`);
  return found[1];
}

/** `{ $.a = "x" && $.b != "y" }`, the part of CloudWatch's filter patterns that the template uses. */
function matches(pattern: string, line: any): boolean {
  const terms = pattern.replace(/^\{ | \}$/g, '').split(' && ');
  return terms.every((term) => {
    const parts = /^\$\.(\w+) (=|!=) "([^"]*)"$/.exec(term);
    if (parts === null) throw new Error(`filter pattern ${term}`);
    const [, field, operator, text] = parts;
    return (line[field!] === text) === (operator === '=');
  });
}

function logs(): string {
  return started.map(({ name: one, log }) => `${one}:\n${log.join('\n')}`).join('\n\n');
}
