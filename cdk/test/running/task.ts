/** A container of a synthesized task definition as a process of this machine. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

import { required } from './emulator.ts';

/** Where the binaries are. */
const BINARIES = required('BRIDGE_BINARIES');

export interface Substitutes {
  /** Loopback address that stands for the task's own: ports stay those of the template. */
  readonly address: string;
  /** Stands for the volume that is mounted at `/tls`. */
  readonly tlsFolder: string;
  /** Resources that the emulator made, and what another stack exports. */
  readonly names: ReadonlyMap<string, string>;
}

export class Container {
  readonly log: string[] = [];
  private process?: ChildProcess;
  private readonly environment: Record<string, string>;
  private readonly binary: string;

  constructor(private readonly definition: any, substitutes: Substitutes) {
    this.binary = join(BINARIES, definition.Name);
    const set: [string, string][] = definition.Environment.map(({ Name, Value }: any) => {
      const value = resolve(Value, substitutes.names).replace(/^(0\.0\.0\.0|127\.0\.0\.1):/, `${substitutes.address}:`);
      return [Name, value.replace(/^\/tls(?=\/|$)/, substitutes.tlsFolder)];
    });
    // What ECS and the task role give on AWS.
    const aws = { AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL: required('AWS_ENDPOINT_URL'), AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
    this.environment = { ...Object.fromEntries(set), ...aws };
  }

  get name(): string { return this.definition.Name; }

  get ports(): number[] { return (this.definition.PortMappings ?? []).map((one: any) => one.ContainerPort); }

  /** Starts the image's entry point and waits for the health command of the template. */
  async start(): Promise<void> {
    if (this.healthy()) throw new Error(`${this.name} is healthy before it was started`);
    const child = spawn(this.binary, [], { env: this.environment, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    this.process = child;
    for (const stream of [child.stdout!, child.stderr!]) {
      let rest = '';
      stream.on('data', (chunk) => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop()!;
        this.log.push(...lines);
      });
    }
    await until(() => {
      if (child.exitCode !== null) throw new Error(`${this.name} ended with ${child.exitCode}\n${this.log.join('\n')}`);
      return this.healthy() || undefined;
    }, () => `${this.name} is not healthy\n${this.log.join('\n')}`);
  }

  /** The template's command, with the path of the image replaced by that of the binary. */
  healthy(): boolean {
    const [kind, program, ...rest] = this.definition.HealthCheck.Command;
    if (kind !== 'CMD' || program !== '/service') throw new Error(`health command ${program}`);
    return spawnSync(this.binary, rest, { env: this.environment, cwd: '/' }).status === 0;
  }

  /** SIGTERM, as ECS sends it; the exit code, `null` when the time of the template was not enough. */
  async stop(): Promise<number | null> {
    const child = this.process;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((done) => child.once('exit', done));
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), this.definition.StopTimeout * 1000);
    const code = await ended;
    clearTimeout(kill);
    return code;
  }
}

/** The value of an intrinsic function, as far as the containers' environment uses them. */
function resolve(value: any, names: ReadonlyMap<string, string>): string {
  if (typeof value === 'string') return value;
  if (value['Fn::Join'] !== undefined) {
    const [separator, parts] = value['Fn::Join'];
    return parts.map((part: any) => resolve(part, names)).join(separator);
  }
  const name = value.Ref ?? value['Fn::ImportValue'];
  const known = names.get(name);
  if (known === undefined) throw new Error(`no substitute for ${JSON.stringify(value)}`);
  return known;
}

export async function until<T>(look: () => Promise<T | undefined> | T | undefined, otherwise: () => string, seconds = 30): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(otherwise());
    await new Promise((next) => setTimeout(next, 50));
  }
}
