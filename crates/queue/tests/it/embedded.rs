//! The embedded queue keeps the contract, and what it keeps over restarts, full disks and damage.

use std::{
    fs::OpenOptions,
    io::{Seek, SeekFrom, Write},
    num::NonZeroUsize,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use clock::Clock;
use queue::{
    DeadLetter, EmbeddedConfig, EmbeddedQueue, Queue, QueueError, Reason, Sent, Stale, contract::envelope,
};
use tempfile::TempDir;

const TEN: NonZeroUsize = NonZeroUsize::new(10).unwrap();
const SOON: Duration = Duration::from_secs(10);

queue::contract_tests!([] open =>
    sends_and_receives_the_same_bytes, keeps_absent_attributes_absent, recognises_a_repeated_send,
    a_value_that_comes_back_is_a_message, keeps_the_order_of_a_group, withholds_a_group_on_lease,
    hands_out_again_after_the_lease, hands_out_again_after_a_release, extends_a_lease, deletes_for_good,
    deletes_many_for_good,
    wakes_a_waiting_receive, wakes_when_a_group_is_freed, dead_letters_leave_the_queue,
    refuses_what_cannot_be_carried, carries_a_body_of_the_limit, counts, consumers_share_without_overlap,
    fences_stale_receipts, dropped_receives_strand_nothing, lists_and_shows_dead_letters,
    lists_many_dead_letters_of_a_group, skips_dead_letters, redrives_dead_letters, refuses_a_redrive_that_rolls_back, withholds_parked_groups,
    a_redrive_in_a_parked_group_goes_first,
);

async fn open() -> (TempDir, Arc<dyn Queue>) {
    let folder = tempfile::tempdir().unwrap();
    let queue = EmbeddedQueue::open(&config(&folder)).await.unwrap();
    (folder, Arc::new(queue))
}

fn config(folder: &TempDir) -> EmbeddedConfig {
    EmbeddedConfig {
        path: folder.path().join("data/queue.db"),
        reserve_bytes: 64 * 1024,
        ..EmbeddedConfig::default()
    }
}

async fn reopen(folder: &TempDir) -> EmbeddedQueue {
    EmbeddedQueue::open(&config(folder)).await.unwrap()
}

#[tokio::test]
async fn a_restart_frees_leases_and_keeps_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    let queue = reopen(&folder).await;
    for (group, name) in [("a", "m1"), ("a", "m2"), ("b", "m3"), ("c", "m4")] {
        queue.send(envelope(group, name)).await.unwrap();
    }
    let leased = queue.receive(TEN, SOON).await.unwrap();
    assert_eq!(leased.len(), 3);
    queue.delete(&leased[1].receipt).await.unwrap();
    queue.dead_letter(&leased[2], DeadLetter::new(Reason::Expired)).await.unwrap();
    drop(queue);
    let queue = reopen(&folder).await;
    let statistics = queue.statistics().await.unwrap();
    assert_eq!((statistics.ready, statistics.in_flight, statistics.dead), (2, 0, 1));
    assert!(matches!(queue.send(envelope("b", "m3")).await, Ok(Sent::Duplicate { .. })));
    assert_eq!(queue.delete(&leased[0].receipt).await, Err(QueueError::Stale));
    let again = queue.receive(TEN, SOON).await.unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].envelope, envelope("a", "m1"));
}

#[tokio::test]
async fn receive_counts_survive_a_restart_once_the_lease_ended() {
    let folder = tempfile::tempdir().unwrap();
    let queue = reopen(&folder).await;
    queue.send(envelope("a", "m1")).await.unwrap();
    let delivery = queue.receive(TEN, SOON).await.unwrap().remove(0);
    queue.change_visibility(&[delivery.receipt], Duration::ZERO).await.remove(0).unwrap();
    queue.close().await.unwrap();
    let again = reopen(&folder).await.receive(TEN, SOON).await.unwrap();
    assert_eq!(again[0].receive_count, 2);
}

#[tokio::test]
async fn only_one_owner_at_a_time() {
    let (folder, queue) = open().await;
    assert_eq!(EmbeddedQueue::open(&config(&folder)).await.unwrap_err(), QueueError::Owned);
    drop(queue);
    reopen(&folder).await.ready().await.unwrap();
}

