import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import {
  FlowLogDestination, FlowLogTrafficType, GatewayVpcEndpointAwsService, InterfaceVpcEndpointAwsService, IpAddresses,
  Peer, Port, SecurityGroup, SubnetType, Vpc, type IVpc,
} from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import { encryptionKey } from './encryption-key.ts';
import { logGroup } from './log-group.ts';
import type { Parameters } from './parameters.ts';

/**
 * Two zones without a way in from the internet, and without a way out unless `nat-gateways` asks for one: AWS services
 * are reached through endpoints, the hospital through a VPN or a transit gateway.
 */
export class NetworkStack extends Stack {
  readonly vpc: Vpc;

  constructor(scope: Construct, id: string, parameters: Parameters, props: StackProps) {
    super(scope, id, props);
    const { cidr, natGateways } = parameters;
    const out = natGateways > 0;
    const vpc = new Vpc(this, 'FhirTransformVpc', {
      ipAddresses: IpAddresses.cidr(cidr),
      maxAzs: 2,
      natGateways,
      restrictDefaultSecurityGroup: true,
      subnetConfiguration: [
        { name: 'services', subnetType: out ? SubnetType.PRIVATE_WITH_EGRESS : SubnetType.PRIVATE_ISOLATED },
        ...(out ? [{ name: 'nat', subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: false, cidrMask: 28 }] : []),
      ],
    });
    this.vpc = vpc;

    const key = encryptionKey(this, 'Key', 'ADT bridge: flow logs');
    vpc.addFlowLog('FlowLog', {
      destination: FlowLogDestination.toCloudWatchLogs(logGroup(this, 'FlowLogs', key)),
      trafficType: FlowLogTrafficType.ALL,
    });

    vpc.addGatewayEndpoint('S3', { service: GatewayVpcEndpointAwsService.S3 });
    const endpoints = new SecurityGroup(this, 'Endpoints', {
      vpc, description: 'Interface endpoints: HTTPS from inside the VPC', allowAllOutbound: false,
    });
    endpoints.addIngressRule(Peer.ipv4(cidr), Port.tcp(443), 'HTTPS from inside the VPC');
    for (const [name, service] of Object.entries(INTERFACES)) {
      vpc.addInterfaceEndpoint(name, { service, securityGroups: [endpoints], open: false });
    }
    acknowledge(vpc, ['HIPAA.Security-IAMNoInlinePolicy'],
      'The role of the flow log: one role, one use, in the same template.');
    if (out) {
      acknowledge(vpc, ['HIPAA.Security-VPCNoUnrestrictedRouteToIGW'],
        'nat-gateways asks for a way out; only the NAT gateways stand in these subnets.');
    }

    new CfnOutput(this, 'TransformVpc', { value: vpc.vpcId, exportName: 'TransformVpc' });
  }
}

/** The VPC of this deployment: ours, or the one that `vpc-id` names. */
export function vpcFor(scope: Stack, parameters: Parameters, network: NetworkStack | undefined): IVpc {
  return network?.vpc ?? Vpc.fromLookup(scope, 'ExistingVpc', { vpcId: parameters.vpcId });
}

/** What the tasks call; the images lie in S3, which has the gateway. An existing VPC needs the same, or a way out. */
const INTERFACES = {
  EcrApi: InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  SecretsManager: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
  Sqs: InterfaceVpcEndpointAwsService.SQS,
};
