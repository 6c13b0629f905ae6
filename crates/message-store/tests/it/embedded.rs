//! Modes, foreign files, damage, several owners, reopening.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use message_store::{
    DirectoryStore, EmbeddedStore, MessageStore, OrderingKey, PatientKey, ReceivedKey, Replacement,
    StoreError, Stored,
};
use rusqlite::Connection;

async fn open(path: &Path) -> Result<EmbeddedStore, StoreError> {
    EmbeddedStore::open(path.to_owned()).await
}

fn database(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("store/messages.db")
}

#[tokio::test]
async fn what_was_stored_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let key = ReceivedKey::new("A|B", "foreign id");
    let store = open(&database(&folder)).await.unwrap();
    store.put_received(&key, "one".into()).await.unwrap();
    store.put_current(&patient(), &order("2"), "current".into()).await.unwrap();
    drop(store);
    let store = open(&database(&folder)).await.unwrap();
    assert_eq!(store.put_received(&key, "one".into()).await.unwrap(), Stored::Duplicate);
    assert_eq!(store.put_current(&patient(), &order("1"), "x".into()).await.unwrap(), Replacement::KeptNewer);
}

#[tokio::test]
async fn only_the_owner_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&database(&folder)).await.unwrap();
    store.put_received(&ReceivedKey::new("", "x"), "one".into()).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("store")), 0o700);
    let files: Vec<_> = fs::read_dir(folder.path().join("store")).unwrap().collect();
    assert_eq!(files.len(), 4, "database, log, its index, lock");
    for file in files {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_on_one_file_see_each_other_and_keep_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let one = open(&database(&folder)).await.unwrap();
    let two = open(&database(&folder)).await.unwrap();
    for index in 0..20 {
        let (even, odd) = (order(&format!("{:03}", 2 * index)), order(&format!("{:03}", 2 * index + 1)));
        let (patient, body) = (patient(), format!("{:03}", 2 * index + 1));
        let (a, b) = tokio::join!(
            one.put_current(&patient, &even, "even".into()),
            two.put_current(&patient, &odd, body.clone().into()),
        );
        a.unwrap();
        b.unwrap();
        assert_eq!(one.current(&patient).await.unwrap().unwrap().body, body);
    }
}

#[tokio::test]
async fn refuses_a_file_of_a_newer_version_and_leaves_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(&folder);
    drop(open(&path).await.unwrap());
    let newer = "INSERT INTO schema_history VALUES (7, 'adt-bridge 9.1.0', 0); PRAGMA user_version = 7;";
    Connection::open(&path).and_then(|connection| connection.execute_batch(newer)).unwrap();
    let before = fs::read(&path).unwrap();
    let error = open(&path).await.unwrap_err();
    let StoreError::Config { reason } = error else { panic!("{error}") };
    for told in ["version 7", "adt-bridge 9.1.0", "up to 1"] {
        assert!(reason.contains(told), "{reason}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn refuses_what_is_not_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("messages.db");
    Connection::open(&path)
        .and_then(|connection| connection.execute_batch("CREATE TABLE other (x)"))
        .unwrap();
    assert!(matches!(open(&path).await, Err(StoreError::Config { .. })));
    fs::write(&path, "text".repeat(2000)).unwrap();
    assert!(matches!(open(&path).await, Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn a_file_that_went_away_is_refused_and_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(&folder);
    let store = open(&path).await.unwrap();
    store.put_current(&patient(), &order("1"), "one".into()).await.unwrap();
    let aside = folder.path().join("aside.db");
    fs::rename(&path, &aside).unwrap();
    assert!(store.current(&patient()).await.unwrap_err().is_transient());
    assert!(store.put_current(&patient(), &order("2"), "two".into()).await.unwrap_err().is_transient());
    assert!(store.ready().await.is_err());
    drop(store);
    assert!(matches!(open(&path).await, Err(StoreError::Corrupt { .. })));
    assert!(!path.exists(), "no empty one in its place");
}

#[tokio::test]
async fn neither_kind_hides_a_store_of_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    drop(DirectoryStore::open(old.clone()).await.unwrap());
    let error = open(&old.join("messages.db")).await.unwrap_err().to_string();
    assert!(error.contains("holds a directory store"), "{error}");
    assert!(!old.join("messages.db").exists());
    drop(open(&new.join("messages.db")).await.unwrap());
    let error = DirectoryStore::open(new.clone()).await.unwrap_err().to_string();
    assert!(error.contains("holds an embedded store"), "{error}");
    assert!(!new.join("format").exists());
}

#[tokio::test]
async fn flipped_bytes_are_noticed_and_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(&folder);
    let key = |number: usize| ReceivedKey::new("A|B", &number.to_string());
    let body = |number: usize| format!("MSH|{number}|").repeat(60);
    let store = open(&path).await.unwrap();
    for number in 0..30 {
        store.put_received(&key(number), body(number).into()).await.unwrap();
    }
    drop(store);
    let whole = fs::read(&path).unwrap();
    let (mut refused, mut corrupt) = (0, 0);
    for (flip, offset) in (0..whole.len()).step_by(1013).enumerate() {
        let copy = folder.path().join(format!("{flip}.db"));
        let mut bytes = whole.clone();
        bytes[offset] ^= 1 << (flip % 8);
        fs::write(&copy, bytes).unwrap();
        let Ok(store) = open(&copy).await else {
            refused += 1;
            continue;
        };
        for number in 0..30 {
            match store.received(&key(number)).await {
                Ok(Some(read)) => assert_eq!(read, body(number), "byte {offset}"),
                Ok(None) => panic!("byte {offset} hides a message"),
                Err(_) => corrupt += 1,
            }
        }
    }
    assert!(refused > 0 && corrupt > 10, "{refused} refused, {corrupt} corrupt");
}

/// What the first version wrote (`examples/store_fixture.rs`).
#[tokio::test]
async fn reads_and_writes_on_a_file_of_the_first_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("messages.db");
    let sql = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/store-embedded-1.sql");
    Connection::open(&path)
        .and_then(|connection| connection.execute_batch(&fs::read_to_string(sql).unwrap()))
        .unwrap();
    let store = open(&path).await.unwrap();
    let patient = PatientKey::new("probe").unwrap();
    let current = store.current(&patient).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&current.body).contains("|p-2|"));
    let listed = store.list_received(None, std::num::NonZeroUsize::MAX).await.unwrap();
    assert_eq!(listed.entries.len(), 2);
    let put = async |key: &str| store.put_current(&patient, &order(key), "new".into()).await.unwrap();
    assert_eq!(put("20260101000001").await, Replacement::KeptNewer);
    assert_eq!(put("20260101000003").await, Replacement::Replaced);
}

fn patient() -> PatientKey {
    PatientKey::new("p-204").unwrap()
}

fn order(key: &str) -> OrderingKey {
    OrderingKey::new(key).unwrap()
}