#[tokio::test]
async fn files_are_private() {
    let (folder, queue) = open().await;
    queue.send(envelope("a", "m1")).await.unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let data = folder.path().join("data");
    assert_eq!(mode(&data), 0o700);
    for file in data.read_dir().unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_closed_queue_refuses() {
    let (_folder, queue) = open().await;
    queue.close().await.unwrap();
    assert!(matches!(queue.send(envelope("a", "m1")).await, Err(QueueError::Unavailable { .. })));
    assert!(matches!(queue.receive(TEN, Duration::ZERO).await, Err(QueueError::Unavailable { .. })));
}

#[tokio::test]
async fn closing_ends_a_waiting_receive() {
    let (_folder, queue) = open().await;
    let (received, closed) = tokio::join!(queue.receive(TEN, SOON), queue.close());
    closed.unwrap();
    assert!(matches!(received, Err(QueueError::Unavailable { .. })));
}

#[tokio::test]
async fn a_full_queue_still_deletes() {
    let folder = tempfile::tempdir().unwrap();
    let small = EmbeddedConfig { max_file_bytes: 256 * 1024, ..config(&folder) };
    let queue = EmbeddedQueue::open(&small).await.unwrap();
    let mut sent = 0;
    let refused = loop {
        let mut message = envelope(&format!("g{sent}"), "m");
        message.body = "x".repeat(20_000);
        match queue.send(message).await {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, QueueError::Full);
    assert_eq!(queue.ready().await, Err(QueueError::Full));
    for delivery in queue.receive(TEN, SOON).await.unwrap() {
        queue.delete(&delivery.receipt).await.unwrap();
    }
    queue.ready().await.unwrap();
    queue.send(envelope("after", "m")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_body_becomes_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let queue = reopen(&folder).await;
    queue.send(envelope("a", "m1")).await.unwrap();
    queue.send(envelope("b", "m2")).await.unwrap();
    queue.close().await.unwrap();
    drop(queue);
    let path = config(&folder).path;
    let bytes = std::fs::read(&path).unwrap();
    let place = bytes.windows(10).position(|window| window == b"PID|||m1\t\xc3").unwrap();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(place as u64)).unwrap();
    file.write_all(b"Q").unwrap();
    let queue = reopen(&folder).await;
    let received = queue.receive(TEN, SOON).await.unwrap();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].envelope, envelope("b", "m2"));
    let dead = queue.dead_letters().unwrap().list(None, None, 10).await.unwrap();
    assert_eq!(dead.iter().map(|line| line.reason).collect::<Vec<_>>(), [Reason::Damaged]);
}

#[tokio::test]
async fn damage_of_the_file_stops_the_start() {
    for damage in ["truncated", "empty", "garbage", "missing", "foreign"] {
        let folder = tempfile::tempdir().unwrap();
        let queue = reopen(&folder).await;
        for number in 0..50 {
            queue.send(envelope("a", &format!("m{number}"))).await.unwrap();
        }
        queue.close().await.unwrap();
        drop(queue);
        let path = config(&folder).path;
        let bytes = std::fs::read(&path).unwrap();
        match damage {
            "truncated" => std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
            "empty" => std::fs::write(&path, b"").unwrap(),
            "garbage" => std::fs::write(&path, vec![0xA5; bytes.len()]).unwrap(),
            "missing" => std::fs::remove_file(&path).unwrap(),
            _ => {
                let mut other = bytes.clone();
                other[68..72].copy_from_slice(&[1, 2, 3, 4]);
                std::fs::write(&path, other).unwrap();
            }
        }
        let error = EmbeddedQueue::open(&config(&folder)).await.unwrap_err();
        assert!(matches!(error, QueueError::Corrupt { .. }), "{damage}: {error}");
    }
}

