import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { Peer, Port, SecurityGroup, type IVpc } from 'aws-cdk-lib/aws-ec2';
import { FargateService, type ICluster } from 'aws-cdk-lib/aws-ecs';
import { CfnScalingPolicy, type ScalableTarget } from 'aws-cdk-lib/aws-applicationautoscaling';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import { BridgeTask, TLS_FOLDER } from './bridge-task.ts';
import { logGroup } from './log-group.ts';
import { usesSecret, type Parameters } from './parameters.ts';
import type { Queues } from './queues.ts';
import { taskSubnets } from './subnets.ts';

export interface SenderServiceProps {
  readonly vpc: IVpc;
  readonly cluster: ICluster;
  readonly key: IKey;
  readonly queues: Queues;
  /** Host of the HL7 endpoint, and the name that its certificate carries. */
  readonly host: string;
  readonly tlsName: string;
}

/** The sender on Fargate: nothing reaches it; it reaches the queue and the HL7 endpoint. */
export class SenderService extends Construct {
  readonly service: FargateService;
  readonly logs: LogGroup;

  constructor(scope: Construct, id: string, private readonly parameters: Parameters, private readonly props: SenderServiceProps) {
    super(scope, id);
    const { vpc, cluster, queues } = props;
    const { hl7Port, senderMinTasks: least, senderMaxTasks: most, hl7MaxConnections } = parameters;
    this.logs = logGroup(this, 'Logs', props.key);
    const task = new BridgeTask(this, 'Task', parameters, {
      service: 'sender',
      cpu: 256,
      memoryLimitMiB: 512,
      logGroup: this.logs,
      settings: parameters.senderSettings,
      tlsSecret: usesSecret(parameters) ? parameters.hl7TlsSecret : undefined,
      environment: {
        ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS: `${props.host}:${hl7Port}`,
        ...this.tls(),
        // All senders together never open more connections than the endpoint accepts.
        ADT_BRIDGE__SENDER__CONNECTIONS: String(Math.floor(hl7MaxConnections / most)),
        ...queues.environment,
        ADT_BRIDGE__HEALTH__LISTEN: '127.0.0.1:8081',
      },
    });
    queues.allowDeliver(task);

    const group = new SecurityGroup(this, 'SenderGroup', { vpc, description: 'Sender', allowAllOutbound: false });
    group.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'AWS services, through endpoints where there are any');
    if (hl7Port !== 443) group.addEgressRule(Peer.anyIpv4(), Port.tcp(hl7Port), 'HL7 endpoint; its addresses may change');
    const alone = hl7MaxConnections === 1;
    this.service = new FargateService(this, 'Service', {
      cluster,
      taskDefinition: task.definition,
      desiredCount: least,
      // An endpoint with one connection refuses the new sender while the old one is there: stop first, then start.
      minHealthyPercent: alone ? 0 : 50,
      maxHealthyPercent: alone ? 100 : 200,
      circuitBreaker: { rollback: true },
      vpcSubnets: taskSubnets(vpc),
      securityGroups: [group],
    });
    this.scale(least, most);
  }

  private tls(): Record<string, string> {
    const { hl7Tls } = this.parameters;
    if (hl7Tls === 'off') return { ADT_BRIDGE__SENDER__ALLOW_PLAINTEXT: 'true' };
    const ca = { ADT_BRIDGE__SENDER__ENDPOINT__TLS__CA_FILE: `${TLS_FOLDER}/ca.pem` };
    const pair = {
      ADT_BRIDGE__SENDER__ENDPOINT__TLS__CERT_FILE: `${TLS_FOLDER}/certificate.pem`,
      ADT_BRIDGE__SENDER__ENDPOINT__TLS__KEY_FILE: `${TLS_FOLDER}/key.pem`,
    };
    return {
      ADT_BRIDGE__SENDER__ENDPOINT__TLS__ENABLED: 'true',
      ADT_BRIDGE__SENDER__ENDPOINT__TLS__SERVER_NAME: this.props.tlsName,
      ...(hl7Tls !== 'system' && ca),
      ...(hl7Tls === 'mutual' && pair),
    };
  }

  /** Messages that wait, for each sender that runs. */
  private scale(least: number, most: number): void {
    const target = this.service.autoScaleTaskCount({ minCapacity: least, maxCapacity: most });
    const { queue } = this.props.queues;
    const seconds = Duration.minutes(1);
    const waiting = queue.metricApproximateNumberOfMessagesVisible({ period: seconds, statistic: 'Average' });
    const running = runningTasks(this.service);
    // The L2 construct tracks single metrics only.
    const policy = new CfnScalingPolicy(this, 'BacklogPerTask', {
      policyName: 'BacklogPerTask',
      policyType: 'TargetTrackingScaling',
      scalingTargetId: (target.node.findChild('Target') as ScalableTarget).scalableTargetId,
      targetTrackingScalingPolicyConfiguration: {
        targetValue: this.parameters.senderBacklogPerTask,
        // A sender that leaves takes its place in the order with it: slowly down, quickly up.
        scaleInCooldown: 300,
        scaleOutCooldown: 60,
        customizedMetricSpecification: {
          metrics: [
            { id: 'waiting', returnData: false, metricStat: stat(waiting) },
            { id: 'running', returnData: false, metricStat: stat(running) },
            { id: 'backlog', returnData: true, expression: 'waiting / FILL(running, 1)', label: 'Messages per sender' },
          ],
        },
      },
    });
    policy.node.addDependency(target);
  }
}

/** From Container Insights. */
export function runningTasks(service: FargateService): Metric {
  return new Metric({
    namespace: 'ECS/ContainerInsights',
    metricName: 'RunningTaskCount',
    dimensionsMap: { ClusterName: service.cluster.clusterName, ServiceName: service.serviceName },
    period: Duration.minutes(1),
    statistic: 'Average',
  });
}

function stat(metric: Metric): CfnScalingPolicy.TargetTrackingMetricStatProperty {
  const dimensions = Object.entries(metric.dimensions ?? {}).map(([name, value]) => ({ name, value: String(value) }));
  return { stat: metric.statistic, metric: { namespace: metric.namespace, metricName: metric.metricName, dimensions } };
}
