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
