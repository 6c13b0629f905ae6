use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::*;

const DEADLINE: Duration = Duration::from_secs(5);

/// Sends a request on a fresh connection; the status and body of its answer, or why there is none.
async fn request(stub: &AwsStub, text: String) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(stub.address).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await??;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(" ").nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Ok((status, body.to_owned()))
}

async fn sqs(stub: &AwsStub, operation: &str, body: Value) -> io::Result<(u16, Value)> {
    let body = body.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nX-Amz-Target: AmazonSQS.{operation}\r\nContent-Length: {}\r\n",
        body.len()
    );
    let (status, body) = request(stub, format!("{head}\r\n{body}")).await?;
    Ok((status, serde_json::from_str(&body).expect("JSON")))
}

async fn s3(stub: &AwsStub, method: &str, target: &str, headers: &str, body: &str) -> (u16, String) {
    let head = format!("{method} {target} HTTP/1.1\r\n{headers}Content-Length: {}\r\n", body.len());
    request(stub, format!("{head}\r\n{body}")).await.expect("an answer")
}

fn message(url: &str, group: &str, id: &str) -> Value {
    json!({ "QueueUrl": url, "MessageBody": id, "MessageGroupId": group, "MessageDeduplicationId": id })
}

async fn receive(stub: &AwsStub, url: &str) -> Vec<(String, String)> {
    let body = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
    let (_, answer) = sqs(stub, "ReceiveMessage", body).await.expect("an answer");
    let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    messages.iter().map(|message| (text(&message["Body"]), text(&message["ReceiptHandle"]))).collect()
}

#[tokio::test]
async fn a_group_waits_for_its_leased_message_and_repeats_are_absorbed() {
    let stub = AwsStub::start().await.expect("started");
    let url = stub.create_queue("q.fifo");
    for (group, id) in [("a", "a1"), ("a", "a1")] {
        sqs(&stub, "SendMessage", message(&url, group, id)).await.expect("sent");
    }
    let first = receive(&stub, &url).await;
    assert_eq!(first.len(), 1);
    sqs(&stub, "SendMessage", message(&url, "a", "a2")).await.expect("sent");
    sqs(&stub, "SendMessage", message(&url, "b", "b1")).await.expect("sent");
    assert_eq!(receive(&stub, &url).await[0].0, "b1", "a2 waits for a1");
    sqs(&stub, "DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": first[0].1 }))
        .await
        .expect("deleted");
    assert_eq!(receive(&stub, &url).await[0].0, "a2");
    assert_eq!(stub.bodies("q.fifo"), ["a2", "b1"]);
}

#[tokio::test]
async fn an_expired_receipt_is_refused() {
    let stub = AwsStub::start().await.expect("started");
    let url = stub.create_queue("q.fifo");
    sqs(&stub, "SendMessage", message(&url, "a", "a1")).await.expect("sent");
    let first = receive(&stub, &url).await;
    stub.lapse("q.fifo");
    let delete = json!({ "QueueUrl": url, "ReceiptHandle": first[0].1 });
    let (status, answer) = sqs(&stub, "DeleteMessage", delete).await.expect("an answer");
    assert_eq!(status, 400);
    assert!(answer["message"].as_str().expect("text").contains("receipt handle has expired"));
    assert_eq!(receive(&stub, &url).await.len(), 1, "it comes again");
}

#[tokio::test]
async fn deletes_are_counted_by_message_and_not_by_attempt() {
    let stub = AwsStub::start().await.expect("started");
    let url = stub.create_queue("q.fifo");
    for group in ["a", "b"] {
        sqs(&stub, "SendMessage", message(&url, group, "1")).await.expect("sent");
    }
    let [(_, a), (_, b)] = <[_; 2]>::try_from(receive(&stub, &url).await).expect("two");
    stub.fail(Fault::always("DeleteMessage", FaultKind::Status(500, "InternalError")));
    for _ in 0..2 {
        sqs(&stub, "DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": a })).await.expect("an answer");
    }
    assert_eq!(stub.deletes_asked(), 1, "refused twice");
    let entries = json!([{ "Id": "0", "ReceiptHandle": a }, { "Id": "1", "ReceiptHandle": b }]);
    sqs(&stub, "DeleteMessageBatch", json!({ "QueueUrl": url, "Entries": entries }))
        .await
        .expect("an answer");
    assert_eq!(stub.deletes_asked(), 2);
}

