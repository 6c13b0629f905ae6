/** What an operator decides, read from the CDK context (`-c name=value` or cdk.json) and checked as a whole. */
import type { Node } from 'constructs';

/** How the sender proves and is proven; see docs/how-to/deploy.md. */
export type Hl7Tls = 'server' | 'mutual' | 'system' | 'off';

export interface Parameters {
  /** Address space of the VPC that is created when `vpcId` is absent. */
  readonly cidr: string;
  /** An existing VPC instead. */
  readonly vpcId?: string;
  readonly natGateways: number;
  /** Stage of FHIR Works on AWS; part of the SSM parameters' names. */
  readonly stage: string;
  /** Port of the bundled test server. */
  readonly serverPort: number;
  /** The one role that may call the API; its absence is an error of the transform stack alone. */
  readonly resourceRouterLambdaRole?: string;
  /** The HL7 endpoint; the bundled test server when absent. */
  readonly hl7ServerName?: string;
  readonly hl7Port: number;
  /** Where the endpoint leaves messages for reads; the stack makes a bucket of its own when absent. */
  readonly outputBucketName?: string;
  readonly outputBucketKeyArn?: string;
  readonly hl7Tls: Hl7Tls;
  readonly hl7TlsServerName?: string;
  readonly hl7TlsSecret: string;
  readonly serverTlsSecret: string;
  readonly tlsSecretKeyArn?: string;
  /** MSH-11. */
  readonly hl7ProcessingId: 'T' | 'P' | 'D';
  /** Connections that the endpoint accepts at a time, shared by all senders. */
  readonly hl7MaxConnections: number;
  readonly senderMinTasks: number;
  readonly senderMaxTasks: number;
  readonly senderBacklogPerTask: number;
  readonly hookMinTasks: number;
  readonly hookMaxTasks: number;
  readonly hookCertificateArn?: string;
  readonly hookHostName?: string;
  /** More settings of the services, as environment variables. */
  readonly hookSettings: Record<string, string>;
  readonly senderSettings: Record<string, string>;
  readonly alarmEmail?: string;
  readonly cpuArchitecture: 'arm64' | 'x86-64';
}

/** Whether the sender needs files from the secret. */
export function usesSecret({ hl7Tls }: Parameters): boolean {
  return hl7Tls === 'server' || hl7Tls === 'mutual';
}

/** Context values that cannot work; the message names each parameter. Values are repeated: none is a secret. */
export class ParameterError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`the context has ${problems.length} problem${problems.length === 1 ? '' : 's'}\n  ${problems.join('\n  ')}`);
    this.name = 'ParameterError';
  }
}

