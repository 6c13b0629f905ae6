import { Match, Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';

import { roleStatements, Stacks } from './synthesize.ts';

const stacks = new Stacks({ 'alarm-email': 'pager@hospital.example' });

function environment(template: Template, name: string): Record<string, unknown> {
  for (const task of Object.values(template.findResources('AWS::ECS::TaskDefinition'))) {
    const container = task['Properties'].ContainerDefinitions.find((one: any) => one.Name === name);
    if (container) return Object.fromEntries(container.Environment.map((one: any) => [one.Name, one.Value]));
  }
  throw new Error(`no container ${name}`);
}

describe('queues', () => {
  const queues = Object.entries(stacks.transform.findResources('AWS::SQS::Queue'));
  const dead = queues.find(([id]) => id.includes('DeadLetters'))!;
  const main = queues.find(([id]) => !id.includes('DeadLetters'))!;

  test('FIFO with high throughput, fourteen days, whole messages', () => {
    for (const [id, { Properties }] of queues as [string, any][]) {
      expect(Properties, id).toMatchObject({
        FifoQueue: true, FifoThroughputLimit: 'perMessageGroupId', DeduplicationScope: 'messageGroup',
        MessageRetentionPeriod: 1_209_600, MaximumMessageSize: 1_048_576, VisibilityTimeout: 120,
      });
      expect(Properties.ContentBasedDeduplication ?? false, id).toBe(false);
    }
  });

  test('redrive is for senders that die, the sender judges the rest', () => {
    expect(main[1]['Properties'].RedrivePolicy).toEqual({ deadLetterTargetArn: { 'Fn::GetAtt': [dead[0], 'Arn'] }, maxReceiveCount: 1000 });
    expect(dead[1]['Properties']).not.toHaveProperty('RedrivePolicy');
  });

  test('the lease that the services take is the lease of the queue', () => {
    expect(environment(stacks.transform, 'sender')['ADT_BRIDGE__QUEUE__VISIBILITY_SECONDS']).toBe('120');
  });

  test('the hook may send and the sender may settle, no more', () => {
    const sqs = (container: string) => roleStatements(stacks)
      .filter(({ where }) => where.includes(container))
      .flatMap(({ actions, resources }) => actions.filter((action) => action.startsWith('sqs:')).map((action) => `${action} x${resources.length}`));
    expect(sqs('transform/Hook').sort()).toEqual(['sqs:GetQueueAttributes x1', 'sqs:SendMessage x1']);
    expect(sqs('transform/Sender').sort()).toEqual([
      'sqs:ChangeMessageVisibility x2', 'sqs:DeleteMessage x2', 'sqs:GetQueueAttributes x2', 'sqs:ReceiveMessage x2', 'sqs:SendMessage x2',
    ]);
  });
});

describe('api', () => {
  test('the four calls of FHIR Works on AWS, down the VPC link, each within 29 s', () => {
    const methods = stacks.of('AWS::ApiGateway::Method');
    expect(methods.map(({ HttpMethod }) => HttpMethod).sort()).toEqual(['DELETE', 'GET', 'POST', 'PUT']);
    for (const { HttpMethod, Integration, RequestParameters, RequestModels, RequestValidatorId } of methods) {
      expect(Integration, HttpMethod).toMatchObject({ Type: 'HTTP_PROXY', ConnectionType: 'VPC_LINK', TimeoutInMillis: 29_000 });
      expect(Integration.ConnectionId['Fn::GetAtt'][1]).toBe('VpcLinkId');
      expect(stacks.transform.findResources('AWS::ElasticLoadBalancingV2::LoadBalancer')).toHaveProperty(Integration.IntegrationTarget.Ref);
      expect(JSON.stringify(Integration.Uri)).toContain('/persistence/{resource_type}');
      expect(RequestParameters).toHaveProperty(['method.request.path.resource_type'], true);
      expect(RequestValidatorId, HttpMethod).toBeDefined();
      expect(RequestModels !== undefined, HttpMethod).toBe(['POST', 'PUT'].includes(HttpMethod));
    }
  });

  test('the stage of the URL is a path that the hook answers on', () => {
    const [stage] = stacks.of('AWS::ApiGateway::Stage');
    expect(environment(stacks.transform, 'transform')).toMatchObject({
      ADT_BRIDGE__HOOK__BASE_PATH: `/${stage.StageName}`, ADT_BRIDGE__HOOK__ALLOW_REMOTE: 'true', ADT_BRIDGE__HOOK__LISTEN: '0.0.0.0:8080',
    });
  });
});

describe('contract with the original', () => {
  test('outputs', () => {
    expect(Object.keys(stacks.network.findOutputs('TransformVpc'))).toHaveLength(1);
    for (const [name, exported] of [['TestHl7ServerFQDN', 'TestHl7ServerFQDN'], ['TestHl7ServerS3', 'TestHl7ServerBucket']]) {
      expect(stacks.testServer.findOutputs(name!)[name!]!['Export']).toEqual({ Name: exported });
    }
    for (const name of ['TransformApiRootUrl', 'TransformApiRegion', 'TransformApiAccountId']) {
      expect(stacks.transform.findOutputs(name)[name]!['Export']).toEqual({ Name: name });
    }
  });

  test('the parameters that were made by hand', () => {
    const production = new Stacks({ stage: 'production' });
    const [url] = Object.values(stacks.transform.findOutputs('TransformApiRootUrl'));
    expect(production.of('AWS::SSM::Parameter').map(({ Name }) => Name).sort()).toEqual([
      '/fhir-service/integration-transform/production/awsRegion', '/fhir-service/integration-transform/production/url',
    ]);
    stacks.transform.hasResourceProperties('AWS::SSM::Parameter', { Name: '/fhir-service/integration-transform/dev/url', Value: url!['Value'] });
    stacks.transform.hasResourceProperties('AWS::SSM::Parameter', { Name: '/fhir-service/integration-transform/dev/awsRegion', Value: 'us-east-1' });
  });

  test('server-port is where the test server listens, hl7-port where the sender goes', () => {
    const bundled = new Stacks({ 'server-port': '6661' });
    bundled.testServer.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', { Port: 6661, Protocol: 'TCP' });
    expect(JSON.stringify(environment(bundled.transform, 'sender')['ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS'])).toContain(':6661');
    const named = new Stacks({ 'hl7-server-name': 'hl7.example', 'hl7-port': '7000', 'test-server-output-bucket-name': 'their-bucket' });
    expect(environment(named.transform, 'sender')['ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS']).toBe('hl7.example:7000');
    expect(environment(named.transform, 'transform')['ADT_BRIDGE__STORE__BUCKET']).toBe('their-bucket');
  });
});

describe('TLS to the endpoint', () => {
  const prefix = 'ADT_BRIDGE__SENDER__ENDPOINT__TLS__';
  test.each([
    ['server', { [`${prefix}ENABLED`]: 'true', [`${prefix}SERVER_NAME`]: 'hl7.example', [`${prefix}CA_FILE`]: '/tls/ca.pem' }],
    ['mutual', {
      [`${prefix}ENABLED`]: 'true', [`${prefix}SERVER_NAME`]: 'hl7.example', [`${prefix}CA_FILE`]: '/tls/ca.pem',
      [`${prefix}CERT_FILE`]: '/tls/certificate.pem', [`${prefix}KEY_FILE`]: '/tls/key.pem',
    }],
    ['system', { [`${prefix}ENABLED`]: 'true', [`${prefix}SERVER_NAME`]: 'hl7.example' }],
    ['off', { ADT_BRIDGE__SENDER__ALLOW_PLAINTEXT: 'true' }],
  ])('%s', (tls, expected) => {
    const made = new Stacks({ 'hl7-server-name': 'hl7.example', 'hl7-tls': tls });
    const settings = Object.entries(environment(made.transform, 'sender')).filter(([name]) => /TLS|PLAINTEXT/.test(name));
    expect(Object.fromEntries(settings)).toEqual(expected);
    const alarms = Object.keys(made.transform.findResources('AWS::CloudWatch::Alarm'));
    expect(alarms.some((id) => id.includes('Certificate')), 'an alarm only where its metric comes').toBe(['server', 'mutual'].includes(tls));
  });
});

describe('scaling', () => {
  test('an endpoint with one connection has one sender, stopped before the next one starts', () => {
    stacks.transform.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 1, MaxCapacity: 1 });
    const [sender] = senders(stacks);
    expect(sender.DeploymentConfiguration).toMatchObject({ MinimumHealthyPercent: 0, MaximumPercent: 100 });
    expect(environment(stacks.transform, 'sender')['ADT_BRIDGE__SENDER__CONNECTIONS']).toBe('1');
  });

  test('more connections are shared by the senders, who come by backlog', () => {
    const many = new Stacks({ 'hl7-max-connections': '8', 'sender-max-tasks': '4', 'sender-backlog-per-task': '500' });
    expect(environment(many.transform, 'sender')['ADT_BRIDGE__SENDER__CONNECTIONS']).toBe('2');
    many.transform.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 1, MaxCapacity: 4 });
    many.transform.hasResourceProperties('AWS::ApplicationAutoScaling::ScalingPolicy', {
      TargetTrackingScalingPolicyConfiguration: {
        TargetValue: 500,
        CustomizedMetricSpecification: {
          Metrics: Match.arrayWith([
            Match.objectLike({ Id: 'waiting', MetricStat: Match.objectLike({ Metric: Match.objectLike({ MetricName: 'ApproximateNumberOfMessagesVisible' }) }) }),
            Match.objectLike({ Id: 'backlog', Expression: 'waiting / FILL(running, 1)', ReturnData: true }),
          ]),
        },
      },
    });
    expect(senders(many)[0].DeploymentConfiguration).toMatchObject({ MinimumHealthyPercent: 50, MaximumPercent: 200 });
  });

  test('the hook stands in two zones at least', () => {
    stacks.transform.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 2, MaxCapacity: 8 });
  });
});