#[tokio::test]
async fn a_long_poll_wakes_when_a_message_arrives() {
    let stub = AwsStub::start().await.expect("started");
    let url = stub.create_queue("q.fifo");
    let poll = sqs(&stub, "ReceiveMessage", json!({ "QueueUrl": url, "WaitTimeSeconds": 20 }));
    let send = async {
        assert!(stub.wait_until(DEADLINE, |stub| stub.count("ReceiveMessage") == 1).await);
        sqs(&stub, "SendMessage", message(&url, "a", "a1")).await.expect("sent");
    };
    let (polled, ()) = timeout(DEADLINE, async { tokio::join!(poll, send) }).await.expect("woken");
    assert_eq!(polled.expect("an answer").1["Messages"][0]["Body"], "a1");
}

#[tokio::test]
async fn faults_refuse_reset_and_fail_entries() {
    let stub = AwsStub::start().await.expect("started");
    let url = stub.create_queue("q.fifo");
    stub.fail(Fault::times(1, "SendMessage", FaultKind::Status(500, "InternalError")));
    stub.fail(Fault::times(1, "SendMessage", FaultKind::ResetBefore));
    stub.fail(Fault::times(1, "SendMessage", FaultKind::ResetAfter));
    assert_eq!(sqs(&stub, "SendMessage", message(&url, "a", "a1")).await.expect("an answer").0, 500);
    sqs(&stub, "SendMessage", message(&url, "a", "a1")).await.expect_err("reset");
    assert!(stub.bodies("q.fifo").is_empty());
    sqs(&stub, "SendMessage", message(&url, "a", "a1")).await.expect_err("reset");
    assert_eq!(stub.bodies("q.fifo"), ["a1"], "done, though not answered");
    stub.fail(Fault::always("ChangeMessageVisibilityBatch", FaultKind::FailEntries("InternalError")));
    let body = json!({ "QueueUrl": url, "Entries": [{ "Id": "0", "ReceiptHandle": "receipt-1" }] });
    let (status, answer) = sqs(&stub, "ChangeMessageVisibilityBatch", body).await.expect("an answer");
    assert_eq!((status, &answer["Failed"][0]["Id"]), (200, &json!("0")));
    stub.down();
    let refused = async { while TcpStream::connect(stub.address).await.is_ok() {} };
    timeout(DEADLINE, refused).await.expect("refused");
    stub.up();
    let back = async { while TcpStream::connect(stub.address).await.is_err() {} };
    timeout(DEADLINE, back).await.expect("listens");
}

#[tokio::test]
async fn objects_are_conditional_and_listed_in_pages() {
    let stub = AwsStub::start().await.expect("started");
    let put = |key: &'static str, headers: &'static str| s3(&stub, "PUT", key, headers, "hello");
    assert_eq!(put("/b/x/1", "If-None-Match: *\r\nx-amz-meta-k: v\r\n").await.0, 200);
    assert_eq!(put("/b/x/1", "If-None-Match: *\r\n").await.0, 412);
    assert_eq!(put("/b/x/9", "If-Match: \"abc\"\r\n").await.0, 404);
    let chunked = "5;chunk-signature=0\r\nhello\r\n0\r\nx-amz-checksum-crc32:abc\r\n\r\n";
    let streaming = "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n";
    assert_eq!(s3(&stub, "PUT", "/b/x/2", streaming, chunked).await.0, 200);
    assert_eq!(s3(&stub, "GET", "/b/x/2", "", "").await, (200, "hello".to_owned()));
    assert_eq!(s3(&stub, "GET", "/b/none", "", "").await.0, 404);
    let (_, page) = s3(&stub, "GET", "/b?list-type=2&prefix=x%2F&max-keys=1", "", "").await;
    assert!(page.contains("<Key>x/1</Key>") && page.contains("<IsTruncated>true</IsTruncated>"), "{page}");
    let (_, page) = s3(&stub, "GET", "/b?list-type=2&prefix=x%2F&continuation-token=x%2F1", "", "").await;
    assert!(page.contains("<Key>x/2</Key>") && !page.contains("<Key>x/1</Key>"), "{page}");
    stub.fail(Fault::times(1, "PutObject", FaultKind::Status(503, "SlowDown")));
    let (status, body) = put("/b/x/3", "").await;
    assert!(status == 503 && body.contains("SlowDown"));
    assert_eq!(stub.objects("b"), ["x/1", "x/2"]);
}
