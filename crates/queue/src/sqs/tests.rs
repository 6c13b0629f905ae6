//! What SQS answers when something is wrong, by a stub that speaks HTTP.

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    client::{limits, retries},
    message::*,
    *,
};
use crate::{Attributes, GroupId};

#[test]
fn reads_the_control_id_of_messages_without_attributes() {
    assert_eq!(header_field("MSH|^~\\&|A|B|C|D|20260101||ADT^A28|77|P|2.5.1\rPID|9", 9), "77");
    assert_eq!(header_field("MSH#^~\\&#A#B#C#D#2026##ADT#78", 9), "78");
    assert_eq!(header_field("", 9), "");
}

#[test]
fn rounds_waits_up() {
    assert_eq!([0, 1, 1000, 1001].map(|ms| seconds(Duration::from_millis(ms))), [0, 1, 1, 2]);
}

#[test]
fn attributes_hold_no_free_text() {
    let letter = DeadLetter {
        text: Some("canary".into()),
        ack_code: Some("AE".into()),
        ..DeadLetter::new(crate::Reason::Expired)
    };
    let attributes =
        to_attributes(&Attributes { control_id: "1".into(), ..Attributes::default() }, Some(&letter));
    let mut names: Vec<_> = attributes.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, [ACK_CODE, ATTEMPTS, CONTROL_ID, REASON]);
    assert!(!format!("{attributes:?}").contains("canary"));
}

/// What the stub does with a request.
#[derive(Clone, Copy)]
enum Reply {
    /// Status and body.
    Json(u16, &'static str),
    /// Reads and says nothing.
    Hang,
    /// Reads and closes.
    Close,
}

struct Stub {
    queue: SqsQueue,
    requests: Arc<Mutex<Vec<String>>>,
    _task: AbortOnDropHandle<()>,
}

async fn stub(reply: Reply) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&requests);
    let tracker = TaskTracker::new();
    let task = AbortOnDropHandle::new(tracker.clone().spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let seen = Arc::clone(&seen);
            tracker.spawn(async move {
                let mut bytes = Vec::new();
                while !is_whole(&bytes) {
                    if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                seen.lock().unwrap().push(String::from_utf8_lossy(&bytes).into_owned());
                match reply {
                    Reply::Json(status, body) => {
                        let answer = format!(
                            "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\n\
                             content-length: {}\r\nconnection: close\r\n\r\n{body}",
                            body.len()
                        );
                        drop(socket.write_all(answer.as_bytes()).await);
                    }
                    Reply::Hang => std::future::pending().await,
                    Reply::Close => {}
                }
            });
        }
    }));
    Stub { queue: queue_at(&endpoint), requests, _task: task }
}

fn queue_at(endpoint: &str) -> SqsQueue {
    let limit = Duration::from_secs(1);
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build_https();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(http)
        .timeout_config(limits(limit))
        .retry_config(retries(limit))
        .build();
    let settings = SqsConfig {
        url: format!("{endpoint}/1/a.fifo"),
        dead_letter_url: format!("{endpoint}/1/a-dead.fifo"),
        endpoint_url: Some(endpoint.to_owned()),
        visibility_seconds: 60,
        operation_timeout_seconds: 1,
    };
    SqsQueue::with_client(&settings, Client::from_conf(config), limit)
}

