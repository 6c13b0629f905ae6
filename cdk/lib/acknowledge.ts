/** Findings of cdk-nag that stay, each with its reason, beside the construct that causes it. */
import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** @param findings rule ids, with the finding in brackets where a rule has several. */
export function acknowledge(construct: IConstruct, findings: readonly string[], reason: string): void {
  Validations.of(construct).acknowledge(...findings.map((id) => ({ id, reason })));
}