/** @throws ParameterError with all problems at once. */
export function readParameters(node: Node): Parameters {
  const read = new Reader(node);
  const stage = read.text('stage', /^[A-Za-z0-9_-]{1,32}$/, 'letters, digits, - and _') ?? 'dev';
  const serverPort = read.whole('server-port', 2575, 1, 65_535);
  const hl7ServerName = read.text('hl7-server-name', HOST, 'a host name or an IP address');
  const hookCertificateArn = read.text('hook-certificate-arn', ARN('acm', 'certificate/.+'), 'the ARN of a certificate in ACM');
  const parameters: Parameters = {
    cidr: read.cidr('cidr', '10.10.0.0/16'),
    vpcId: read.text('vpc-id', /^vpc-[0-9a-f]{8}(?:[0-9a-f]{9})?$/, 'the id of a VPC, such as vpc-0123456789abcdef0'),
    natGateways: read.whole('nat-gateways', 0, 0, 2),
    stage,
    serverPort,
    resourceRouterLambdaRole: read.text('resource-router-lambda-role', /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/, 'the ARN of an IAM role, such as arn:aws:iam::123456789012:role/name'),
    hl7ServerName,
    hl7Port: read.whole('hl7-port', hl7ServerName === undefined ? serverPort : 2575, 1, 65_535),
    outputBucketName: read.text('test-server-output-bucket-name', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of an S3 bucket'),
    outputBucketKeyArn: read.text('test-server-output-bucket-key-arn', KMS_KEY, 'the ARN of a KMS key'),
    hl7Tls: read.oneOf('hl7-tls', ['server', 'mutual', 'system', 'off'], 'server'),
    hl7TlsServerName: read.text('hl7-tls-server-name', HOST, 'a host name or an IP address'),
    hl7TlsSecret: read.text('hl7-tls-secret', SECRET, 'the name of a secret') ?? `adt-bridge/${stage}/hl7-endpoint`,
    serverTlsSecret: read.text('server-tls-secret', SECRET, 'the name of a secret') ?? `adt-bridge/${stage}/test-hl7-server`,
    tlsSecretKeyArn: read.text('tls-secret-key-arn', KMS_KEY, 'the ARN of a KMS key'),
    hl7ProcessingId: read.oneOf('hl7-processing-id', ['T', 'P', 'D'], 'T'),
    hl7MaxConnections: read.whole('hl7-max-connections', 1, 1, 64),
    senderMinTasks: read.whole('sender-min-tasks', 1, 1, 64),
    senderMaxTasks: read.whole('sender-max-tasks', 1, 1, 64),
    senderBacklogPerTask: read.whole('sender-backlog-per-task', 1000, 1, 1_000_000),
    hookMinTasks: read.whole('hook-min-tasks', 2, 1, 100),
    hookMaxTasks: read.whole('hook-max-tasks', 8, 1, 100),
    hookCertificateArn,
    hookHostName: read.text('hook-host-name', HOST, 'a host name'),
    hookSettings: read.settings('hook-settings'),
    senderSettings: read.settings('sender-settings'),
    alarmEmail: read.text('alarm-email', /^[^@\s]+@[^@\s]+\.[^@\s]+$/, 'an e-mail address'),
    cpuArchitecture: read.oneOf('cpu-architecture', ['arm64', 'x86-64'], 'arm64'),
  };
  const check = (fine: boolean, problem: string) => fine || read.problems.push(problem);
  const p = parameters;
  check(p.senderMinTasks <= p.senderMaxTasks, 'sender-min-tasks: is above sender-max-tasks');
  check(p.hookMinTasks <= p.hookMaxTasks, 'hook-min-tasks: is above hook-max-tasks');
  check(
    p.senderMaxTasks <= p.hl7MaxConnections,
    `sender-max-tasks: ${p.senderMaxTasks} senders need as many connections, hl7-max-connections is ${p.hl7MaxConnections}`,
  );
  check(
    (p.hookCertificateArn === undefined) === (p.hookHostName === undefined),
    'hook-certificate-arn: goes together with hook-host-name, a name that the certificate carries',
  );
  check(
    p.hl7ServerName !== undefined || p.outputBucketName === undefined,
    'test-server-output-bucket-name: needs hl7-server-name; the bundled test server brings its own bucket',
  );
  check(
    p.hl7ServerName !== undefined || p.hl7Tls === 'server' || p.hl7Tls === 'mutual',
    'hl7-tls: the bundled test server has a certificate of your own authority, use server or mutual',
  );
  if (read.problems.length > 0) throw new ParameterError(read.problems);
  return parameters;
}

class Reader {
  readonly problems: string[] = [];
  constructor(private readonly node: Node) {}

  text(name: string, pattern: RegExp, wanted: string): string | undefined {
    const value: unknown = this.node.tryGetContext(name);
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string' && pattern.test(value)) return value;
    this.problems.push(`${name}: ${JSON.stringify(value)} is not ${wanted}`);
    return undefined;
  }

  whole(name: string, fallback: number, least: number, most: number): number {
    const value: unknown = this.node.tryGetContext(name);
    if (value === undefined || value === null || value === '') return fallback;
    const number = typeof value === 'number' ? value : typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : NaN;
    if (Number.isInteger(number) && number >= least && number <= most) return number;
    this.problems.push(`${name}: ${JSON.stringify(value)} is not a whole number from ${least} to ${most}`);
    return fallback;
  }

  oneOf<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value: unknown = this.node.tryGetContext(name);
    if (value === undefined || value === null || value === '') return fallback;
    const chosen = choices.find((choice) => choice === value);
    if (chosen !== undefined) return chosen;
    this.problems.push(`${name}: ${JSON.stringify(value)} is not one of ${choices.join(', ')}`);
    return fallback;
  }

  /** `{"section.key": value}` as `ADT_BRIDGE__SECTION__KEY`; an object in cdk.json, its JSON text on the command line. */
  settings(name: string): Record<string, string> {
    const wanted = 'a JSON object of settings, such as {"message.version": "2.3"}';
    let value: unknown = this.node.tryGetContext(name) ?? {};
    try {
      if (typeof value === 'string') value = value === '' ? {} : JSON.parse(value);
    } catch {
      value = undefined;
    }
    const settings: Record<string, string> = {};
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.problems.push(`${name}: is not ${wanted}`);
      return settings;
    }
    for (const [key, setting] of Object.entries(value)) {
      const plain = ['string', 'number', 'boolean'].includes(typeof setting) || Array.isArray(setting);
      if (!/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/.test(key) || !plain) {
        this.problems.push(`${name}: ${JSON.stringify(key)} is not ${wanted}`);
        continue;
      }
      settings[`ADT_BRIDGE__${key.toUpperCase().replaceAll('.', '__')}`] = typeof setting === 'string' ? setting : JSON.stringify(setting);
    }
    return settings;
  }

  /** IPv4 with a prefix that a VPC may have, and room for the subnets of two zones. */
  cidr(name: string, fallback: string): string {
    const wanted = 'an IPv4 address range from /16 to /24, such as 10.10.0.0/16';
    const text = this.text(name, /^\d{1,3}(?:\.\d{1,3}){3}\/\d{1,2}$/, wanted);
    if (text === undefined) return fallback;
    const [address = '', length = ''] = text.split('/');
    const bytes = address.split('.').map(Number);
    const prefix = Number(length);
    const bits = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
    if (bytes.some((byte) => byte > 255) || prefix < 16 || prefix > 24) {
      this.problems.push(`${name}: ${JSON.stringify(text)} is not ${wanted}`);
    } else if (bits % 2 ** (32 - prefix) !== 0) {
      this.problems.push(`${name}: ${JSON.stringify(text)} has address bits beyond its prefix`);
    }
    return text;
  }
}

const HOST = /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}|[A-Za-z0-9.-]*[A-Za-z0-9])$/;
const SECRET = /^[A-Za-z0-9/_+=.@-]{1,512}$/;
const ARN = (service: string, resource: string) => new RegExp(`^arn:aws[a-z-]*:${service}:[a-z0-9-]+:\\d{12}:${resource}$`);
const KMS_KEY = ARN('kms', 'key/[A-Za-z0-9-]+');
