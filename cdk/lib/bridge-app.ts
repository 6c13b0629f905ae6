import { App, Tags, Validations, type AppProps, type Environment } from 'aws-cdk-lib';
import { AwsSolutionsChecks, HIPAASecurityChecks } from 'cdk-nag';

import { NetworkStack } from './network-stack.ts';
import { readParameters } from './parameters.ts';
import { TestHl7ServerStack } from './test-hl7-server-stack.ts';
import { TransformStack } from './transform-stack.ts';

/**
 * The stacks that the context asks for, under the names that the original gave them.
 *
 * Without `vpc-id` a VPC is made, without `hl7-server-name` the test HL7 server; the transform stack is always there.
 *
 * @throws ParameterError when a context value cannot work.
 */
export class BridgeApp extends App {
  readonly network?: NetworkStack;
  readonly testServer?: TestHl7ServerStack;
  readonly transform: TransformStack;

  constructor(env: Environment, props?: AppProps) {
    super(props);
    const parameters = readParameters(this.node);
    const common = { env, terminationProtection: true };
    if (parameters.vpcId === undefined) {
      this.network = new NetworkStack(this, 'ecs-vpc', parameters, { ...common, description: 'ADT bridge: network' });
    }
    if (parameters.hl7ServerName === undefined) {
      this.testServer = new TestHl7ServerStack(this, 'test-hl7-server-stack', parameters, this.network, {
        ...common, description: 'ADT bridge: test HL7 server',
      });
    }
    this.transform = new TransformStack(this, 'fhir-to-hl7v2-transform', parameters, this.network, this.testServer, {
      ...common, description: 'ADT bridge: FHIR to HL7 v2',
    });
    Tags.of(this).add('adt-bridge:stage', parameters.stage);
    Validations.of(this).addPlugins(new AwsSolutionsChecks(this), new HIPAASecurityChecks(this));
  }
}
