/** What the tasks of all three services have in common. */
import { fileURLToPath } from 'node:url';

import { ArnFormat, Duration, Stack } from 'aws-cdk-lib';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import {
  ContainerDependencyCondition, ContainerImage, CpuArchitecture, FargateTaskDefinition, LogDrivers, OperatingSystemFamily,
  type ContainerDefinition,
} from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import { ParameterError, type Parameters } from './parameters.ts';

export interface BridgeTaskProps {
  /** Stage of the Dockerfile, and the container's name. */
  readonly service: 'transform' | 'sender' | 'test-hl7-server';
  readonly cpu: 256 | 512 | 1024;
  readonly memoryLimitMiB: number;
  /** Settings as `ADT_BRIDGE__SECTION__KEY`; see `docs/reference/configuration.md`. */
  readonly environment: Record<string, string>;
  /** What the operator adds; never what the stack sets itself. */
  readonly settings?: Record<string, string>;
  readonly port?: number;
  readonly logGroup: ILogGroup;
  /** Name of the secret whose parts the service reads as files in `/tls`. */
  readonly tlsSecret?: string;
}

export class BridgeTask extends Construct {
  readonly definition: FargateTaskDefinition;
  readonly container: ContainerDefinition;

  constructor(scope: Construct, id: string, private readonly parameters: Parameters, props: BridgeTaskProps) {
    super(scope, id);
    const arm = parameters.cpuArchitecture === 'arm64';
    this.definition = new FargateTaskDefinition(this, 'Definition', {
      cpu: props.cpu,
      memoryLimitMiB: props.memoryLimitMiB,
      runtimePlatform: {
        cpuArchitecture: arm ? CpuArchitecture.ARM64 : CpuArchitecture.X86_64,
        operatingSystemFamily: OperatingSystemFamily.LINUX,
      },
    });
    const twice = Object.keys(props.settings ?? {}).filter((key) => key in props.environment);
    if (twice.length > 0) throw new ParameterError([`${props.service}: the stack sets ${twice.join(', ')} itself`]);
    this.container = this.add(props.service, props.logGroup, { ...props.environment, ...props.settings }, ['health']);
    if (props.port !== undefined) this.container.addPortMappings({ containerPort: props.port });
    if (props.tlsSecret !== undefined) this.addTlsFiles(props.tlsSecret, props.logGroup);

    acknowledge(this.definition, ['AwsSolutions-ECS2'],
      'The environment holds addresses and limits, no secret: certificates and keys come from Secrets Manager as files.');
    acknowledge(this.definition, ['AwsSolutions-IAM5[Resource::*]'],
      'ecr:GetAuthorizationToken of the execution role takes no resource; everything else of it is named.');
    acknowledge(this.definition, ['HIPAA.Security-IAMNoInlinePolicy'],
      'One role, one use: what a task may do stands in the same template as the task and goes with it.');
  }

  /** Rights of the service itself. */
  allow(actions: string[], resources: string[]): void {
    this.definition.addToTaskRolePolicy(new PolicyStatement({ actions, resources }));
  }

  private add(service: string, logGroup: ILogGroup, environment: Record<string, string>, health: string[]): ContainerDefinition {
    const arm = this.parameters.cpuArchitecture === 'arm64';
    return this.definition.addContainer(service, {
      containerName: service,
      image: ContainerImage.fromAsset(REPOSITORY, {
        file: 'Dockerfile', target: service, platform: arm ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
      }),
      environment: { ...environment, ADT_BRIDGE__LOG__FORMAT: 'json' },
      logging: LogDrivers.awsLogs({ logGroup, streamPrefix: service }),
      readonlyRootFilesystem: true,
      user: '65532:65532',
      // The services need 25 s at most from SIGTERM to their end, unless their settings ask for more (sender.drain).
      stopTimeout: Duration.seconds(30),
      // Alive, not ready: a task that is replaced because SQS or S3 is away does not bring them back.
      healthCheck: {
        command: ['CMD', '/service', ...health],
        interval: Duration.seconds(15),
        timeout: Duration.seconds(5),
        retries: 3,
        startPeriod: Duration.seconds(30),
      },
    });
  }

  /** ECS gives secrets as environment variables, once. This container writes them to files and keeps them fresh. */
  private addTlsFiles(secret: string, logGroup: ILogGroup): void {
    const files = this.add('secret-files', logGroup, {
      ADT_BRIDGE__SECRET__ID: secret,
      ADT_BRIDGE__SECRET__DIRECTORY: TLS_FOLDER,
      ADT_BRIDGE__HEALTH__LISTEN: '127.0.0.1:8082',
    }, ['health', '--ready']);
    this.definition.addVolume({ name: 'tls' });
    files.addMountPoints({ sourceVolume: 'tls', containerPath: TLS_FOLDER, readOnly: false });
    this.container.addMountPoints({ sourceVolume: 'tls', containerPath: TLS_FOLDER, readOnly: true });
    this.container.addContainerDependencies({ container: files, condition: ContainerDependencyCondition.HEALTHY });

    // Secrets Manager adds six characters to the name that the operator gave; the question marks are those.
    const arn = Stack.of(this).formatArn({ service: 'secretsmanager', resource: 'secret', resourceName: `${secret}-??????`, arnFormat: ArnFormat.COLON_RESOURCE_NAME });
    this.allow(['secretsmanager:GetSecretValue'], [arn]);
    if (this.parameters.tlsSecretKeyArn !== undefined) this.allow(['kms:Decrypt'], [this.parameters.tlsSecretKeyArn]);
  }
}

/** Where the service finds `ca.pem`, `certificate.pem` and `key.pem`; a volume that lives as long as the task. */
export const TLS_FOLDER = '/tls';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
