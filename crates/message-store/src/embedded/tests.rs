//! Faults below the interface: what the disk may do.

use tempfile::TempDir;

use super::*;

async fn open() -> (TempDir, EmbeddedStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path().join("messages.db")).await.unwrap();
    (folder, store)
}

fn key(name: &str) -> ReceivedKey {
    ReceivedKey::new("A|B", name)
}

#[tokio::test]
async fn a_failed_commit_is_final_for_writes_and_noticed() {
    let (folder, store) = open().await;
    store.put_received(&key("1"), "one".into()).await.unwrap();
    let forbid = |connection: &Connection, _: &mut writer::Clock| {
        connection.pragma_update(None, "query_only", true).map(Ok)
    };
    store.write("test", 0, forbid).await.unwrap();
    assert!(store.put_received(&key("2"), "two".into()).await.unwrap_err().is_transient());
    // Even if it would work again: nobody knows what the failed one left.
    let reader = store.shared.files.connect_reader().unwrap();
    reader.pragma_update(None, "query_only", false).unwrap();
    for _ in 0..3 {
        assert!(store.put_received(&key("2"), "two".into()).await.is_err());
        assert!(store.ready().await.is_err());
    }
    assert_eq!(store.received(&key("1")).await.unwrap(), Some("one".into()));
    drop(store);
    let store = EmbeddedStore::open(folder.path().join("messages.db")).await.unwrap();
    assert_eq!(store.received(&key("2")).await.unwrap(), None);
    assert_eq!(store.put_received(&key("2"), "two".into()).await.unwrap(), Stored::New);
}

#[tokio::test]
async fn a_full_disk_is_full_and_passes() {
    let (_folder, store) = open().await;
    let limit = |pages: Option<i64>| {
        move |connection: &Connection, _: &mut writer::Clock| {
            let now = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            // SQLite answers as on a full disk once the file would need another page.
            connection.pragma_update_and_check(None, "max_page_count", pages.unwrap_or(now), |_| Ok(Ok(())))
        }
    };
    store.write("test", 0, limit(None)).await.unwrap();
    let large = Bytes::from(vec![b'x'; 100_000]);
    let full = store.put_received(&key("1"), large.clone()).await;
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    assert_eq!(store.received(&key("1")).await.unwrap(), None);
    store.write("test", 0, limit(Some(1_000_000))).await.unwrap();
    assert_eq!(store.put_received(&key("1"), large).await.unwrap(), Stored::New);
}

#[tokio::test]
async fn a_damaged_body_is_corrupt_and_never_an_answer() {
    let (_folder, store) = open().await;
    let patient = PatientKey::new("p-204").unwrap();
    store.put_current(&patient, &OrderingKey::new("1").unwrap(), "MSH|one".into()).await.unwrap();
    let rot = |connection: &Connection, _: &mut writer::Clock| {
        connection.execute("UPDATE object SET body = CAST('MSH|two' AS BLOB)", []).map(|_| Ok(()))
    };
    store.write("test", 0, rot).await.unwrap();
    let read = store.current(&patient).await;
    assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{read:?}");
    assert!(!format!("{read:?}").contains("p-204"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_once_share_commits() {
    let (_folder, store) = open().await;
    let mut set = tokio::task::JoinSet::new();
    for number in 0..400 {
        let store = store.clone();
        set.spawn(async move { store.put_received(&key(&number.to_string()), "x".into()).await.unwrap() });
    }
    assert!(set.join_all().await.into_iter().all(|stored| stored == Stored::New));
    let frames = std::fs::metadata(store.shared.files.path().with_extension("db-wal")).unwrap().len() / 4096;
    assert!(frames < 400, "{frames} pages written for 400 messages");
}
