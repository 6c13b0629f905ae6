import { Template } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { describe, expect, test } from 'vitest';

import { ParameterError } from '../lib/parameters.ts';
import { app } from './synthesize.ts';

function problems(context: Record<string, string>): readonly string[] {
  try {
    app(context);
  } catch (error) {
    if (error instanceof ParameterError) return error.problems;
    throw error;
  }
  return [];
}

describe('context', () => {
  test.each([
    ['cidr', '10.10.0.0'],
    ['cidr', '10.10.0.0/8'],
    ['cidr', '10.10.0.0/28'],
    ['cidr', '10.300.0.0/16'],
    ['cidr', '10.10.1.0/16'],
    ['server-port', '0'],
    ['server-port', '65536'],
    ['server-port', '25.75'],
    ['hl7-port', 'mllp'],
    ['hl7-server-name', 'hl7 example'],
    ['vpc-id', 'default'],
    ['resource-router-lambda-role', 'router'],
    ['resource-router-lambda-role', 'arn:aws:iam::123456789012:user/router'],
    ['stage', 'dev/prod'],
    ['hl7-tls', 'none'],
    ['hl7-processing-id', 'X'],
    ['alarm-email', 'somebody'],
    ['cpu-architecture', 'riscv'],
    ['tls-secret-key-arn', 'alias/key'],
    ['nat-gateways', '3'],
    ['hook-settings', '{"message.version"'],
    ['hook-settings', '["message.version"]'],
    ['sender-settings', '{"MESSAGE__VERSION": "2.3"}'],
    ['hook-certificate-arn', 'arn:aws:iam::123456789012:server-certificate/x'],
  ])('%s=%s is refused by name', (name, value) => {
    const found = problems({ [name]: value });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${name}: `));
  });

  test('all problems are told at once', () => {
    expect(problems({ cidr: 'x', 'server-port': '-1', 'hl7-tls': 'ssl' })).toHaveLength(3);
  });

  test.each([
    [{ 'sender-max-tasks': '4' }, 'sender-max-tasks'],
    [{ 'hl7-max-connections': '4', 'sender-min-tasks': '3', 'sender-max-tasks': '2' }, 'sender-min-tasks'],
    [{ 'hook-min-tasks': '9' }, 'hook-min-tasks'],
    [{ 'hook-host-name': 'hook.example' }, 'hook-certificate-arn'],
    [{ 'test-server-output-bucket-name': 'some-bucket' }, 'test-server-output-bucket-name'],
    [{ 'hl7-tls': 'off' }, 'hl7-tls'],
  ])('%j contradicts itself', (context, name) => {
    expect(problems(context)).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
  });

  test('settings of the services pass through, unless the stack sets them', () => {
    expect(problems({ 'hook-settings': '{"queue.url": "x"}' })).toEqual([expect.stringContaining('ADT_BRIDGE__QUEUE__URL')]);
    const made = Template.fromStack(app({ 'hook-settings': '{"message.version": "2.3"}', 'sender-settings': '{"sender.policy.max_errors": 9, "metrics.emf": true}' }).transform);
    const tasks = JSON.stringify(made.findResources('AWS::ECS::TaskDefinition'));
    expect(tasks).toContain('{"Name":"ADT_BRIDGE__MESSAGE__VERSION","Value":"2.3"}');
    expect(tasks).toContain('{"Name":"ADT_BRIDGE__SENDER__POLICY__MAX_ERRORS","Value":"9"}');
    expect(tasks).toContain('{"Name":"ADT_BRIDGE__METRICS__EMF","Value":"true"}');
  });

  test('a missing role stops synthesis', () => {
    expect(() => app({ 'resource-router-lambda-role': '' }).synth()).toThrow(/resource-router-lambda-role: missing/);
  });

  test('rules of cdk-nag that stay broken without a reason stop synthesis too', () => {
    const made = app();
    new Bucket(made.transform, 'Open');
    expect(() => made.synth()).toThrow(/AwsSolutions-S1\b[^]*HIPAA.Security-S3BucketVersioningEnabled|HIPAA.Security-S3BucketVersioningEnabled[^]*AwsSolutions-S1\b/);
  });

  test('a named endpoint or VPC is not made again', () => {
    const named = app({ 'hl7-server-name': '10.1.2.3' });
    expect([named.network?.stackName, named.testServer]).toEqual(['ecs-vpc', undefined]);
  });
});
