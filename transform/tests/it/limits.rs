//! What a peer can ask of the hook at most.

use std::{io::ErrorKind, time::Duration};

use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    faulty::Fault,
    hook::{TestHook, answer, patient},
};

const DEADLINE: Duration = Duration::from_secs(10);

/// Sends bytes and reads all there is until the hook closes.
async fn raw(hook: &TestHook, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(hook.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap() {
        Ok(_) => {}
        // Closing with unread bytes in the buffer resets the connection, after the answer.
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_not_read() {
    let hook = TestHook::start_with(|config| config.max_body_bytes = 1000).await;
    let head = b"POST /persistence/Patient HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1001\r\n\r\n";
    let answer = raw(&hook, head).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("connection: close") && answer.contains("Body exceeds 1000 bytes."), "{answer}");
}

#[tokio::test]
async fn a_body_that_grows_too_long_is_cut_off() {
    let hook = TestHook::start_with(|config| config.max_body_bytes = 1000).await;
    let mut request =
        b"POST /persistence/Patient HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n"
            .to_vec();
    request.extend(vec![b' '; 2000]);
    let answer = raw(&hook, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_body_as_long_as_the_limit_is_taken() {
    let hook = TestHook::start_with(|config| config.max_body_bytes = 1000).await;
    let resource = patient("p-1", "A").to_string();
    let body = format!("{resource}{}", " ".repeat(1000 - resource.len()));
    let put =
        || hook.request(Method::PUT, "/persistence/Patient/p-1").header("content-type", "application/json");
    assert_eq!(answer(put().body(body.clone())).await.status, 201);
    assert_eq!(answer(put().body(format!("{body} "))).await.status, 413);
}

#[tokio::test]
async fn six_mebibytes_are_taken_by_default() {
    let hook = TestHook::start().await;
    let resource = patient("p-1", "A").to_string();
    let body = format!("{resource}{}", " ".repeat(6 * 1024 * 1024 - resource.len()));
    let put =
        hook.request(Method::PUT, "/persistence/Patient/p-1").header("content-type", "application/json");
    assert_eq!(answer(put.body(body)).await.status, 201);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let hook = TestHook::start_with(|config| config.body_timeout = Duration::from_millis(50)).await;
    let head = b"PUT /persistence/Patient/p-1 HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{";
    let answer = raw(&hook, head).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let hook = TestHook::start_with(|config| config.idle_timeout = Duration::from_millis(50)).await;
    let answer = raw(&hook, b"PUT /persistence/Patient/p-1 HTTP/1.1\r\nhost:").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_head_of_too_many_lines_is_431() {
    let hook = TestHook::start().await;
    let many: String = (0..200).map(|index| format!("x{index}: y\r\n")).collect();
    let answer = raw(&hook, format!("GET /livez HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn more_requests_than_the_limit_are_429() {
    let hook = TestHook::start_with(|config| config.max_requests = 1).await;
    hook.queue.set(Some(Fault::Wait));
    let write = hook.request(Method::PUT, "/persistence/Patient/p-1").json(&patient("p-1", "A"));
    let mut write = tokio::task::JoinSet::from_iter([answer(write)]);
    timeout(DEADLINE, hook.queue.begun.notified()).await.unwrap();
    let refused = hook.get("p-1").await;
    assert_eq!(refused.refusal(), (429, "Too many requests."));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(answer(hook.request(Method::GET, "/livez")).await.status, 200, "health is not counted");
    hook.queue.gate.add_permits(1);
    assert_eq!(timeout(DEADLINE, write.join_next()).await.unwrap().unwrap().unwrap().status, 201);
    assert_eq!(hook.get("p-1").await.status, 200);
}

#[tokio::test]
async fn a_client_that_announces_much_and_sends_nothing_takes_nobody_s_place() {
    let hook = TestHook::start_with(|config| {
        config.max_requests = 1;
        config.max_body_bytes = 8 * 1024;
        config.max_buffered_bytes = 8 * 1024;
        config.body_timeout = DEADLINE;
    })
    .await;
    let head = b"PUT /persistence/Patient/p-9 HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 8000\r\n\r\n";
    let mut crowd = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(hook.address).await.unwrap();
        stream.write_all(head).await.unwrap();
        let mut go_on = [0; 12];
        stream.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100", "its body is waited for");
        crowd.push(stream);
    }
    assert_eq!(hook.put("p-1", &patient("p-1", "A")).await.status, 201);
    assert_eq!(hook.get("p-1").await.status, 200);
}

#[tokio::test]
async fn bodies_wait_for_room_and_not_for_ever() {
    let hook = TestHook::start_with(|config| {
        config.max_body_bytes = 2048;
        config.max_buffered_bytes = 2048;
        config.body_timeout = Duration::from_millis(50);
    })
    .await;
    hook.queue.set(Some(Fault::Wait));
    let put =
        || hook.request(Method::PUT, "/persistence/Patient/p-1").json(&patient("p-1", &"x".repeat(1500)));
    let mut first = tokio::task::JoinSet::from_iter([answer(put())]);
    timeout(DEADLINE, hook.queue.begun.notified()).await.unwrap();
    assert_eq!(answer(put()).await.refusal(), (429, "Too many requests."));
    hook.queue.gate.add_permits(1);
    assert_eq!(timeout(DEADLINE, first.join_next()).await.unwrap().unwrap().unwrap().status, 201);
    hook.queue.set(None);
    assert_eq!(answer(put()).await.status, 200);
}

#[tokio::test]
async fn more_connections_than_the_limit_wait() {
    let hook = TestHook::start_with(|config| config.max_connections = 1).await;
    let mut first = TcpStream::connect(hook.address).await.unwrap();
    first.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut one = [0; 12];
    first.read_exact(&mut one).await.unwrap();
    assert_eq!(&one, b"HTTP/1.1 200");
    let mut second = TcpStream::connect(hook.address).await.unwrap();
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(timeout(Duration::from_millis(50), second.read_exact(&mut one)).await.is_err());
    drop(first);
    assert!(read_to_end(&mut second).await.starts_with("HTTP/1.1 200"));
}
