//! SQS keeps the contract. Needs an endpoint in the environment (`AWS_ENDPOINT_URL` and credentials of an
//! emulator); every test makes queues of its own.
//!
//! Left out: `fences_stale_receipts`, which the emulator does not do and AWS does, and
//! `dropped_receives_strand_nothing`, because SQS counts a receive that nobody saw.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use queue::{Queue, QueueError, SqsConfig, SqsQueue, contract::envelope};

const TEN: NonZeroUsize = NonZeroUsize::new(10).unwrap();

static NUMBER: AtomicU32 = AtomicU32::new(0);

async fn open() -> ((), Arc<dyn Queue>) {
    ((), Arc::new(connect().await))
}

async fn connect() -> SqsQueue {
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let name = format!("contract-{run}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let config = SqsQueue::create_queues(&name, None).await.unwrap();
    SqsQueue::connect(&config).await.unwrap()
}

queue::contract_tests!([#[ignore = "needs SQS endpoint"]] open =>
    sends_and_receives_the_same_bytes, keeps_absent_attributes_absent, recognises_a_repeated_send,
    a_value_that_comes_back_is_a_message, keeps_the_order_of_a_group, withholds_a_group_on_lease,
    hands_out_again_after_the_lease, hands_out_again_after_a_release, extends_a_lease, deletes_for_good,
    wakes_a_waiting_receive, wakes_when_a_group_is_freed, dead_letters_leave_the_queue,
    refuses_what_cannot_be_carried, carries_a_body_of_the_limit, counts, consumers_share_without_overlap,
);

#[tokio::test]
#[ignore = "needs SQS endpoint"]
async fn a_dropped_receive_hands_its_messages_back() {
    let queue = connect().await;
    let early =
        tokio::time::timeout(Duration::from_millis(200), queue.receive(TEN, Duration::from_secs(5))).await;
    assert!(early.is_err(), "nothing to receive yet");
    queue.send(envelope("a", "m1")).await.unwrap();
    let began = Instant::now();
    let received = queue.receive(TEN, Duration::from_secs(20)).await.unwrap();
    assert_eq!(received.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(15), "long before the visibility time ends");
    tokio::time::timeout(Duration::from_secs(15), queue.close()).await.unwrap().unwrap();
}

#[tokio::test]
#[ignore = "needs SQS endpoint"]
async fn an_unknown_receipt_is_stale() {
    let queue = connect().await;
    let unknown = queue::Receipt::new("no such receipt");
    assert_eq!(queue.delete(&unknown).await, Err(QueueError::Stale));
}

#[tokio::test]
async fn refuses_settings_that_cannot_work() {
    let good = SqsConfig {
        url: "https://sqs.example/1/a.fifo".into(),
        dead_letter_url: "https://sqs.example/1/a-dead.fifo".into(),
        endpoint_url: None,
        visibility_seconds: 60,
        operation_timeout_seconds: 5,
    };
    for bad in [
        SqsConfig { url: "https://sqs.example/1/a".into(), ..good.clone() },
        SqsConfig { dead_letter_url: good.url.clone(), ..good.clone() },
        SqsConfig { visibility_seconds: 0, ..good.clone() },
        SqsConfig { visibility_seconds: 13 * 60 * 60, ..good },
    ] {
        assert!(matches!(SqsQueue::connect(&bad).await, Err(QueueError::Configuration { .. })));
    }
}