#[tokio::test]
async fn a_rotten_column_name_stops_the_start() {
    for name in ["superseded INTEGER", "receive_count INTEGER", "message_waiting ON"] {
        let (folder, queue) = open().await;
        queue.send(envelope("a", "m1")).await.unwrap();
        queue.close().await.unwrap();
        drop(queue);
        let path = config(&folder).path;
        let mut bytes = std::fs::read(&path).unwrap();
        let place = bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
        for damage in [b'q', 0xFF] {
            bytes[place] = damage;
            std::fs::write(&path, &bytes).unwrap();
            let error = EmbeddedQueue::open(&config(&folder)).await.unwrap_err();
            assert!(matches!(error, QueueError::Corrupt { .. }), "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn redrive_restores_the_place_and_refuses_what_is_superseded() {
    let (_folder, queue) = open().await;
    for name in ["m1", "m2", "m3"] {
        queue.send(envelope("a", name)).await.unwrap();
    }
    let operator = queue.dead_letters().unwrap();
    for _ in 0..2 {
        let head = queue.receive(TEN, SOON).await.unwrap().remove(0);
        let mut letter = DeadLetter::new(Reason::NegativeAcknowledgment);
        letter.text = Some("canary".into());
        queue.dead_letter(&head, letter).await.unwrap();
    }
    let group = envelope("a", "m1").group;
    let listed = operator.list(Some(&group), None, 10).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|line| line.id.clone()).collect();
    assert_eq!(operator.redrive(&ids[1], Stale::Refuse).await, Err(QueueError::OutOfOrder));
    operator.redrive(&ids[0], Stale::Refuse).await.unwrap();
    let first = queue.receive(TEN, SOON).await.unwrap().remove(0);
    assert_eq!(first.envelope, envelope("a", "m1"));
    queue.delete(&first.receipt).await.unwrap();
    let third = queue.receive(TEN, SOON).await.unwrap().remove(0);
    assert_eq!(third.envelope, envelope("a", "m3"));
    assert_eq!(operator.redrive(&ids[1], Stale::Refuse).await, Err(QueueError::Superseded));
    queue.delete(&third.receipt).await.unwrap();
    let record = operator.show(&ids[1]).await.unwrap();
    assert!(record.summary.superseded);
    assert_eq!(record.envelope, envelope("a", "m2"));
    assert_eq!(record.letter.text.as_deref(), Some("canary"));
    assert!(!format!("{record:?}").contains("canary"));
    assert_eq!(operator.redrive(&ids[1], Stale::Refuse).await, Err(QueueError::Superseded));
    operator.redrive(&ids[1], Stale::Force).await.unwrap();
    assert_eq!(queue.receive(TEN, SOON).await.unwrap()[0].envelope, envelope("a", "m2"));
    assert_eq!(operator.skip(&ids[1]).await, Err(QueueError::NotFound));
}

#[tokio::test]
async fn skipped_letters_are_gone() {
    let (_folder, queue) = open().await;
    queue.send(envelope("a", "m1")).await.unwrap();
    let head = queue.receive(TEN, SOON).await.unwrap().remove(0);
    queue.dead_letter(&head, DeadLetter::new(Reason::KillsPeer)).await.unwrap();
    let operator = queue.dead_letters().unwrap();
    let id = operator.list(None, None, 10).await.unwrap()[0].id.clone();
    operator.skip(&id).await.unwrap();
    assert_eq!(operator.show(&id).await.unwrap_err(), QueueError::NotFound);
    assert_eq!(queue.statistics().await.unwrap(), queue::Statistics::default());
}

#[tokio::test]
async fn parked_groups_stay_parked_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let queue = reopen(&folder).await;
    let group = envelope("a", "m1").group;
    queue.dead_letters().unwrap().park(&group).await.unwrap();
    queue.send(envelope("a", "m1")).await.unwrap();
    drop(queue);
    let queue = reopen(&folder).await;
    assert!(queue.receive(TEN, Duration::ZERO).await.unwrap().is_empty());
    assert_eq!(queue.statistics().await.unwrap().parked, 1);
    let operator = queue.dead_letters().unwrap();
    assert_eq!(operator.parked().await.unwrap(), std::slice::from_ref(&group));
    operator.unpark(&group).await.unwrap();
    assert_eq!(queue.receive(TEN, SOON).await.unwrap().len(), 1);
}

#[tokio::test]
async fn several_of_a_group_when_configured() {
    let folder = tempfile::tempdir().unwrap();
    let several = EmbeddedConfig { max_per_group: 3, ..config(&folder) };
    let queue = EmbeddedQueue::open(&several).await.unwrap();
    for number in 0..5 {
        queue.send(envelope("a", &format!("m{number}"))).await.unwrap();
    }
    let names = |deliveries: &[queue::Delivery]| {
        deliveries.iter().map(|delivery| delivery.envelope.attributes.control_id.clone()).collect::<Vec<_>>()
    };
    let first = queue.receive(TEN, SOON).await.unwrap();
    assert_eq!(names(&first), ["m0", "m1", "m2"]);
    for delivery in &first {
        assert!(queue.receive(TEN, Duration::ZERO).await.unwrap().is_empty());
        queue.delete(&delivery.receipt).await.unwrap();
    }
    assert_eq!(names(&queue.receive(TEN, SOON).await.unwrap()), ["m3", "m4"]);
}

#[tokio::test]
async fn a_lease_ends_while_the_host_is_suspended() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hands) = Clock::settable();
    let queue = EmbeddedQueue::open_with_clock(&config(&folder), clock).await.unwrap();
    queue.send(envelope("a", "m1")).await.unwrap();
    let before = queue.receive(TEN, SOON).await.unwrap().remove(0);
    hands.suspend(queue.visibility() - Duration::from_secs(60));
    assert!(queue.receive(TEN, Duration::ZERO).await.unwrap().is_empty(), "the lease holds");
    hands.suspend(Duration::from_secs(60));
    assert_eq!(queue.delete(&before.receipt).await, Err(QueueError::Stale));
    let again = queue.receive(TEN, SOON).await.unwrap().remove(0);
    assert_eq!((again.envelope, again.receive_count), (before.envelope, 2));
}

#[tokio::test]
async fn the_wall_clock_ends_no_lease_and_no_deduplication() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let folder = tempfile::tempdir().unwrap();
    let (clock, hands) = Clock::settable();
    let queue = EmbeddedQueue::open_with_clock(&config(&folder), clock).await.unwrap();
    queue.send(envelope("a", "m1")).await.unwrap();
    let held = queue.receive(TEN, SOON).await.unwrap().remove(0);
    for (ahead, hours) in [(true, 1), (false, 1), (true, 48), (false, 49)] {
        if ahead {
            hands.set_ahead(hours * HOUR)
        } else {
            hands.set_back(hours * HOUR)
        }
        assert!(queue.receive(TEN, Duration::ZERO).await.unwrap().is_empty(), "the lease holds");
        assert!(matches!(queue.send(envelope("a", "m1")).await, Ok(Sent::Duplicate { .. })));
        let age = queue.statistics().await.unwrap().oldest_age.unwrap();
        assert!(age < Duration::from_secs(60), "{age:?}");
    }
    queue.delete(&held.receipt).await.unwrap();
}
