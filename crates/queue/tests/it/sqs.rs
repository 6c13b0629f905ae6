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

use queue::{DeadLetter, Queue, QueueError, Reason, SqsConfig, SqsQueue, Stale, contract::envelope};

const TEN: NonZeroUsize = NonZeroUsize::new(10).unwrap();

static NUMBER: AtomicU32 = AtomicU32::new(0);

async fn open() -> ((), Arc<dyn Queue>) {
    ((), Arc::new(connect().await))
}

async fn connect() -> SqsQueue {
    SqsQueue::connect(&create().await).await.unwrap()
}

async fn create() -> SqsConfig {
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let name = format!("contract-{run}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    SqsQueue::create_queues(&name, None).await.unwrap()
}

queue::contract_tests!([#[ignore = "needs SQS endpoint"]] open =>
    sends_and_receives_the_same_bytes, keeps_absent_attributes_absent, recognises_a_repeated_send,
    a_value_that_comes_back_is_a_message, keeps_the_order_of_a_group, withholds_a_group_on_lease,
    hands_out_again_after_the_lease, hands_out_again_after_a_release, extends_a_lease, deletes_for_good,
    deletes_many_for_good,
    wakes_a_waiting_receive, wakes_when_a_group_is_freed, dead_letters_leave_the_queue,
    refuses_what_cannot_be_carried, carries_a_body_of_the_limit, counts, consumers_share_without_overlap, lists_and_shows_dead_letters,
    lists_many_dead_letters_of_a_group, skips_dead_letters, redrives_dead_letters, refuses_a_redrive_that_rolls_back, withholds_parked_groups,
    a_redrive_in_a_parked_group_goes_first,
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
#[ignore = "needs SQS endpoint"]
async fn parked_groups_stay_parked_for_the_next_process() {
    let config = create().await;
    let queue = SqsQueue::connect(&config).await.unwrap();
    let group = envelope("a", "m1").group;
    queue.dead_letters().unwrap().park(&group).await.unwrap();
    queue.send(envelope("a", "m1")).await.unwrap();
    let next = SqsQueue::connect(&config).await.unwrap();
    assert!(next.receive(TEN, Duration::from_secs(1)).await.unwrap().is_empty());
    let operator = next.dead_letters().unwrap();
    assert_eq!(operator.parked().await.unwrap(), std::slice::from_ref(&group));
    operator.unpark(&group).await.unwrap();
    let delivery = next.receive(TEN, Duration::from_secs(5)).await.unwrap().remove(0);
    assert_eq!(delivery.envelope, envelope("a", "m1"));
    assert!(
        SqsQueue::connect(&config).await.unwrap().dead_letters().unwrap().parked().await.unwrap().is_empty()
    );
}

#[tokio::test]
#[ignore = "needs SQS endpoint"]
async fn a_first_receive_that_is_dropped_forgets_no_parked_group() {
    let config = create().await;
    let queue = SqsQueue::connect(&config).await.unwrap();
    queue.dead_letters().unwrap().park(&envelope("a", "m1").group).await.unwrap();
    queue.send(envelope("a", "m1")).await.unwrap();
    let next = SqsQueue::connect(&config).await.unwrap();
    for milliseconds in [5, 50, 500] {
        let early = Duration::from_millis(milliseconds);
        assert!(tokio::time::timeout(early, next.receive(TEN, Duration::from_secs(1))).await.is_err());
    }
    assert!(next.receive(TEN, Duration::from_secs(1)).await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs SQS endpoint"]
async fn a_redriven_message_that_is_given_back_stays_a_dead_letter() {
    let queue = connect().await;
    queue.send(envelope("a", "m1")).await.unwrap();
    let head = queue.receive(TEN, Duration::from_secs(5)).await.unwrap().remove(0);
    let operator = queue.dead_letters().unwrap();
    operator.park(&head.envelope.group).await.unwrap();
    queue.dead_letter(&head, DeadLetter::new(Reason::KillsPeer)).await.unwrap();
    let id = operator.list(None, None, 10).await.unwrap().remove(0).id;
    operator.redrive(&id, Stale::Refuse).await.unwrap();
    let again = queue.receive(TEN, Duration::from_secs(5)).await.unwrap().remove(0);
    assert_eq!(queue.change_visibility(&[again.receipt], Duration::ZERO).await, [Ok(())]);
    assert_eq!(operator.list(None, None, 10).await.unwrap()[0].id, id);
    operator.redrive(&id, Stale::Refuse).await.unwrap();
    let again = queue.receive(TEN, Duration::from_secs(5)).await.unwrap().remove(0);
    queue.dead_letter(&again, DeadLetter::new(Reason::Expired)).await.unwrap();
    let listed = operator.list(None, None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|line| line.reason).collect::<Vec<_>>(), [Reason::Expired]);
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