/// The pauses between attempts are drawn: of ten calls each has to end with what it met.
#[tokio::test]
async fn an_endpoint_that_refuses_is_not_called_slow() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let queue = queue_at(&format!("http://{}", port.local_addr().unwrap()));
    drop(port);
    for _ in 0..10 {
        let error = queue.send(envelope()).await.unwrap_err();
        assert!(error.to_string().contains("SQS cannot be reached"), "{error}");
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn envelope() -> Envelope {
    Envelope {
        body: "MSH|canary\r".into(),
        group: GroupId::digest(&["a"]),
        deduplication_id: DeduplicationId::digest(&["a"]),
        attributes: Attributes { control_id: "c1".into(), event: "ADT^A28".into(), ..Attributes::default() },
    }
}

const EXPIRED: &str =
    r#"{"__type":"com.amazonaws.sqs#InvalidParameterValue","message":"The receipt handle has expired"}"#;

#[tokio::test]
async fn answers_fast_when_sqs_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = queue_at(&format!("http://{}", listener.local_addr().unwrap()));
    drop(listener);
    let (hang, close) = (stub(Reply::Hang).await, stub(Reply::Close).await);
    let broken = stub(Reply::Json(500, r#"{"__type":"InternalFailure","message":"canary"}"#)).await;
    let slow = stub(Reply::Json(400, r#"{"__type":"RequestThrottled","message":"canary"}"#)).await;
    for queue in [&refused, &hang.queue, &close.queue, &broken.queue, &slow.queue] {
        let began = Instant::now();
        let error = queue.send(envelope()).await.unwrap_err();
        assert!(matches!(error, QueueError::Unavailable { .. }), "{error}");
        assert!(!error.to_string().contains("canary"));
        assert!(began.elapsed() < Duration::from_secs(2), "{error} after {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn an_expired_receipt_is_stale() {
    let stub = stub(Reply::Json(400, EXPIRED)).await;
    assert_eq!(stub.queue.delete(&Receipt::new("old")).await, Err(QueueError::Stale));
}

#[tokio::test]
async fn one_failed_extension_does_not_hide_the_others() {
    let partial = r#"{"Successful":[{"Id":"0"}],"Failed":[
        {"Id":"1","SenderFault":true,"Code":"ReceiptHandleIsInvalid"},
        {"Id":"2","SenderFault":false,"Code":"InternalError"}]}"#;
    let stub = stub(Reply::Json(200, partial)).await;
    let receipts = ["a", "b", "c"].map(Receipt::new);
    let results = stub.queue.change_visibility(&receipts, Duration::from_secs(60)).await;
    assert_eq!(results[0], Ok(()));
    assert_eq!(results[1], Err(QueueError::Stale));
    assert!(matches!(results[2], Err(QueueError::Unavailable { .. })));
}

#[tokio::test]
async fn many_deletes_are_few_calls() {
    let partial =
        r#"{"Successful":[],"Failed":[{"Id":"1","SenderFault":true,"Code":"ReceiptHandleIsInvalid"}]}"#;
    let stub = stub(Reply::Json(200, partial)).await;
    let receipts: Vec<_> = (0..25).map(|number| Receipt::new(number.to_string())).collect();
    let results = stub.queue.delete_all(&receipts).await;
    assert_eq!(results.len(), receipts.len());
    for (place, result) in results.into_iter().enumerate() {
        assert_eq!(result, if place % 10 == 1 { Err(QueueError::Stale) } else { Ok(()) }, "{place}");
    }
    let requests = stub.requests.lock().unwrap();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.contains("AmazonSQS.DeleteMessageBatch")));
}

#[tokio::test]
async fn a_failed_move_to_the_dead_letters_deletes_nothing() {
    let stub = stub(Reply::Json(500, "{}")).await;
    let delivery =
        Delivery { envelope: envelope(), receipt: Receipt::new("r"), receive_count: 1, sequence: "1".into() };
    let moved = stub.queue.dead_letter(&delivery, DeadLetter::new(crate::Reason::Expired)).await;
    assert!(matches!(moved, Err(QueueError::Unavailable { .. })));
    let requests = stub.requests.lock().unwrap();
    assert!(requests.iter().all(|request| request.contains("AmazonSQS.SendMessage")));
}

#[tokio::test]
async fn messages_of_other_software_are_delivered_too() {
    let foreign = r#"{"Messages":[{"MessageId":"1","ReceiptHandle":"r","Body":"MSH|^~\\&|A|B|C|D|2026||ADT^A28|77|P|2.5.1\r",
        "Attributes":{"MessageGroupId":"group with space","ApproximateReceiveCount":"3","SequenceNumber":"188"}}]}"#;
    let stub = stub(Reply::Json(200, foreign)).await;
    let received = stub.queue.receive(NonZeroUsize::MIN, Duration::ZERO).await.unwrap();
    assert_eq!(received[0].envelope.attributes.control_id, "77");
    assert_eq!(received[0].envelope.group, GroupId::digest(&["group with space"]));
    assert_eq!((received[0].receive_count, received[0].sequence.as_str()), (3, "188"));
}
