//! Rights and settings at SQS and S3: against a stub that refuses on demand, and against the emulator.

use fault_harness::aws_stub::{AwsStub, Fault, FaultKind};

use super::Diagnosis;

async fn of(arguments: &[&str], stub: &AwsStub, queue: &str, dead: &str) -> Diagnosis {
    let data = tempfile::tempdir().unwrap();
    let url = stub.url();
    let settings = [
        ("ADT_BRIDGE__HOOK__LISTEN", "127.0.0.1:0"),
        ("ADT_BRIDGE__RECEIVER__LISTEN", "127.0.0.1:0"),
        ("ADT_BRIDGE__QUEUE__KIND", "sqs"),
        ("ADT_BRIDGE__QUEUE__URL", queue),
        ("ADT_BRIDGE__QUEUE__DEAD_LETTER_URL", dead),
        ("ADT_BRIDGE__STORE__KIND", "s3"),
        ("ADT_BRIDGE__STORE__BUCKET", "bridge"),
        ("ADT_BRIDGE__STORE__PREFIX", "hospital/"),
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    Diagnosis::of(arguments, data.path(), &settings).await
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_as_iam_does() {
    let stub = AwsStub::start().await.unwrap();
    let (queue, dead) = (stub.create_queue("bridge.fifo"), stub.create_queue("bridge-dead.fifo"));
    let denied = |operation| Fault::always(operation, FaultKind::Status(403, "AccessDenied"));
    for operation in
        ["SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes"]
    {
        stub.fail(denied(operation));
        let diagnosis = of(&[], &stub, &queue, &dead).await;
        assert_eq!((diagnosis.code, diagnosis.failed()), (9, vec!["queue"]), "{:#}", diagnosis.report);
        diagnosis.expect("failed", "queue", &[&format!("sqs:{operation} is not allowed"), &queue]);
        stub.heal();
    }
    for (operation, action) in [
        ("ListObjectsV2", "s3:ListBucket"),
        ("GetObject", "s3:GetObject"),
        ("PutObject", "s3:PutObject"),
        ("DeleteObject", "s3:DeleteObject"),
    ] {
        stub.fail(denied(operation));
        let diagnosis = of(&[], &stub, &queue, &dead).await;
        assert_eq!((diagnosis.code, diagnosis.failed()), (9, vec!["store"]), "{:#}", diagnosis.report);
        diagnosis.expect("failed", "store", &[&format!("{action} is not allowed"), "arn:aws:s3:::bridge"]);
        // The receiver removes nothing.
        let receiver = of(&["--role", "receiver"], &stub, &queue, &dead).await;
        assert_eq!(receiver.failed().is_empty(), operation == "DeleteObject", "{:#}", receiver.report);
        stub.heal();
    }
    assert!(stub.objects("bridge").is_empty() && stub.bodies("bridge.fifo").is_empty());
}

#[tokio::test]
async fn what_does_not_exist_and_who_is_not_known_is_named() {
    let stub = AwsStub::start().await.unwrap();
    let (queue, dead) = (stub.create_queue("bridge.fifo"), stub.create_queue("bridge-dead.fifo"));
    let elsewhere = format!("{}/000000000000/other.fifo", stub.url());
    of(&[], &stub, &elsewhere, &dead).await.expect("failed", "queue", &["other.fifo does not exist"]);
    for (operation, code, check, part) in [
        ("ListObjectsV2", "NoSuchBucket", "store", "does not exist"),
        ("GetQueueAttributes", "InvalidClientTokenId", "queue", "does not know these credentials"),
        ("GetQueueAttributes", "ExpiredToken", "queue", "have expired"),
        ("ListObjectsV2", "RequestTimeTooSkewed", "store", "the clock of this machine"),
        ("ListObjectsV2", "PermanentRedirect", "store", "another Region"),
        ("PutObject", "SlowDown", "store", "s3:PutObject"),
    ] {
        stub.fail(Fault::always(operation, FaultKind::Status(403, code)));
        of(&[], &stub, &queue, &dead).await.expect("failed", check, &[part]);
        stub.heal();
    }
}

#[tokio::test]
#[ignore = "needs SQS and S3 endpoint"]
async fn the_emulator_s_queue_and_bucket_are_found_in_order() {
    let run = std::process::id();
    let queues = queue::SqsQueue::create_queues(&format!("doctor-{run}"), None).await.unwrap();
    let data = tempfile::tempdir().unwrap();
    let inherited: Vec<(String, String)> =
        std::env::vars().filter(|(name, _)| name.starts_with("AWS_")).collect();
    let mut settings = vec![
        ("ADT_BRIDGE__HOOK__LISTEN", "127.0.0.1:0"),
        ("ADT_BRIDGE__RECEIVER__LISTEN", "127.0.0.1:0"),
        ("ADT_BRIDGE__QUEUE__KIND", "sqs"),
        ("ADT_BRIDGE__QUEUE__URL", &queues.url),
        ("ADT_BRIDGE__QUEUE__DEAD_LETTER_URL", &queues.dead_letter_url),
        ("ADT_BRIDGE__STORE__KIND", "s3"),
        ("ADT_BRIDGE__STORE__BUCKET", "message-store-contract"),
        ("ADT_BRIDGE__STORE__PREFIX", "doctor/"),
    ];
    settings.extend(inherited.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let well = Diagnosis::of(&[], data.path(), &settings).await;
    assert!(well.failed().is_empty(), "{:#}", well.report);
    well.expect("ok", "queue", &["queue.url", "sqs:ReceiveMessage is allowed"]);
    well.expect("ok", "queue", &["a backstop only"]);
    well.expect("ok", "store", &["written, read and removed"]);
    well.expect("ok", "clock", &["that of S3"]);

    settings.retain(|(name, _)| !name.ends_with("BUCKET"));
    settings.push(("ADT_BRIDGE__STORE__BUCKET", "no-such-bucket-anywhere"));
    let without = Diagnosis::of(&[], data.path(), &settings).await;
    assert_eq!(without.failed(), ["store"], "{:#}", without.report);
    without.expect("failed", "store", &["does not exist"]);
}
