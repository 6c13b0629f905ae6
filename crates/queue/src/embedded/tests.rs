//! Faults below the interface: what the disk may do.

use tempfile::TempDir;

use super::*;
use crate::{Attributes, DeduplicationId};

const TEN: NonZeroUsize = NonZeroUsize::new(10).unwrap();

async fn open() -> (TempDir, EmbeddedQueue) {
    let folder = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig {
        path: folder.path().join("queue.db"),
        reserve_bytes: 64 * 1024,
        ..EmbeddedConfig::default()
    };
    let queue = EmbeddedQueue::open(&config).await.unwrap();
    (folder, queue)
}

fn envelope(name: &str, bytes: usize) -> Envelope {
    Envelope {
        body: "x".repeat(bytes),
        group: GroupId::digest(&[name]),
        deduplication_id: DeduplicationId::digest(&[name]),
        attributes: Attributes { control_id: name.into(), event: "ADT^A28".into(), ..Attributes::default() },
    }
}

#[tokio::test]
async fn a_failed_commit_is_final_and_noticed() {
    let (folder, queue) = open().await;
    queue.send(envelope("m1", 10)).await.unwrap();
    let forbid = |core: &mut Core| {
        core.connection.pragma_update(None, "query_only", true).map_err(|error| rows::database_error(&error))
    };
    queue.run(forbid).await.unwrap();
    assert!(matches!(queue.send(envelope("m2", 10)).await, Err(QueueError::Unavailable { .. })));
    assert!(matches!(queue.failed().await, QueueError::Unavailable { .. }));
    for again in 0..3 {
        let refused = queue.send(envelope(&format!("again{again}"), 10)).await;
        assert!(matches!(refused, Err(QueueError::Unavailable { .. })));
    }
    assert!(queue.receive(TEN, Duration::from_secs(10)).await.is_err(), "without waiting");
    assert!(queue.ready().await.is_err() && queue.statistics().await.is_err());
    drop(queue);
    // What was answered is there after the restart, and nothing else.
    let path = folder.path().join("queue.db");
    let queue = EmbeddedQueue::open(&EmbeddedConfig { path, ..EmbeddedConfig::default() }).await.unwrap();
    let received = queue.receive(TEN, Duration::ZERO).await.unwrap();
    assert_eq!(received.iter().map(|one| one.envelope.clone()).collect::<Vec<_>>(), [envelope("m1", 10)]);
}

#[tokio::test]
async fn a_full_disk_refuses_sends_and_still_deletes() {
    let (_folder, queue) = open().await;
    queue.send(envelope("m1", 10_000)).await.unwrap();
    let fill = |core: &mut Core| {
        let pages: i64 = core.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        // SQLite answers as on a full disk once the file would need another page.
        core.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        Ok(())
    };
    queue.run(fill).await.unwrap();
    let delivery = queue.receive(TEN, Duration::ZERO).await.unwrap().remove(0);
    let (sent, deleted) = tokio::join!(queue.send(envelope("m2", 100_000)), queue.delete(&delivery.receipt));
    assert_eq!(sent, Err(QueueError::Full));
    deleted.unwrap();
    // The refused one left nothing: the same identity is new once there is room.
    let widen = |core: &mut Core| {
        core.connection.pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(())).unwrap();
        Ok(())
    };
    queue.run(widen).await.unwrap();
    assert!(matches!(queue.send(envelope("m2", 100_000)).await, Ok(Sent::New { .. })));
}

/// Messages that the scheduler knows.
async fn in_memory(queue: &EmbeddedQueue) -> u64 {
    let counts = queue.run(|core: &mut Core| Ok(core.scheduler.counts())).await.unwrap();
    counts.0 + counts.1 + counts.2
}

fn of_group(group: &str, name: &str) -> Envelope {
    Envelope { group: GroupId::digest(&[group]), ..envelope(name, 10) }
}

#[tokio::test]
async fn a_backlog_stays_on_disk_and_comes_in_order() {
    let (folder, queue) = open().await;
    for number in 0..30 {
        queue.send(of_group(&format!("g{}", number % 10), &format!("m{number:02}"))).await.unwrap();
    }
    // Two ready groups are enough, and a page is three.
    assert!(in_memory(&queue).await <= 5, "after sends");
    drop(queue);
    let path = folder.path().join("queue.db");
    let queue = EmbeddedQueue::open(&EmbeddedConfig { path, ..EmbeddedConfig::default() }).await.unwrap();
    assert!(in_memory(&queue).await <= 5, "after a restart");
    let mut names = Vec::new();
    for left in (0..30).rev() {
        let delivery = queue.receive(NonZeroUsize::MIN, Duration::ZERO).await.unwrap().remove(0);
        assert!(in_memory(&queue).await <= 6, "while it drains");
        queue.delete(&delivery.receipt).await.unwrap();
        names.push(delivery.envelope.attributes.control_id);
        assert_eq!(queue.statistics().await.unwrap().ready, left);
    }
    let sent: Vec<String> = (0..30).map(|number| format!("m{number:02}")).collect();
    assert_eq!(names, sent);
}

#[tokio::test]
async fn what_stands_behind_a_parked_group_comes_at_once() {
    let (_folder, queue) = open().await;
    for number in 0..20 {
        queue.send(of_group("parked", &format!("m{number}"))).await.unwrap();
    }
    queue.send(of_group("a", "a1")).await.unwrap();
    queue.send(of_group("b", "b1")).await.unwrap();
    queue.send(of_group("c", "c1")).await.unwrap();
    queue.park(&GroupId::digest(&["parked"])).await.unwrap();
    assert_eq!(queue.statistics().await.unwrap().parked, 20);
    let received = queue.receive(TEN, Duration::ZERO).await.unwrap();
    let names: Vec<_> = received.iter().map(|one| one.envelope.attributes.control_id.as_str()).collect();
    assert_eq!(names, ["a1", "b1", "c1"]);
    queue.unpark(&GroupId::digest(&["parked"])).await.unwrap();
    let received = queue.receive(TEN, Duration::ZERO).await.unwrap();
    assert_eq!(received[0].envelope.attributes.control_id, "m0");
}

#[tokio::test]
async fn a_dead_letter_of_the_backlog_is_redriven_to_its_place() {
    let (folder, queue) = open().await;
    for number in 0..12 {
        queue.send(of_group(&format!("g{}", number % 6), &format!("m{number:02}"))).await.unwrap();
    }
    // g5: m05 dies, m11 waits behind it.
    let deliveries = queue.receive(TEN, Duration::ZERO).await.unwrap();
    let delivery = deliveries.iter().find(|one| one.envelope.attributes.control_id == "m05").unwrap();
    queue.dead_letter(delivery, DeadLetter::new(crate::Reason::Expired)).await.unwrap();
    drop(queue);
    let path = folder.path().join("queue.db");
    let queue = EmbeddedQueue::open(&EmbeddedConfig { path, ..EmbeddedConfig::default() }).await.unwrap();
    assert!(in_memory(&queue).await <= 5);
    let letter = queue.list(None, None, 1).await.unwrap().remove(0);
    queue.redrive(&letter.id, Stale::Refuse).await.unwrap();
    assert_eq!(queue.statistics().await.unwrap().ready, 12);
    let mut names = Vec::new();
    while let Some(delivery) = queue.receive(NonZeroUsize::MIN, Duration::ZERO).await.unwrap().pop() {
        queue.delete(&delivery.receipt).await.unwrap();
        names.push(delivery.envelope.attributes.control_id);
    }
    let sent: Vec<String> = (0..12).map(|number| format!("m{number:02}")).collect();
    assert_eq!(names, sent);
}
