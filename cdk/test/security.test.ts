import { describe, expect, test } from 'vitest';

import { ROLE, roleStatements, Stacks } from './synthesize.ts';

const stacks = new Stacks();
const named = new Stacks({ 'hl7-server-name': 'hl7.example', 'nat-gateways': '1', 'hl7-tls': 'mutual' });

describe.each([['made anew', stacks], ['to a named endpoint', named]])('%s', (_, deployed) => {
  test('queues: our key, TLS only, kept when the stack goes', () => {
    const queues = deployed.all('AWS::SQS::Queue');
    expect(queues).toHaveLength(2);
    for (const [, queue] of queues) {
      expect(queue.Properties.KmsMasterKeyId).toEqual({ 'Fn::GetAtt': [expect.stringMatching(/^Key/), 'Arn'] });
      expect(queue.DeletionPolicy).toBe('Retain');
    }
    expect(denyOfPlaintext(deployed, 'AWS::SQS::QueuePolicy')).toBe(2);
  });

  test('buckets: encrypted, versioned, private, TLS only, kept when the stack goes', () => {
    const buckets = deployed.all('AWS::S3::Bucket');
    for (const [where, { Properties: bucket, DeletionPolicy }] of buckets) {
      const algorithm = bucket.BucketEncryption.ServerSideEncryptionConfiguration[0].ServerSideEncryptionByDefault.SSEAlgorithm;
      expect(algorithm, where).toBe(where.includes('AccessLogs') ? 'AES256' : 'aws:kms');
      expect(bucket.VersioningConfiguration.Status, where).toBe('Enabled');
      expect(Object.values(bucket.PublicAccessBlockConfiguration), where).toEqual([true, true, true, true]);
      expect(DeletionPolicy, where).toBe('Retain');
    }
    expect(denyOfPlaintext(deployed, 'AWS::S3::BucketPolicy')).toBe(buckets.length);
  });

  test('logs are encrypted and kept for a year', () => {
    for (const [where, { Properties: group }] of deployed.all('AWS::Logs::LogGroup')) {
      expect(group.RetentionInDays, where).toBe(365);
      expect(group.KmsKeyId, where).toBeDefined();
    }
  });

  test('keys rotate', () => {
    for (const [where, { Properties: key }] of deployed.all('AWS::KMS::Key')) expect(key.EnableKeyRotation, where).toBe(true);
  });

  test('nothing comes in from the internet', () => {
    for (const [where, { Properties: balancer }] of deployed.all('AWS::ElasticLoadBalancingV2::LoadBalancer')) {
      expect(balancer.Scheme, where).toBe('internal');
    }
    for (const [where, { Properties: service }] of deployed.all('AWS::ECS::Service')) {
      expect(service.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp, where).toBe('DISABLED');
    }
    const rules = [
      ...deployed.all('AWS::EC2::SecurityGroup').flatMap(([, { Properties }]) => Properties.SecurityGroupIngress ?? []),
      ...deployed.all('AWS::EC2::SecurityGroupIngress').map(([, { Properties }]) => Properties),
    ];
    expect(rules.length).toBeGreaterThan(2);
    for (const rule of rules) {
      expect(rule.CidrIp ?? '10.10.0.0/16').toBe('10.10.0.0/16');
      expect(rule).not.toHaveProperty('CidrIpv6');
      expect(rule.FromPort, 'one port, not a range').toBe(rule.ToPort);
    }
  });

  test('rights name their actions and their resources', () => {
    for (const { where, actions, resources } of roleStatements(deployed)) {
      for (const action of actions) expect(action, where).not.toContain('*');
      // The one action that takes no resource.
      if (actions.every((action) => action === 'ecr:GetAuthorizationToken')) continue;
      for (const resource of resources) expect(resource, `${where}: ${actions}`).not.toBe('*');
    }
  });

  test('tasks: read-only, not root, no secret in the environment, thirty seconds to end', () => {
    for (const [where, { Properties: task }] of deployed.all('AWS::ECS::TaskDefinition')) {
      expect(task.RuntimePlatform, where).toEqual({ CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' });
      expect(task.NetworkMode).toBe('awsvpc');
      for (const container of task.ContainerDefinitions) {
        expect(container, where).toMatchObject({ ReadonlyRootFilesystem: true, User: '65532:65532', StopTimeout: 30 });
        expect(container.HealthCheck.Command.slice(0, 3)).toEqual(['CMD', '/service', 'health']);
        expect(container).not.toHaveProperty('Privileged');
        for (const { Name } of container.Environment) expect(Name, where).toMatch(/^ADT_BRIDGE__[A-Z_]+$/);
      }
    }
  });

  test('certificates come as files that only their writer may change', () => {
    const withTls = deployed.all('AWS::ECS::TaskDefinition').filter(([, { Properties: task }]) => task.Volumes !== undefined);
    expect(withTls).toHaveLength(deployed === stacks ? 2 : 1);
    for (const [where, { Properties: task }] of withTls) {
      const [service, files] = task.ContainerDefinitions;
      expect(service.MountPoints, where).toEqual([{ ContainerPath: '/tls', ReadOnly: true, SourceVolume: 'tls' }]);
      expect(service.DependsOn, where).toEqual([{ Condition: 'HEALTHY', ContainerName: 'secret-files' }]);
      expect(files.MountPoints, where).toEqual([{ ContainerPath: '/tls', ReadOnly: false, SourceVolume: 'tls' }]);
    }
    const reads = roleStatements(deployed).filter(({ actions }) => actions.includes('secretsmanager:GetSecretValue'));
    expect(reads).toHaveLength(withTls.length);
    for (const { resources } of reads) expect(JSON.stringify(resources)).toMatch(/:secret:adt-bridge\/dev\/[a-z0-9-]+-\?{6}/);
  });
});

test('the API is open to one role, signed, and to nobody else', () => {
  const [api] = stacks.of('AWS::ApiGateway::RestApi');
  expect(api.Policy.Statement).toEqual([
    { Action: 'execute-api:Invoke', Effect: 'Allow', Principal: { AWS: ROLE }, Resource: 'execute-api:/*/*/*' },
    {
      Action: 'execute-api:Invoke', Effect: 'Deny', Principal: { AWS: '*' }, Resource: 'execute-api:/*/*/*',
      Condition: { ArnNotEquals: { 'aws:PrincipalArn': ROLE } },
    },
  ]);
  for (const method of stacks.of('AWS::ApiGateway::Method')) expect(method.AuthorizationType).toBe('AWS_IAM');
});

test('no log of the API can hold a body or the id of a patient', () => {
  const [stage] = stacks.of('AWS::ApiGateway::Stage');
  expect(stage.AccessLogSetting.Format).not.toMatch(/\$context\.(path|requestOverride|authorizer|error\.message)|input/i);
  expect(stage.MethodSettings).toEqual([expect.objectContaining({ DataTraceEnabled: false, LoggingLevel: 'ERROR' })]);
  expect(stage.TracingEnabled ?? false).toBe(false);
});

test('without a NAT gateway there is no way out to the internet either', () => {
  expect(() => stacks.all('AWS::EC2::InternetGateway')).toThrow();
  expect(stacks.all('AWS::EC2::VPCEndpoint')).toHaveLength(6);
  expect(named.all('AWS::EC2::NatGateway')).toHaveLength(1);
});

/** How many policies of `type` there are; each must refuse what does not come by TLS. */
function denyOfPlaintext(deployed: Stacks, type: string): number {
  const policies = deployed.all(type);
  for (const [where, { Properties }] of policies) {
    const deny = Properties.PolicyDocument.Statement.find((statement: any) => statement.Condition?.Bool?.['aws:SecureTransport'] === 'false');
    expect(deny, where).toMatchObject({ Effect: 'Deny', Principal: { AWS: '*' } });
    expect([deny.Action].flat()[0], where).toMatch(/^(sqs|s3):\*$/);
  }
  return policies.length;
}
