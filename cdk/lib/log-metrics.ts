/** Metrics from what the processes log: counts and days, never a text of a message. */
import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { FilterPattern, MetricFilter, type ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

export interface LogMetricsProps {
  readonly sender: ILogGroup;
  /** Dimensionless metrics need a name of their own per deployment. */
  readonly namespace: string;
}

export class LogMetrics extends Construct {
  /** Messages answered with AA or CA for themselves. */
  readonly delivered: Metric;
  /** Messages answered otherwise, or not at all. */
  readonly notDelivered: Metric;
  readonly paused: Metric;
  /** Least days until a certificate that the sender uses or trusts expires. */
  readonly certificateDays: Metric;
  readonly secretFailures: Metric;

  constructor(scope: Construct, id: string, private readonly props: LogMetricsProps) {
    super(scope, id);
    const exchanged = '$.message = "message exchanged"';
    this.delivered = this.count('Delivered', `${exchanged} && $.disposition = "delivered"`);
    this.notDelivered = this.count('NotDelivered', `${exchanged} && $.disposition != "delivered" && $.disposition != "waiting"`);
    this.paused = this.count('Paused', '$.message = "paused: the endpoint gets no messages"');
    this.secretFailures = this.count('SecretFailures', '$.message = "the files stay as they are"');
    this.certificateDays = this.filter('CertificateDays', '$.message = "certificate in use"', '$.days_left')
      .metric({ period: Duration.hours(1), statistic: 'Minimum' });
  }

  private count(name: string, pattern: string): Metric {
    return this.filter(name, pattern, '1', 0).metric({ period: Duration.minutes(5), statistic: 'Sum' });
  }

  private filter(metricName: string, pattern: string, metricValue: string, defaultValue?: number): MetricFilter {
    return new MetricFilter(this, metricName, {
      logGroup: this.props.sender,
      filterPattern: FilterPattern.literal(`{ ${pattern} }`),
      metricNamespace: this.props.namespace,
      metricName,
      metricValue,
      defaultValue,
    });
  }
}
