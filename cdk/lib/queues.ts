import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import type { BridgeTask } from './bridge-task.ts';

/** The FIFO queue, its dead letters, and what each service may do with them. */
export class Queues extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;
  /** Settings of the `[queue]` section. */
  readonly environment: Record<string, string>;

  constructor(scope: Construct, id: string, private readonly key: IKey) {
    super(scope, id);
    const both: QueueProps = {
      fifo: true,
      // High throughput: quotas and deduplication count per patient, not per queue.
      fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
      deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
      contentBasedDeduplication: false,
      encryption: QueueEncryption.KMS,
      encryptionMasterKey: key,
      // One call of KMS an hour and role, instead of one every five minutes.
      dataKeyReuse: Duration.hours(1),
      enforceSSL: true,
      maxMessageSizeBytes: 1024 * 1024,
      retentionPeriod: Duration.days(14),
      visibilityTimeout: VISIBILITY,
      // What is in them was promised to a client.
      removalPolicy: RemovalPolicy.RETAIN,
    };
    this.deadLetters = new Queue(this, 'DeadLetters', both);
    this.queue = new Queue(this, 'Queue', {
      ...both,
      receiveMessageWaitTime: Duration.seconds(20),
      // Only for a message that kills its sender again and again; the sender judges all others itself.
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: 1000 },
    });
    this.environment = {
      ADT_BRIDGE__QUEUE__KIND: 'sqs',
      ADT_BRIDGE__QUEUE__URL: this.queue.queueUrl,
      ADT_BRIDGE__QUEUE__DEAD_LETTER_URL: this.deadLetters.queueUrl,
      ADT_BRIDGE__QUEUE__VISIBILITY_SECONDS: String(VISIBILITY.toSeconds()),
    };
  }

  allowSend(task: BridgeTask): void {
    task.allow(['sqs:GetQueueAttributes', 'sqs:SendMessage'], [this.queue.queueArn]);
    this.allowKey(task);
  }

  /** Receiving, settling and giving up; reading the dead letters for the markers of parked patients. */
  allowDeliver(task: BridgeTask): void {
    const actions = ['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage', 'sqs:SendMessage'];
    task.allow(actions, [this.queue.queueArn, this.deadLetters.queueArn]);
    this.allowKey(task);
  }

  private allowKey(task: BridgeTask): void {
    task.allow(['kms:Decrypt', 'kms:GenerateDataKey'], [this.key.keyArn]);
  }
}

/** Leaves the sender time for a write and its acknowledgment after two thirds of it, when it extends the lease. */
const VISIBILITY = Duration.seconds(120);
