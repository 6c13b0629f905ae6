//! Rows 24 to 26 and 35 to 40: limits, and what stands behind the hook.

use std::{sync::atomic::Ordering, time::Duration};

use message_store::{MessageStore, OrderingKey, PatientKey};
use queue::QueueError;
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{JSON, asked, of, refused};
use crate::{
    faulty::Fault,
    hook::{TestHook, patient},
};

const DEADLINE: Duration = Duration::from_secs(10);

async fn raw(hook: &TestHook, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(hook.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    if let Err(error) = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap() {
        // Closing with unread bytes resets the connection, after the answer.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8(answer).unwrap()
}

async fn put(hook: &TestHook) -> (u16, String, String, String) {
    refused(hook, Method::PUT, "/fhir/Patient/p-1", JSON, patient("p-1", "A").to_string()).await
}

#[tokio::test]
async fn row_24_a_body_over_the_limit_is_not_read() {
    let hook = TestHook::start_with(|config| config.max_body_bytes = 1000).await;
    let head = b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n";
    let answer = raw(&hook, head).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close"), "{answer}");
    assert!(answer.contains("Body exceeds 1000 bytes.") && answer.contains("too-long"), "{answer}");
}

#[tokio::test]
async fn row_25_a_body_that_grows_over_the_limit() {
    let hook = TestHook::start_with(|config| config.max_body_bytes = 1000).await;
    let mut request =
        b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n".to_vec();
    request.extend(vec![b' '; 2000]);
    let answer = raw(&hook, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close"), "{answer}");
    // A body that is compressed is not taken at all, so it cannot grow.
    let headers = [("content-type", "application/fhir+json"), ("content-encoding", "gzip")];
    let refused = refused(&hook, Method::POST, "/fhir/Patient", &headers, "\u{1f}").await;
    assert_eq!((refused.0, refused.1.as_str()), (415, "not-supported"));
}

#[tokio::test]
async fn row_26_heads_too_large_and_bodies_too_slow() {
    let hook = TestHook::start_with(|config| config.body_timeout = Duration::from_millis(50)).await;
    let many: String = (0..200).map(|index| format!("x{index}: y\r\n")).collect();
    let large = format!("GET /fhir/metadata HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert!(raw(&hook, large.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    let slow = b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{";
    let answer = raw(&hook, slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn row_26_one_line_that_is_too_long() {
    let hook = TestHook::start().await;
    let head = |bytes: usize| {
        let line = "y".repeat(bytes);
        format!("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {line}\r\n\r\n")
    };
    for (kib, status) in [(60, "200"), (64, "431"), (80, "431"), (200, "431")] {
        let answer = raw(&hook, head(kib * 1024).as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{kib} KiB: {answer}");
    }
    // It is not waited for either.
    let endless = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx: {}", "y".repeat(80 * 1024));
    assert!(raw(&hook, endless.as_bytes()).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn row_35_a_queue_that_is_away() {
    let hook = TestHook::start().await;
    for error in [QueueError::Unavailable { reason: "x".to_owned() }, QueueError::Full] {
        hook.queue.set(Some(Fault::Error(error)));
        let text = "Unable to pass request to back end system";
        assert_eq!(put(&hook).await, of(503, "transient", text, ""));
        let again =
            asked(&hook, Method::PUT, "/fhir/Patient/p-1", JSON, patient("p-1", "A").to_string()).await;
        let seconds: u32 = again.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=30).contains(&seconds));
        let key = PatientKey::new("p-1").unwrap();
        assert!(hook.store.accepted(&key).await.unwrap().is_none(), "nothing is stored");
    }
}

#[tokio::test]
async fn row_36_a_store_that_is_away_is_never_a_404() {
    let hook = TestHook::start().await;
    hook.store.away.store(true, Ordering::SeqCst);
    let text = "Message store is unavailable.";
    let expected = of(503, "transient", text, "");
    assert_eq!(refused(&hook, Method::GET, "/fhir/Patient/p-1", &[], "").await, expected);
    assert_eq!(hook.get("p-1").await.refusal(), (503, text));
}

#[tokio::test]
async fn row_37_a_stored_message_that_cannot_be_read() {
    let hook = TestHook::start().await;
    let key = PatientKey::new("p-1").unwrap();
    hook.store.put_current(&key, &OrderingKey::new("1").unwrap(), "not HL7".into()).await.unwrap();
    let text = "Stored message of Patient/p-1 cannot be read.";
    let refused = refused(&hook, Method::GET, "/fhir/Patient/p-1", &[], "").await;
    assert_eq!(refused, of(500, "exception", text, ""));
}

#[tokio::test]
async fn row_38_a_panic_says_nothing_but_its_trace() {
    let hook = TestHook::start().await;
    hook.queue.set(Some(Fault::Panic));
    let (status, code, text, _) = put(&hook).await;
    assert_eq!((status, code.as_str()), (500, "exception"));
    let trace = text.strip_prefix("Internal error ").and_then(|text| text.strip_suffix('.')).unwrap();
    assert!(trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
}

#[tokio::test]
async fn row_39_more_requests_than_the_limit() {
    let hook = TestHook::start_with(|config| config.max_requests = 1).await;
    hook.queue.set(Some(Fault::Wait));
    let write = hook.request(Method::PUT, "/fhir/Patient/p-1").json(&patient("p-1", "A"));
    let mut write = tokio::task::JoinSet::from_iter([crate::hook::answer(write)]);
    timeout(DEADLINE, hook.queue.begun.notified()).await.unwrap();
    let refused = refused(&hook, Method::GET, "/fhir/Patient/p-1", &[], "").await;
    assert_eq!(refused, of(429, "throttled", "Too many requests.", ""));
    hook.queue.gate.add_permits(1);
    assert_eq!(timeout(DEADLINE, write.join_next()).await.unwrap().unwrap().unwrap().status, 201);
}

#[tokio::test]
async fn row_40_draining() {
    let hook = TestHook::start().await;
    hook.queue.set(Some(Fault::Wait));
    let body = patient("p-1", "A").to_string();
    let mut stream = TcpStream::connect(hook.address).await.unwrap();
    // Two requests on one connection: the drain begins while the first one is answered.
    let put = |length: usize| {
        format!(
            "PUT /fhir/Patient/p-1 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    stream.write_all(format!("{}{body}", put(body.len())).as_bytes()).await.unwrap();
    timeout(DEADLINE, hook.queue.begun.notified()).await.unwrap();
    hook.shutdown.cancel();
    let closed = async { while TcpStream::connect(hook.address).await.is_ok() {} };
    timeout(DEADLINE, closed).await.unwrap();
    hook.queue.gate.add_permits(1);
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 201 ") && answer.contains("connection: close"), "{answer}");
}
