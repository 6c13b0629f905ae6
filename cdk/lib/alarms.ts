import { Duration, Stack } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, MathExpression, TreatMissingData, type IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

import type { HookApi } from './hook-api.ts';
import type { HookService } from './hook-service.ts';
import type { LogMetrics } from './log-metrics.ts';
import type { Queues } from './queues.ts';
import { runningTasks, type SenderService } from './sender-service.ts';

export interface AlarmsProps {
  readonly key: Key;
  readonly email?: string;
  readonly queues: Queues;
  readonly hook: HookService;
  readonly api: HookApi;
  readonly sender: SenderService;
  readonly logMetrics: LogMetrics;
  /** Whether the sender's certificates come from a secret. */
  readonly secret: boolean;
  /** Unhealthy targets of the test server, where it is part of the deployment. */
  readonly testServerUnhealthy?: IMetric;
}

/** What somebody has to look at; what to do then is in docs/how-to/deploy.md, under the alarm's name. */
export class Alarms extends Construct {
  readonly topic: Topic;
  readonly all: Alarm[] = [];

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    const { key, queues, hook, api, sender, logMetrics } = props;
    this.topic = new Topic(this, 'Topic', { displayName: 'ADT bridge', masterKey: key, enforceSSL: true });
    key.addToResourcePolicy(new PolicyStatement({
      sid: 'AlarmsToTheTopic',
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
      resources: ['*'],
      conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
    }));
    if (props.email !== undefined) this.topic.addSubscription(new EmailSubscription(props.email));

    const minute = Duration.minutes(1);
    this.above('OldestMessage', 600, queues.queue.metricApproximateAgeOfOldestMessage({ period: minute, statistic: 'Maximum' }), 5,
      'The oldest message has waited for more than ten minutes.');
    this.above('DeadLetters', 0, queues.deadLetters.metricApproximateNumberOfMessagesVisible({ period: minute, statistic: 'Maximum' }), 1,
      'A message was given up; later messages of its patient may have gone on.');
    this.above('NotAccepted', 20, new MathExpression({
      // Five exchanges at least: one refusal at night is not a ratio.
      expression: 'IF(delivered + refused >= 5, 100 * refused / (delivered + refused), 0)',
      usingMetrics: { delivered: logMetrics.delivered, refused: logMetrics.notDelivered },
      period: Duration.minutes(5),
      label: 'Exchanges without AA or CA, per cent',
    }), 3, 'More than a fifth of the messages came back without a positive acknowledgment, for a quarter of an hour.');
    this.above('EndpointPaused', 0, logMetrics.paused, 1, 'The sender stopped sending: the HL7 endpoint fails.');
    if (props.secret) {
      this.below('CertificateExpires', 30, logMetrics.certificateDays, 'A certificate of the HL7 connection expires within 30 days.');
      this.below('CertificateExpiresSoon', 7, logMetrics.certificateDays, 'A certificate of the HL7 connection expires within 7 days.');
      this.above('SecretNotUsable', 0, logMetrics.secretFailures, 3, 'The secret with the certificates cannot be read or used; the old ones stay.');
    }
    this.above('HookUnhealthy', 0, hook.target.metrics.unhealthyHostCount({ period: minute, statistic: 'Maximum' }), 5, 'A task of the hook does not answer.');
    this.below('SenderDown', 1, runningTasks(sender.service), 'No sender runs; messages wait in the queue.', 5, TreatMissingData.BREACHING);
    this.above('ApiErrors', 0, api.api.metricServerError({ period: minute, statistic: 'Sum' }), 5, 'Writes fail: clients get 5xx for five minutes.');
    if (props.testServerUnhealthy !== undefined) {
      this.above('TestServerUnhealthy', 0, props.testServerUnhealthy, 5, 'A task of the test HL7 server does not answer.');
    }
  }

  private above(id: string, threshold: number, metric: IMetric, evaluationPeriods: number, alarmDescription: string): void {
    const comparisonOperator = ComparisonOperator.GREATER_THAN_THRESHOLD;
    this.add(new Alarm(this, id, { metric, threshold, comparisonOperator, evaluationPeriods, alarmDescription, treatMissingData: TreatMissingData.NOT_BREACHING }));
  }

  private below(id: string, threshold: number, metric: IMetric, alarmDescription: string, evaluationPeriods = 1, treatMissingData = TreatMissingData.MISSING): void {
    const comparisonOperator = ComparisonOperator.LESS_THAN_THRESHOLD;
    this.add(new Alarm(this, id, { metric, threshold, comparisonOperator, evaluationPeriods, alarmDescription, treatMissingData }));
  }

  private add(alarm: Alarm): void {
    const action = new SnsAction(this.topic);
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
    this.all.push(alarm);
  }
}
