import { Template } from 'aws-cdk-lib/assertions';

import { BridgeApp } from '../lib/bridge-app.ts';
import flags from '../cdk.json' with { type: 'json' };

export const ROLE = 'arn:aws:iam::123456789012:role/fhir-service-router';

/** The app as the command line would make it: a Region, no account, no credentials. */
export function app(context: Record<string, string> = {}): BridgeApp {
  const all = { ...flags.context, 'resource-router-lambda-role': ROLE, ...context };
  return new BridgeApp({ region: 'us-east-1' }, { context: all, outdir: undefined, analyticsReporting: false });
}

export interface Resource {
  readonly Type: string;
  readonly Properties: any;
  readonly DeletionPolicy?: string;
}

export class Stacks {
  readonly templates: Record<string, Template>;

  constructor(context: Record<string, string> = {}) {
    const made = app(context);
    const stacks = [made.network, made.testServer, made.transform].filter((stack) => stack !== undefined);
    this.templates = Object.fromEntries(stacks.map((stack) => [stack.stackName, Template.fromStack(stack)]));
  }

  get transform(): Template { return this.templates['fhir-to-hl7v2-transform']!; }
  get testServer(): Template { return this.templates['test-hl7-server-stack']!; }
  get network(): Template { return this.templates['ecs-vpc']!; }

  /** Resources of one type in all stacks, named `stack/id`; there must be some. */
  all(type: string): [string, Resource][] {
    const found = Object.entries(this.templates).flatMap(([stack, template]) =>
      Object.entries(template.findResources(type)).map(([id, resource]): [string, Resource] => [`${stack}/${id}`, resource as Resource]));
    if (found.length === 0) throw new Error(`there is no ${type}`);
    return found;
  }

  /** Properties of all resources of one type in the transform stack. */
  of(type: string): any[] {
    return Object.values(this.transform.findResources(type)).map((resource) => resource['Properties']);
  }
}

/** Statements of identity policies: those that roles carry. */
export function roleStatements(stacks: Stacks): { where: string; actions: string[]; resources: unknown[]; effect: string }[] {
  const list = (value: unknown) => (Array.isArray(value) ? value : [value]);
  return stacks.all('AWS::IAM::Policy').flatMap(([where, policy]) =>
    policy.Properties.PolicyDocument.Statement.map((statement: any) => ({
      where, actions: list(statement.Action), resources: list(statement.Resource), effect: statement.Effect,
    })));
}
