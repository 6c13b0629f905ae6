use std::sync::atomic::Ordering;
use std::time::Duration;

use test_hl7_server::Config;
use tokio::io::AsyncReadExt as _;

use crate::sut::{adt, codes, exchange, frame, start, start_with};

#[tokio::test]
async fn says_aa_only_when_the_message_is_durable() {
    let sut = start().await;
    sut.store.gate.forget_permits(usize::MAX);
    let mut raw = sut.raw().await;
    let message = adt("C1", "A28", "p-1", "20240301");
    let sending = exchange(&mut raw, message.as_bytes());
    tokio::pin!(sending);
    tokio::select! {
        reply = &mut sending => panic!("a reply before the store had answered: {}", codes(&reply)),
        () = sut.writes(1) => {}
    }
    assert_eq!(sut.received().await, 0);
    sut.store.gate.add_permits(1);
    assert_eq!(codes(&sending.await), "AA");
    assert_eq!(sut.received().await, 1);
    assert_eq!(sut.current("p-1").await, Some(message.clone()));
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_and_a_lasting_one_is_told() {
    let sut = start().await;
    sut.store.failures.store(1, Ordering::SeqCst);
    assert_eq!(sut.send(adt("C1", "A28", "p-1", "20240301")).await, "AA");

    sut.store.failures.store(2, Ordering::SeqCst);
    let mut raw = sut.raw().await;
    let message = adt("C2", "A28", "p-2", "20240301");
    assert_eq!(codes(&exchange(&mut raw, message.as_bytes()).await), "AE 207");
    assert_eq!(sut.store.writes.load(Ordering::SeqCst), 4);
    assert_eq!(sut.received().await, 1);
    // The connection lives on, and the store has recovered.
    assert_eq!(codes(&exchange(&mut raw, message.as_bytes()).await), "AA");
    assert_eq!(sut.received().await, 2);
}

#[tokio::test]
async fn a_store_that_hangs_is_given_up_in_time() {
    let sut = start_with(Config { store_timeout: Duration::from_millis(80), ..Config::default() }).await;
    sut.store.gate.forget_permits(usize::MAX);
    let enhanced = adt("C1", "A28", "p-1", "20240301").replace("2.5.1||||||", "2.5.1|||AL|NE||");
    assert_eq!(sut.send(enhanced).await, "CE 207");
    assert_eq!(sut.send(adt("C2", "A28", "p-2", "20240301")).await, "AE 207");
    assert_eq!(sut.received().await, 0);
}

#[tokio::test]
async fn a_repeat_is_acknowledged_and_not_stored_again() {
    let sut = start().await;
    let message = adt("C1", "A28", "p-1", "20240301");
    for _ in 0..3 {
        assert_eq!(sut.send(&message).await, "AA");
    }
    assert_eq!(sut.received().await, 1);
}

#[tokio::test]
async fn a_control_id_used_for_another_message_is_refused() {
    let sut = start().await;
    assert_eq!(sut.send(adt("C1", "A28", "p-1", "20240301")).await, "AA");
    assert_eq!(sut.send(adt("C1", "A28", "p-2", "20240301")).await, "AE 205");
    assert_eq!((sut.received().await, sut.current("p-2").await), (1, None));
    let other_sender = adt("C1", "A28", "p-2", "20240301").replace("|FHIR|", "|OTHER|");
    assert_eq!(sut.send(other_sender).await, "AA", "another sender numbers its own messages");
}

/// A repeat must not put an old snapshot back over a later one that carries the same time.
#[tokio::test]
async fn a_late_repeat_changes_nothing() {
    let sut = start().await;
    let (first, second) = (adt("C1", "A28", "p-1", "20240301"), adt("C2", "A31", "p-1", "20240301"));
    for message in [&first, &second, &first] {
        assert_eq!(sut.send(message).await, "AA");
    }
    assert_eq!(sut.current("p-1").await, Some(second));
}

#[tokio::test]
async fn shutdown_waits_for_the_reply_in_flight() {
    let sut = start().await;
    sut.store.gate.forget_permits(usize::MAX);
    let mut raw = sut.raw().await;
    let mut idle = sut.raw().await;
    let message = adt("C1", "A28", "p-1", "20240301");
    let sending = async { codes(&exchange(&mut raw, message.as_bytes()).await) };
    let stopping = async {
        sut.writes(1).await;
        sut.shutdown.cancel();
        assert_eq!(idle.read(&mut [0]).await.unwrap(), 0, "idle connections are closed");
        sut.store.gate.add_permits(1);
    };
    let (reply, ()) = tokio::join!(sending, stopping);
    assert_eq!(reply, "AA");
    tokio::time::timeout(Duration::from_secs(10), sut.ran).await.expect("an end").unwrap().unwrap();
}

#[tokio::test]
async fn enhanced_mode_gets_both_acknowledgments_after_the_store() {
    let sut = start().await;
    let enhanced = adt("C1", "A28", "p-1", "20240301").replace("2.5.1||||||", "2.5.1|||AL|AL||");
    let mut raw = sut.raw().await;
    assert_eq!(codes(&exchange(&mut raw, enhanced.as_bytes()).await), "CA");
    assert_eq!(codes(&frame(&mut raw).await), "AA");
    assert_eq!(sut.received().await, 1);
}
