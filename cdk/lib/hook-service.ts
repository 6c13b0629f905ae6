import { Duration } from 'aws-cdk-lib';
import { Peer, Port, SecurityGroup, type IVpc } from 'aws-cdk-lib/aws-ec2';
import { FargateService, type ICluster } from 'aws-cdk-lib/aws-ecs';
import {
  ApplicationLoadBalancer, ApplicationProtocol, DesyncMitigationMode, ListenerCertificate, SslPolicy,
  type ApplicationTargetGroup,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import { BridgeTask } from './bridge-task.ts';
import { STAGE_NAME } from './hook-api.ts';
import { logGroup } from './log-group.ts';
import { acknowledgeObjects } from './message-bucket.ts';
import type { Parameters } from './parameters.ts';
import type { Queues } from './queues.ts';
import { taskSubnets } from './subnets.ts';

export interface HookServiceProps {
  readonly vpc: IVpc;
  readonly cluster: ICluster;
  readonly key: IKey;
  readonly queues: Queues;
  readonly store: StoreProps;
}

/** Where messages are read from and notes are kept. */
export interface StoreProps {
  readonly bucket: IBucket;
  /** Its key, where it is not one of AWS. */
  readonly keyArn?: string;
  /** See `acknowledgeObjects`. */
  readonly imported?: string;
}

/** The hook on Fargate, behind a load balancer that only the API's VPC link reaches. */
export class HookService extends Construct {
  readonly service: FargateService;
  readonly balancer: ApplicationLoadBalancer;
  readonly target: ApplicationTargetGroup;
  /** Scheme and host of the load balancer. */
  readonly origin: string;
  /** For the ends of the VPC link. */
  readonly callers: SecurityGroup;
  readonly logs: LogGroup;

  constructor(scope: Construct, id: string, parameters: Parameters, props: HookServiceProps) {
    super(scope, id);
    const { vpc, cluster, queues, store: { bucket, keyArn, imported } } = props;
    this.logs = logGroup(this, 'Logs', props.key);
    const task = new BridgeTask(this, 'Task', parameters, {
      service: 'transform',
      cpu: 512,
      memoryLimitMiB: 1024,
      port: PORT,
      logGroup: this.logs,
      settings: parameters.hookSettings,
      environment: {
        ADT_BRIDGE__HOOK__LISTEN: `0.0.0.0:${PORT}`,
        // API Gateway asks who calls, and nobody else reaches the port.
        ADT_BRIDGE__HOOK__ALLOW_REMOTE: 'true',
        // Private integrations forward the stage; the hook answers with and without it.
        ADT_BRIDGE__HOOK__BASE_PATH: `/${STAGE_NAME}`,
        ADT_BRIDGE__MESSAGE__PROCESSING_ID: parameters.hl7ProcessingId,
        ...queues.environment,
        ADT_BRIDGE__STORE__KIND: 's3',
        ADT_BRIDGE__STORE__BUCKET: bucket.bucketName,
      },
    });
    queues.allowSend(task);
    task.allow(['s3:ListBucket'], [bucket.bucketArn]);
    task.allow(['s3:GetObject', 's3:PutObject'], [bucket.arnForObjects('*')]);
    // Jobs that are done, such as a resource that was read back.
    task.allow(['s3:DeleteObject'], [bucket.arnForObjects('jobs/*')]);
    if (keyArn !== undefined) task.allow(['kms:Decrypt', 'kms:GenerateDataKey'], [keyArn]);
    acknowledgeObjects(task.definition, bucket, ['*', 'jobs/*'], imported);

    this.callers = new SecurityGroup(this, 'LinkGroup', { vpc, description: 'VPC link of the API', allowAllOutbound: false });
    const front = new SecurityGroup(this, 'BalancerGroup', { vpc, description: 'Hook, load balancer', allowAllOutbound: false });
    const inside = new SecurityGroup(this, 'HookGroup', { vpc, description: 'Hook', allowAllOutbound: false });
    const certificate = parameters.hookCertificateArn;
    const port = Port.tcp(certificate === undefined ? 80 : 443);
    this.callers.addEgressRule(front, port, 'To the load balancer');
    front.addIngressRule(this.callers, port, 'From the VPC link');
    front.addEgressRule(inside, Port.tcp(PORT), 'To the hook');
    inside.addIngressRule(front, Port.tcp(PORT), 'From the load balancer');
    inside.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'AWS services, through endpoints where there are any');

    this.service = new FargateService(this, 'Service', {
      cluster,
      taskDefinition: task.definition,
      desiredCount: parameters.hookMinTasks,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { rollback: true },
      vpcSubnets: taskSubnets(vpc),
      securityGroups: [inside],
      healthCheckGracePeriod: Duration.seconds(60),
    });
    this.balancer = new ApplicationLoadBalancer(this, 'LoadBalancer', {
      vpc,
      vpcSubnets: taskSubnets(vpc),
      internetFacing: false,
      securityGroup: front,
      deletionProtection: true,
      dropInvalidHeaderFields: true,
      desyncMitigationMode: DesyncMitigationMode.STRICTEST,
      // Below the hook's 75 s, so that the hook is never the one that closes.
      idleTimeout: Duration.seconds(60),
    });
    this.origin = certificate === undefined ? `http://${this.balancer.loadBalancerDnsName}` : `https://${parameters.hookHostName}`;
    const listener = this.balancer.addListener('Listener', {
      open: false,
      ...(certificate === undefined
        ? { port: 80, protocol: ApplicationProtocol.HTTP }
        : { port: 443, protocol: ApplicationProtocol.HTTPS, sslPolicy: SslPolicy.TLS13_RES, certificates: [ListenerCertificate.fromArn(certificate)] }),
    });
    this.target = listener.addTargets('Hook', {
      port: PORT,
      protocol: ApplicationProtocol.HTTP,
      targets: [this.service],
      // ECS waits for it before SIGTERM; the longest answer takes 20 s.
      deregistrationDelay: Duration.seconds(20),
      healthCheck: { path: '/livez', interval: Duration.seconds(10), timeout: Duration.seconds(3), healthyThresholdCount: 2 },
    });
    const scaling = this.service.autoScaleTaskCount({ minCapacity: parameters.hookMinTasks, maxCapacity: parameters.hookMaxTasks });
    scaling.scaleOnCpuUtilization('Cpu', { targetUtilizationPercent: 60, scaleInCooldown: Duration.minutes(5), scaleOutCooldown: Duration.minutes(1) });

    acknowledge(this.balancer, ['AwsSolutions-ELB2', 'HIPAA.Security-ELBLoggingEnabled'],
      'Its access logs hold request paths, and a path names the patient. The hook logs every request by the pattern of its path, API Gateway too.');
    if (certificate === undefined) {
      acknowledge(this.balancer, ['HIPAA.Security-ALBHttpToHttpsRedirection', 'HIPAA.Security-ELBv2ACMCertificateRequired'],
        'Without hook-certificate-arn there is no name to show a certificate for. Callers come by TLS to API Gateway; from there it is one hop inside the VPC, open to the VPC link alone.');
    }
  }
}

const PORT = 8080;
