import { type CfnElement, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership, type IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';

/** A bucket for messages, which are patient data: encrypted with our key, versioned, TLS only, and kept. */
export function messageBucket(scope: Construct, id: string, encryptionKey: IKey): Bucket {
  const access = new Bucket(scope, `${id}AccessLogs`, {
    encryption: BucketEncryption.S3_MANAGED,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    enforceSSL: true,
    versioned: true,
    removalPolicy: RemovalPolicy.RETAIN,
    lifecycleRules: [{ expiration: Duration.days(365), noncurrentVersionExpiration: Duration.days(30) }],
  });
  acknowledge(access, ['AwsSolutions-S1', 'HIPAA.Security-S3BucketLoggingEnabled'],
    'This is where access logs go; logging its own writes would never end.');
  acknowledge(access, ['HIPAA.Security-S3DefaultEncryptionKMS'],
    'S3 delivers server access logs to buckets with SSE-S3 only.');
  acknowledge(access, ['HIPAA.Security-S3BucketReplicationEnabled'], REPLICATION);

  const bucket = new Bucket(scope, id, {
    encryption: BucketEncryption.KMS,
    encryptionKey,
    bucketKeyEnabled: true,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    versioned: true,
    removalPolicy: RemovalPolicy.RETAIN,
    serverAccessLogsBucket: access,
    serverAccessLogsPrefix: 'messages/',
    lifecycleRules: [{ noncurrentVersionExpiration: Duration.days(90), abortIncompleteMultipartUploadAfter: Duration.days(1) }],
  });
  acknowledge(bucket, ['HIPAA.Security-S3BucketReplicationEnabled'], REPLICATION);
  return bucket;
}

/**
 * Rights on the objects of one bucket, for cdk-nag.
 *
 * @param imported name of the bucket, or of the export that has it, where another stack made the bucket.
 */
export function acknowledgeObjects(scope: Construct, bucket: IBucket, keys: readonly string[], imported?: string): void {
  const stack = Stack.of(scope);
  const arn = imported === undefined
    ? `<${stack.getLogicalId(bucket.node.defaultChild as CfnElement)}.Arn>`
    : `arn:${stack.partition}:s3:::${imported}`;
  acknowledge(scope, keys.map((key) => `AwsSolutions-IAM5[Resource::${arn}/${key}]`),
    'Keys are hashes, message ids and Patient/{id}: every object of this one bucket, which holds nothing else.');
}

const REPLICATION =
  'The system of record is the FHIR server and the hospital; a second Region is a decision about patient data that the operator takes.';