describe('watching', () => {
  test('alarms', () => {
    const alarms = Object.entries(stacks.transform.findResources('AWS::CloudWatch::Alarm'));
    const names = alarms.map(([id]) => id.replace(/^Alarms|[0-9A-F]{8}$/g, '')).sort();
    expect(names).toEqual([
      'ApiErrors', 'CertificateExpires', 'CertificateExpiresSoon', 'DeadLetters', 'EndpointPaused', 'HookUnhealthy', 'NotAccepted',
      'OldestMessage', 'SecretNotUsable', 'SenderDown', 'TestServerUnhealthy',
    ]);
    for (const [id, { Properties }] of alarms as [string, any][]) {
      expect(Properties.AlarmActions, id).toHaveLength(1);
      expect(Properties.AlarmDescription, id).toMatch(/\.$/);
    }
  });

  test('one dead letter is enough', () => {
    stacks.transform.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'ApproximateNumberOfMessagesVisible', Threshold: 0, EvaluationPeriods: 1, ComparisonOperator: 'GreaterThanThreshold',
    });
  });

  test('they reach somebody, by an encrypted topic', () => {
    stacks.transform.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'pager@hospital.example' });
    stacks.transform.hasResourceProperties('AWS::SNS::Topic', { KmsMasterKeyId: Match.anyValue() });
  });

  test('a dashboard shows queue, endpoint and certificates', () => {
    const [dashboard] = stacks.of('AWS::CloudWatch::Dashboard');
    const body = JSON.stringify(dashboard.DashboardBody);
    for (const metric of ['ApproximateAgeOfOldestMessage', 'NotDelivered', 'CertificateDays', 'RunningTaskCount']) expect(body).toContain(metric);
  });
});

test('x86-64 by context', () => {
  const intel = new Stacks({ 'cpu-architecture': 'x86-64' });
  for (const [where, { Properties }] of intel.all('AWS::ECS::TaskDefinition')) {
    expect(Properties.RuntimePlatform.CpuArchitecture, where).toBe('X86_64');
  }
});

test.each(['ecs-vpc', 'test-hl7-server-stack', 'fhir-to-hl7v2-transform'])('snapshot of %s', async (name) => {
  // What an image is made of changes with every line of code; the rest does not.
  const text = JSON.stringify(stacks.templates[name]!.toJSON(), null, 2).replace(/\b[0-9a-f]{64}\b/g, 'IMAGE').replace(/(HookApiDeployment\w+?)[0-9a-f]{32}/g, '$1HASH');
  await expect(text).toMatchFileSnapshot(`snapshots/${name}.json`);
});

function senders(made: Stacks): any[] {
  return Object.entries(made.transform.findResources('AWS::ECS::Service')).filter(([id]) => id.startsWith('Sender')).map(([, { Properties }]: any) => Properties);
}
