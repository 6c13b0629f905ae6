import { Duration } from 'aws-cdk-lib';
import { AlarmStatusWidget, Dashboard as CloudWatchDashboard, GraphWidget, type IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import { HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { Construct } from 'constructs';

import type { Alarms, AlarmsProps } from './alarms.ts';
import { runningTasks } from './sender-service.ts';

/** One page: is it well, does it flow, and where does it stop? From the alarms down, from the caller to the endpoint. */
export class Dashboard extends Construct {
  constructor(scope: Construct, id: string, alarms: Alarms, props: AlarmsProps) {
    super(scope, id);
    const { api, hook, queues, sender, logMetrics } = props;
    const period = Duration.minutes(1);
    const graph = (title: string, left: IMetric[], right: IMetric[] = []) =>
      new GraphWidget({ title, width: 12, height: 6, left, right, leftYAxis: { min: 0 }, rightYAxis: { min: 0 } });
    new CloudWatchDashboard(this, 'Dashboard', {
      defaultInterval: Duration.hours(3),
      widgets: [
        [new AlarmStatusWidget({ title: 'Alarms', width: 24, height: 3, alarms: alarms.all })],
        [
          graph('API: calls and errors', [api.api.metricCount({ period }), api.api.metricClientError({ period }), api.api.metricServerError({ period })]),
          graph('Hook: time to answer', ['p50', 'p99'].map((statistic) => hook.target.metrics.targetResponseTime({ period, statistic, label: statistic })),
            [hook.target.metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, { period })]),
        ],
        [
          graph('Queue: waiting, in flight, dead', [
            queues.queue.metricApproximateNumberOfMessagesVisible({ period, label: 'waiting' }),
            queues.queue.metricApproximateNumberOfMessagesNotVisible({ period, label: 'in flight' }),
          ], [queues.deadLetters.metricApproximateNumberOfMessagesVisible({ period, label: 'dead letters' })]),
          graph('Queue: oldest message, seconds', [queues.queue.metricApproximateAgeOfOldestMessage({ period, statistic: 'Maximum' })]),
        ],
        [
          graph('Endpoint: exchanges', [logMetrics.delivered, logMetrics.notDelivered], [logMetrics.paused]),
          graph('Certificates: days left', [logMetrics.certificateDays]),
        ],
        [
          graph('Tasks', [runningTasks(hook.service), runningTasks(sender.service)]),
          graph('Processor and memory, per cent', [hook, sender].flatMap(({ service }) => [service.metricCpuUtilization({ period }), service.metricMemoryUtilization({ period })])),
        ],
      ],
    });
  }
}
