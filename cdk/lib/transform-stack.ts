import { Annotations, CfnOutput, Fn, Stack, type StackProps } from 'aws-cdk-lib';
import { Cluster, ContainerInsights } from 'aws-cdk-lib/aws-ecs';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';

import { Alarms, type AlarmsProps } from './alarms.ts';
import { Dashboard } from './dashboard.ts';
import { encryptionKey } from './encryption-key.ts';
import { HookApi } from './hook-api.ts';
import { HookService, type StoreProps } from './hook-service.ts';
import { LogMetrics } from './log-metrics.ts';
import { messageBucket } from './message-bucket.ts';
import { vpcFor, type NetworkStack } from './network-stack.ts';
import { usesSecret, type Parameters } from './parameters.ts';
import { Queues } from './queues.ts';
import { SenderService } from './sender-service.ts';
import type { TestHl7ServerStack } from './test-hl7-server-stack.ts';

/** The bridge itself: API, hook, queues, sender, and what watches them. */
export class TransformStack extends Stack {
  constructor(scope: Construct, id: string, parameters: Parameters, network: NetworkStack | undefined, testServer: TestHl7ServerStack | undefined, props: StackProps) {
    super(scope, id, props);
    const vpc = vpcFor(this, parameters, network);
    if (parameters.resourceRouterLambdaRole === undefined) {
      // Of this stack alone: the others are deployed before FHIR Works on AWS has to exist.
      Annotations.of(this).addError(
        'resource-router-lambda-role: missing; the ARN of the role that may call the API, output FhirServiceLambdaRoleArn of FHIR Works on AWS',
      );
    }
    const key = encryptionKey(this, 'Key', 'ADT bridge: queues, logs and alarms');
    const store = this.store(parameters, testServer);
    const cluster = new Cluster(this, 'FhirToHl7v2Cluster', { vpc, containerInsightsV2: ContainerInsights.ENABLED });
    const queues = new Queues(this, 'Queues', key);
    const hook = new HookService(this, 'Hook', parameters, { vpc, cluster, key, queues, store });
    const api = new HookApi(this, 'HookApi', parameters, vpc, key, hook);
    const host = testServer?.fqdn ?? parameters.hl7ServerName ?? '';
    const tlsName = parameters.hl7TlsServerName ?? (testServer === undefined ? host : TEST_SERVER_NAME);
    const sender = new SenderService(this, 'Sender', parameters, { vpc, cluster, key, queues, host, tlsName });

    const logMetrics = new LogMetrics(this, 'LogMetrics', { sender: sender.logs, namespace: `AdtBridge/${this.stackName}` });
    const watched: AlarmsProps = {
      key, queues, hook, api, sender, logMetrics, email: parameters.alarmEmail, secret: usesSecret(parameters), testServerUnhealthy: testServer?.unhealthy,
    };
    new Dashboard(this, 'Dashboard', new Alarms(this, 'Alarms', watched), watched);

    // Where FHIR Works on AWS looks for its integration.
    const contract = `/fhir-service/integration-transform/${parameters.stage}`;
    new StringParameter(this, 'UrlParameter', { parameterName: `${contract}/url`, stringValue: api.api.url });
    new StringParameter(this, 'RegionParameter', { parameterName: `${contract}/awsRegion`, stringValue: this.region });

    new CfnOutput(this, 'TransformApiRootUrl', { value: api.api.url, exportName: 'TransformApiRootUrl' });
    new CfnOutput(this, 'TransformApiRegion', { value: this.region, exportName: 'TransformApiRegion' });
    new CfnOutput(this, 'TransformApiAccountId', { value: this.account, exportName: 'TransformApiAccountId' });
    new CfnOutput(this, 'QueueUrl', { value: queues.queue.queueUrl });
    new CfnOutput(this, 'DeadLetterQueueUrl', { value: queues.deadLetters.queueUrl });
  }

  /** Where reads come from: the endpoint's bucket, or one of our own that knows what the hook accepted. */
  private store(parameters: Parameters, testServer: TestHl7ServerStack | undefined): StoreProps {
    const named = (name: string) => Bucket.fromBucketName(this, 'FhirToHl7v2OutputBucket', name);
    if (testServer !== undefined) {
      this.addStackDependency(testServer);
      const imported = 'TestHl7ServerBucket';
      return { bucket: named(Fn.importValue(imported)), imported, keyArn: Fn.importValue('TestHl7ServerKey') };
    }
    const imported = parameters.outputBucketName;
    if (imported !== undefined) return { bucket: named(imported), imported, keyArn: parameters.outputBucketKeyArn };
    const key = encryptionKey(this, 'StoreKey', 'ADT bridge: messages accepted by the hook');
    return { bucket: messageBucket(this, 'Accepted', key), keyArn: key.keyArn };
  }
}

/** The name in the certificate of the bundled server: the load balancer's own is not known before it exists. */
export const TEST_SERVER_NAME = 'test-hl7-server.internal';
