//! The Subscriptions Backport guide as its other senders speak it: handshake, heartbeat, athenahealth.

use super::{needs_source, send};
use crate::hook::TestHook;

const HANDSHAKE: &str = include_str!("requests/backport_handshake.http");
const ATHENAHEALTH: &str = include_str!("requests/athenahealth_id_only.http");

#[tokio::test]
async fn handshake_and_heartbeat_are_answered_at_once_with_nothing_behind_the_hook() {
    let hook = TestHook::start().await;
    hook.store.away.store(true, std::sync::atomic::Ordering::SeqCst);
    hook.queue.set(Some(crate::faulty::Fault::Error(queue::QueueError::Full)));
    for kind in ["handshake", "heartbeat"] {
        let answer = send(&hook, HANDSHAKE, &[("kind", kind)]).await;
        assert_eq!((answer.status, answer.json()["type"].as_str()), (200, Some("batch-response")), "{kind}");
    }
    assert_eq!(hook.queue.sends.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn athenahealth_names_the_patient_only() {
    needs_source(&send(&TestHook::start().await, ATHENAHEALTH, &[]).await);
}

#[tokio::test]
async fn an_event_that_names_nothing_is_something_that_changed() {
    needs_source(&send(&TestHook::start().await, HANDSHAKE, &[("kind", "event-notification")]).await);
}
