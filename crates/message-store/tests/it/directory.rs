//! Modes, foreign files, two owners, reopening.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use message_store::{
    DirectoryStore, MessageStore, OrderingKey, PatientKey, ReceivedKey, Replacement, StoreError, Stored,
};

#[tokio::test]
async fn what_was_stored_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let key = ReceivedKey::new("A|B", "foreign id");
    let store = DirectoryStore::open(folder.path().to_owned()).await.unwrap();
    store.put_received(&key, "one".into()).await.unwrap();
    store.put_current(&patient(), &order("2"), "current".into()).await.unwrap();
    drop(store);
    let store = DirectoryStore::open(folder.path().to_owned()).await.unwrap();
    assert_eq!(store.put_received(&key, "one".into()).await.unwrap(), Stored::Duplicate);
    assert_eq!(store.put_current(&patient(), &order("1"), "x".into()).await.unwrap(), Replacement::KeptNewer);
}

#[tokio::test]
async fn the_current_message_is_the_plain_text_at_its_contract_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path().to_owned()).await.unwrap();
    store.put_current(&patient(), &order("1"), "MSH|text".into()).await.unwrap();
    assert_eq!(fs::read(folder.path().join("Patient/p-204")).unwrap(), b"MSH|text");
}

#[tokio::test]
async fn a_file_put_there_by_hand_is_read_and_is_older_than_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path().to_owned()).await.unwrap();
    store.put_current(&patient(), &order("9"), "ours".into()).await.unwrap();
    fs::write(folder.path().join("Patient/p-204"), "theirs").unwrap();
    let current = store.current(&patient()).await.unwrap().unwrap();
    assert_eq!((current.body, current.order), ("theirs".into(), None));
    assert_eq!(store.put_current(&patient(), &order("1"), "x".into()).await.unwrap(), Replacement::Replaced);
}

#[tokio::test]
async fn a_crash_between_order_and_body_leaves_the_old_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path().to_owned()).await.unwrap();
    let body = folder.path().join("Patient/p-204");
    store.put_current(&patient(), &order("1"), "one".into()).await.unwrap();
    store.put_current(&patient(), &order("2"), "two".into()).await.unwrap();
    fs::write(&body, "one").unwrap(); // as if the second rename had never happened
    assert_eq!(store.current(&patient()).await.unwrap().unwrap().order, Some(order("1")));
    store.put_current(&patient(), &order("2"), "two".into()).await.unwrap();
    assert_eq!(store.current(&patient()).await.unwrap().unwrap().order, Some(order("2")));
}

#[tokio::test]
async fn only_the_owner_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = DirectoryStore::open(root.clone()).await.unwrap();
    store.put_received(&ReceivedKey::new("", "x"), "one".into()).await.unwrap();
    store.put_current(&patient(), &order("1"), "one".into()).await.unwrap();
    let mut pending = vec![root];
    let mut files = 0;
    while let Some(path) = pending.pop() {
        let metadata = fs::metadata(&path).unwrap();
        let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, wanted, "{}", path.display());
        if metadata.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
        }
    }
    assert!(files >= 4);
}

#[tokio::test]
async fn two_stores_on_one_folder_keep_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let one = DirectoryStore::open(folder.path().to_owned()).await.unwrap();
    let two = DirectoryStore::open(folder.path().to_owned()).await.unwrap();
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
async fn refuses_a_folder_of_another_version() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("format"), "message-store 9\n").unwrap();
    let error = DirectoryStore::open(folder.path().to_owned()).await.unwrap_err();
    assert!(matches!(error, StoreError::Config { .. }), "{error:?}");
}

#[tokio::test]
async fn a_folder_that_went_away_is_unavailable_and_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = DirectoryStore::open(root.clone()).await.unwrap();
    fs::remove_dir_all(&root).unwrap();
    fs::write(&root, "a file now").unwrap();
    assert!(store.current(&patient()).await.unwrap_err().is_transient());
    assert!(store.ready().await.is_err());
    assert!(Path::new(&root).exists());
}

fn patient() -> PatientKey {
    PatientKey::new("p-204").unwrap()
}

fn order(key: &str) -> OrderingKey {
    OrderingKey::new(key).unwrap()
}
