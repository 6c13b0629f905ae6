//! Row F49: files of an older program are taken over whole, files of a newer one are refused and left alone. The
//! fixtures are what each version wrote (`queue/examples/queue_fixture.rs`, `message-store/examples/store_fixture.rs`).

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use fault_harness::{
    deployment::Role,
    endpoint::{Endpoint, Script},
    process::Signal,
};
use message_store::{DirectoryStore, MessageStore, OrderingKey, PatientKey, Replacement, StoreError};
use queue::{EmbeddedConfig, EmbeddedQueue, GroupId, Queue, QueueError, Reason};
use rusqlite::Connection;

use crate::{processes::deployment, rig::DEADLINE};

/// A database as the program of that version left it.
fn write_queue(path: &Path, fixture: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let sql = format!("{}/../queue/tests/fixtures/{fixture}", env!("CARGO_MANIFEST_DIR"));
    let connection = Connection::open(path).expect("opened");
    connection.pragma_update(None, "journal_mode", "WAL").expect("set");
    connection.execute_batch(&fs::read_to_string(sql).expect("the fixture")).expect("executed");
    fs::write(path.with_extension("db.lock"), "adt-bridge queue 1\n").expect("written");
}

fn settings(path: PathBuf) -> EmbeddedConfig {
    EmbeddedConfig { path, reserve_bytes: 4096, ..EmbeddedConfig::default() }
}

#[tokio::test]
async fn f49_a_queue_of_the_first_version_is_brought_forward_and_drains_in_order() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let mut bridge = deployment(&endpoint);
    let path = bridge.data().join("data/queue/queue.db");
    write_queue(&path, "queue-1.sql");
    bridge.start(Role::Up).await.expect("started");
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored_count() >= 4).await);
    let stored = endpoint.stored();
    let of = |group: &str| -> Vec<String> {
        stored.iter().map(|one| one.control_id.clone()).filter(|id| id.starts_with(group)).collect()
    };
    assert_eq!(of("a"), ["a-1", "a-2", "a-3"]);
    assert_eq!(of("b"), ["b-2"]);
    assert!(of("c").is_empty(), "parked");
    assert!(stored.iter().all(|one| one.body.ends_with("Probe^Ünä\r".as_bytes())));
    let process = bridge.process(Role::Up).expect("running");
    process.signal(Signal::TERM).expect("sent");
    assert!(process.wait(DEADLINE).await.expect("ended").success());

    let queue = EmbeddedQueue::open(&settings(path.clone())).await.expect("opens");
    let operator = queue.dead_letters().expect("an operator");
    let letters = operator.list(None, None, 10).await.expect("listed");
    let ids: Vec<_> = letters.iter().map(|letter| letter.attributes.control_id.as_str()).collect();
    assert_eq!(ids, ["b-1", "c-1"]);
    for letter in &letters {
        let record = operator.show(&letter.id).await.expect("shown");
        assert_eq!(record.letter.reason, Reason::NegativeAcknowledgment);
        assert_eq!((record.letter.attempts, record.letter.error_code.as_deref()), (2, Some("103")));
        assert!(record.letter.text.is_some_and(|text| text.contains("ERR|||103|E")));
    }
    assert!(letters[0].superseded && !letters[1].superseded, "b-2 was delivered meanwhile");
    let parked = GroupId::digest(&["c"]);
    assert_eq!(operator.parked().await.expect("listed"), std::slice::from_ref(&parked));
    operator.unpark(&parked).await.expect("unparked");
    let rest = queue.receive(NonZeroUsize::MAX, Duration::ZERO).await.expect("received");
    let ids: Vec<_> = rest.iter().map(|delivery| delivery.envelope.attributes.control_id.as_str()).collect();
    assert_eq!(ids, ["c-2"]);
    drop(queue);
    let connection = Connection::open(&path).expect("opened");
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
    assert_eq!(version, 3);
}

#[tokio::test]
async fn f49_a_queue_of_a_newer_version_is_refused_and_left_alone() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let mut bridge = deployment(&endpoint);
    let path = bridge.data().join("data/queue/queue.db");
    write_queue(&path, "queue-1.sql");
    let newer = "CREATE TABLE schema_history (version INTEGER PRIMARY KEY, program TEXT NOT NULL, at_ms INTEGER NOT NULL);
         INSERT INTO schema_history VALUES (7, 'adt-bridge 9.1.0', 0); PRAGMA user_version = 7;";
    Connection::open(&path).and_then(|connection| connection.execute_batch(newer)).expect("executed");
    let before = fs::read(&path).expect("read");
    let error = EmbeddedQueue::open(&settings(path.clone())).await.expect_err("refused");
    let QueueError::Configuration { reason } = error else { panic!("{error}") };
    for told in ["version 7", "adt-bridge 9.1.0", "up to 3"] {
        assert!(reason.contains(told), "{reason}");
    }
    let output = bridge.start(Role::Up).await.expect_err("refused").to_string();
    assert!(output.contains("version 7") && output.contains("up to 3"), "{output}");
    assert_eq!(fs::read(&path).expect("read"), before);
    assert_eq!(endpoint.stored_count(), 0);
}

#[tokio::test]
async fn f49_a_store_of_the_first_format_is_read_and_written_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = format!("{}/../message-store/tests/fixtures/store-1", env!("CARGO_MANIFEST_DIR"));
    copy(Path::new(&fixture), folder.path());
    let store = DirectoryStore::open(folder.path().to_owned()).await.expect("opens");
    let patient = PatientKey::new("probe").expect("an id");
    let current = store.current(&patient).await.expect("readable").expect("there");
    assert!(String::from_utf8_lossy(&current.body).contains("|p-2|"));
    let listed = store.list_received(None, NonZeroUsize::MAX).await.expect("listed");
    assert_eq!(listed.entries.len(), 2);
    let key = |text: &str| OrderingKey::new(text).expect("a key");
    let put = async |order: &str, body: &str| {
        store.put_current(&patient, &key(order), body.to_owned().into()).await.expect("stored")
    };
    assert_eq!(put("20260101000001", "older").await, Replacement::KeptNewer);
    assert_eq!(put("20260101000003", "newer").await, Replacement::Replaced);
    drop(store);
    fs::write(folder.path().join("format"), "message-store 4\n").expect("written");
    let error = DirectoryStore::open(folder.path().to_owned()).await.expect_err("refused");
    let StoreError::Config { reason } = error else { panic!("{error}") };
    assert!(reason.contains("format 4") && reason.contains("format 1"), "{reason}");
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).expect("made");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
