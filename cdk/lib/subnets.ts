import type { IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';

/** Private subnets, those with a way out where the VPC has any; never public ones. */
export function taskSubnets(vpc: IVpc): SubnetSelection {
  return { subnets: vpc.privateSubnets.length > 0 ? vpc.privateSubnets : vpc.isolatedSubnets };
}
