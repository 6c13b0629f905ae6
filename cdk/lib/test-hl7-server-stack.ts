import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { Peer, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Cluster, ContainerInsights, FargateService } from 'aws-cdk-lib/aws-ecs';
import { NetworkLoadBalancer, Protocol } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import { BridgeTask, TLS_FOLDER } from './bridge-task.ts';
import { encryptionKey } from './encryption-key.ts';
import { logGroup } from './log-group.ts';
import { acknowledgeObjects, messageBucket } from './message-bucket.ts';
import { vpcFor, type NetworkStack } from './network-stack.ts';
import type { Parameters } from './parameters.ts';
import { taskSubnets } from './subnets.ts';

/** The bundled HL7 endpoint: MLLP over TLS behind an internal load balancer that passes TCP through, storing to S3. */
export class TestHl7ServerStack extends Stack {
  readonly fqdn: string;
  readonly unhealthy: Metric;

  constructor(scope: Construct, id: string, parameters: Parameters, network: NetworkStack | undefined, props: StackProps) {
    super(scope, id, props);
    const vpc = vpcFor(this, parameters, network);
    const key = encryptionKey(this, 'Key', 'ADT bridge: messages and logs of the test HL7 server');
    const bucket = messageBucket(this, 'Hl7TestServerOutputBucket', key);

    const task = new BridgeTask(this, 'Task', parameters, {
      service: 'test-hl7-server',
      cpu: 256,
      memoryLimitMiB: 512,
      port: CONTAINER_PORT,
      logGroup: logGroup(this, 'Logs', key),
      tlsSecret: parameters.serverTlsSecret,
      environment: {
        ADT_BRIDGE__RECEIVER__LISTEN: `0.0.0.0:${CONTAINER_PORT}`,
        ADT_BRIDGE__RECEIVER__TLS__CERT_FILE: `${TLS_FOLDER}/certificate.pem`,
        ADT_BRIDGE__RECEIVER__TLS__KEY_FILE: `${TLS_FOLDER}/key.pem`,
        ...(parameters.hl7Tls === 'mutual' && { ADT_BRIDGE__RECEIVER__TLS__CLIENT_CA_FILE: `${TLS_FOLDER}/ca.pem` }),
        ADT_BRIDGE__STORE__KIND: 's3',
        ADT_BRIDGE__STORE__BUCKET: bucket.bucketName,
        ADT_BRIDGE__HEALTH__LISTEN: '127.0.0.1:8081',
      },
    });
    task.allow(['s3:ListBucket'], [bucket.bucketArn]);
    task.allow(['s3:GetObject', 's3:PutObject'], [bucket.arnForObjects('*')]);
    task.allow(['kms:Decrypt', 'kms:GenerateDataKey'], [key.keyArn]);
    acknowledgeObjects(task.definition, bucket, ['*']);

    const inside = new SecurityGroup(this, 'ServerGroup', { vpc, description: 'Test HL7 server', allowAllOutbound: false });
    const front = new SecurityGroup(this, 'BalancerGroup', { vpc, description: 'Test HL7 server, load balancer', allowAllOutbound: false });
    const callers = Peer.ipv4(parameters.vpcId === undefined ? parameters.cidr : vpc.vpcCidrBlock);
    front.addIngressRule(callers, Port.tcp(parameters.serverPort), 'MLLP over TLS from inside the VPC');
    front.addEgressRule(inside, Port.tcp(CONTAINER_PORT), 'To the server');
    inside.addIngressRule(front, Port.tcp(CONTAINER_PORT), 'From the load balancer');
    inside.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'AWS services, through endpoints where there are any');

    const subnets = taskSubnets(vpc);
    const cluster = new Cluster(this, 'Cluster', { vpc, containerInsightsV2: ContainerInsights.ENABLED });
    const service = new FargateService(this, 'Service', {
      cluster,
      taskDefinition: task.definition,
      desiredCount: 1,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { rollback: true },
      vpcSubnets: subnets,
      securityGroups: [inside],
      healthCheckGracePeriod: Duration.seconds(60),
    });
    const balancer = new NetworkLoadBalancer(this, 'LoadBalancer', {
      vpc, vpcSubnets: subnets, internetFacing: false, crossZoneEnabled: true, deletionProtection: true, securityGroups: [front],
    });
    const target = balancer
      .addListener('Listener', { port: parameters.serverPort, protocol: Protocol.TCP })
      .addTargets('Server', {
        port: CONTAINER_PORT,
        protocol: Protocol.TCP,
        preserveClientIp: true,
        targets: [service.loadBalancerTarget({ containerName: 'test-hl7-server', containerPort: CONTAINER_PORT })],
        deregistrationDelay: Duration.seconds(30),
        healthCheck: { protocol: Protocol.TCP, interval: Duration.seconds(10) },
      });
    acknowledge(balancer, ['AwsSolutions-ELB2', 'HIPAA.Security-ELBLoggingEnabled'],
      'A network load balancer writes access logs for TLS listeners only; here TLS passes through. VPC flow logs have the connections.');
    acknowledge(balancer, ['HIPAA.Security-ELBv2ACMCertificateRequired'],
      'TLS ends in the server, which shows its own certificate: no one on the way can read messages.');

    this.fqdn = balancer.loadBalancerDnsName;
    this.unhealthy = target.metrics.unHealthyHostCount({ period: Duration.minutes(1), statistic: 'Maximum' });
    new CfnOutput(this, 'TestHl7ServerFQDN', { value: this.fqdn, exportName: 'TestHl7ServerFQDN' });
    new CfnOutput(this, 'TestHl7ServerS3', { value: bucket.bucketName, exportName: 'TestHl7ServerBucket' });
    new CfnOutput(this, 'TestHl7ServerKey', { value: key.keyArn, exportName: 'TestHl7ServerKey' });
  }
}

/** Inside the task; the listener's port is the operator's choice. */
const CONTAINER_PORT = 2575;
