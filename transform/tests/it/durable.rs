//! What happens to a write when something fails.

use std::{sync::atomic::Ordering, time::Duration};

use message_store::{MessageStore, OrderingKey, PatientKey};
use queue::{Queue, QueueError};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::{
    faulty::Fault,
    hook::{Answer, TestHook, events, patient},
};

const DEADLINE: Duration = Duration::from_secs(10);

fn retry_after(answer: &Answer) -> u32 {
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_queue_that_is_away_or_full_is_503_and_nothing_is_remembered() {
    let hook = TestHook::start().await;
    for error in [QueueError::Unavailable { reason: "away".to_owned() }, QueueError::Full] {
        hook.queue.set(Some(Fault::Error(error)));
        let refused = hook.put("p-1", &patient("p-1", "A")).await;
        assert_eq!(refused.refusal(), (503, "Unable to pass request to back end system"));
        assert!((1..=30).contains(&retry_after(&refused)));
        assert_eq!(hook.post(&patient("x", "A")).await.status, 503);
        assert_eq!(hook.get("p-1").await.status, 404);
    }
    hook.queue.set(None);
    assert_eq!(hook.put("p-1", &patient("p-1", "A")).await.status, 201, "the retry is a create");
    hook.queue.set(Some(Fault::Error(QueueError::Full)));
    assert_eq!(hook.delete("p-1").await.status, 503);
    assert_eq!(hook.get("p-1").await.status, 200);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_413() {
    let hook = TestHook::start().await;
    let refused = hook.put("p-1", &patient("p-1", &"x".repeat(queue::MAX_BODY_BYTES + 1))).await;
    let (status, text) = refused.refusal();
    assert_eq!(status, 413);
    assert!(text.starts_with("Message is ") && text.ends_with(" bytes, the queue takes 1048576."), "{text}");
    assert_eq!(hook.queue.sends.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_store_that_is_away_is_503_and_never_404() {
    let hook = TestHook::start().await;
    hook.put("p-1", &patient("p-1", "A")).await;
    hook.store.away.store(true, Ordering::SeqCst);
    for answer in [hook.get("p-1").await, hook.get("nobody").await, hook.delete("p-1").await] {
        assert_eq!(answer.refusal(), (503, "Message store is unavailable."));
        assert!((1..=30).contains(&retry_after(&answer)));
    }
}

#[tokio::test]
async fn a_write_that_was_queued_is_accepted_even_if_it_cannot_be_remembered() {
    let hook = TestHook::start().await;
    hook.store.forgetful.store(true, Ordering::SeqCst);
    assert_eq!(hook.put("p-1", &patient("p-1", "A")).await.status, 201);
    assert_eq!(hook.put("p-1", &patient("p-1", "B")).await.status, 200, "the process knows it");
    let messages = hook.deliver("p-1").await;
    assert_eq!(messages.len(), 2, "two writes are two messages");
    let ids: Vec<_> = messages.iter().map(|delivery| &delivery.envelope.attributes.control_id).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(hook.get("p-1").await.resource()["name"][0]["family"], "B", "known once delivered");
}

#[tokio::test]
async fn a_stored_message_that_cannot_be_read_is_500() {
    let hook = TestHook::start().await;
    let key = PatientKey::new("p-1").unwrap();
    hook.store.put_current(&key, &OrderingKey::new("1").unwrap(), "not HL7".into()).await.unwrap();
    assert_eq!(hook.get("p-1").await.refusal(), (500, "Stored message of Patient/p-1 cannot be read."));
    assert_eq!(hook.put("p-1", &patient("p-1", "A")).await.status, 200, "and can be replaced");
    hook.deliver("p-1").await;
    assert_eq!(hook.get("p-1").await.status, 200);
}

#[tokio::test]
async fn a_panic_is_500_without_its_text_and_the_hook_lives_on() {
    let hook = TestHook::start().await;
    hook.queue.set(Some(Fault::Panic));
    let failed = hook.put("p-1", &patient("p-1", "A")).await;
    let (status, text) = failed.refusal();
    assert_eq!(status, 500);
    assert!(text.starts_with("Internal error ") && !text.contains("Canary"), "{text}");
    hook.queue.set(None);
    assert_eq!(hook.put("p-1", &patient("p-1", "A")).await.status, 201, "the patient is not locked");
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_cut_its_write_in_half() {
    let hook = TestHook::start().await;
    hook.queue.set(Some(Fault::Wait));
    let body = patient("p-1", "A").to_string();
    let mut client = TcpStream::connect(hook.address).await.unwrap();
    let request = format!(
        "PUT /persistence/Patient/p-1 HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    timeout(DEADLINE, hook.queue.begun.notified()).await.unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    hook.queue.set(None);
    // The next write waits for the first one, which still waits at the gate, then follows it.
    let second = hook.client.put(format!("{}/persistence/Patient/p-1", hook.url)).json(&patient("p-1", "B"));
    let mut second = tokio::task::JoinSet::from_iter([crate::hook::answer(second)]);
    hook.queue.gate.add_permits(1);
    let second = timeout(DEADLINE, second.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(second.status, 200, "the first one was accepted and remembered");
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A31"]);
}

#[tokio::test]
async fn a_write_that_takes_too_long_is_503_and_still_finished() {
    let hook = TestHook::start_with(|config| config.request_timeout = Duration::from_millis(50)).await;
    hook.queue.set(Some(Fault::Wait));
    let late = hook.put("p-1", &patient("p-1", "A")).await;
    assert_eq!(late.refusal(), (503, "Unable to pass request to back end system"));
    hook.queue.set(None);
    hook.queue.gate.add_permits(1);
    let read = async {
        while hook.get("p-1").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, read).await.unwrap();
    assert_eq!(hook.queued().await.len(), 1);
}

#[tokio::test]
async fn shutdown_finishes_what_is_in_flight_and_takes_nothing_new() {
    let mut hook = TestHook::start().await;
    hook.queue.set(Some(Fault::Wait));
    let write = hook.request(reqwest::Method::PUT, "/persistence/Patient/p-1").json(&patient("p-1", "A"));
    let mut write = tokio::task::JoinSet::from_iter([crate::hook::answer(write)]);
    timeout(DEADLINE, hook.queue.begun.notified()).await.unwrap();
    hook.shutdown.cancel();
    let refused = async { while TcpStream::connect(hook.address).await.is_ok() {} };
    timeout(DEADLINE, refused).await.unwrap();
    assert!(!hook.running.is_finished());
    hook.queue.gate.add_permits(1);
    let answer = timeout(DEADLINE, write.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["connection"], "close");
    timeout(DEADLINE, &mut hook.running).await.unwrap().unwrap().unwrap();
    assert!(hook.queue.ready().await.is_ok());
    assert_eq!(hook.queued().await.len(), 1);
}

#[tokio::test]
async fn a_queue_that_broke_for_good_ends_the_hook_with_an_error() {
    let mut hook = TestHook::start().await;
    assert_eq!(hook.put("p-1", &patient("p-1", "A")).await.status, 201);
    hook.queue.broken.notify_one();
    let result = timeout(DEADLINE, &mut hook.running).await.unwrap().unwrap();
    assert!(matches!(result, Err(transform::Error::Queue(_))), "{result:?}");
    assert!(TcpStream::connect(hook.address).await.is_err());
}
