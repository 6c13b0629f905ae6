//! The embedded queue's file: killed, torn, flipped, full, long, and what an operator does with dead letters.

use std::{
    collections::HashMap,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use fault_harness::{
    endpoint::{Endpoint, Reply, Script, Step, When},
    oracle::Mark,
};
use queue::{EmbeddedConfig, EmbeddedQueue, Queue, QueueError, Reason, Stale};

use crate::rig::{Rig, control_id, envelope};

fn settings(folder: &Path) -> EmbeddedConfig {
    EmbeddedConfig { path: folder.join("queue.db"), reserve_bytes: 64 * 1024, ..EmbeddedConfig::default() }
}

async fn open(folder: &Path) -> EmbeddedQueue {
    EmbeddedQueue::open(&settings(folder)).await.expect("opened")
}

/// The files of a queue as a crash at this moment would leave them, in a folder of their own.
fn crashed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension != "lock") {
            fs::copy(&path, copy.path().join(path.file_name().expect("a name"))).expect("copied");
        }
    }
    copy
}

/// Everything a queue still has, by control id.
async fn contents(queue: &EmbeddedQueue) -> Result<HashMap<String, String>, QueueError> {
    let most = NonZeroUsize::new(32).expect("not zero");
    let mut all = HashMap::new();
    loop {
        let deliveries = queue.receive(most, Duration::ZERO).await?;
        if deliveries.is_empty() {
            return Ok(all);
        }
        for delivery in deliveries {
            let id = delivery.envelope.attributes.control_id.clone();
            all.insert(id, delivery.envelope.body.clone());
            queue.delete(&delivery.receipt).await?;
        }
    }
}

#[tokio::test]
async fn f04_a_crash_at_any_moment_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let queue = open(folder.path()).await;
    for version in 1..=40 {
        queue.send(envelope(Mark { group: version % 5, version }, 400)).await.expect("queued");
        if version % 8 == 0 {
            let copy = crashed(folder.path());
            let began = Instant::now();
            let recovered = open(copy.path()).await;
            assert!(began.elapsed() < Duration::from_secs(5));
            assert_eq!(contents(&recovered).await.expect("readable").len() as u64, version);
        }
    }
}

#[tokio::test]
async fn f04_a_torn_write_ahead_log_gives_back_a_prefix() {
    let folder = tempfile::tempdir().expect("a folder");
    let queue = open(folder.path()).await;
    for version in 1..=12 {
        queue.send(envelope(Mark { group: 1, version }, 200)).await.expect("queued");
    }
    let whole = crashed(folder.path());
    let wal = |folder: &Path| folder.join("queue.db-wal");
    let bytes = fs::read(wal(whole.path())).expect("a log");
    let mut fewer = 0;
    // Every length in the last two pages, then steps: each is a moment at which power failed.
    let lengths = (bytes.len().saturating_sub(64)..bytes.len()).chain((0..bytes.len()).step_by(1009));
    for length in lengths {
        let torn = crashed(whole.path());
        fs::write(wal(torn.path()), &bytes[..length]).expect("written");
        match EmbeddedQueue::open(&settings(torn.path())).await {
            Ok(recovered) => {
                let contents = contents(&recovered).await.expect("readable");
                let prefix = (1..=contents.len() as u64).all(|version| {
                    let mark = Mark { group: 1, version };
                    contents.get(&control_id(mark)) == Some(&envelope(mark, 200).body)
                });
                assert!(prefix, "cut to {length} bytes: {:?}", contents.keys());
                fewer += usize::from(contents.len() < 12);
            }
            Err(QueueError::Corrupt { .. }) => fewer += 1,
            Err(error) => panic!("cut to {length} bytes: {error}"),
        }
    }
    assert!(fewer > 0, "the cuts did reach the messages");
}

#[tokio::test]
async fn f35_flipped_bytes_are_noticed_and_never_delivered() {
    let folder = tempfile::tempdir().expect("a folder");
    let queue = open(folder.path()).await;
    for version in 1..=30 {
        queue.send(envelope(Mark { group: version, version }, 600)).await.expect("queued");
    }
    queue.close().await.expect("closed");
    drop(queue);
    let path = |folder: &Path| -> PathBuf { folder.join("queue.db") };
    let whole = fs::read(path(folder.path())).expect("a database");
    let (mut refused, mut damaged) = (0, 0);
    for (flip, offset) in (0..whole.len()).step_by(487).enumerate() {
        let copy = crashed(folder.path());
        let mut bytes = whole.clone();
        bytes[offset] ^= 1 << (flip % 8);
        fs::write(path(copy.path()), bytes).expect("written");
        let recovered = match EmbeddedQueue::open(&settings(copy.path())).await {
            Ok(recovered) => recovered,
            Err(error) => {
                assert!(
                    matches!(error, QueueError::Corrupt { .. } | QueueError::Unavailable { .. }),
                    "{error}"
                );
                refused += 1;
                continue;
            }
        };
        let contents = match contents(&recovered).await {
            Ok(contents) => contents,
            // A page that only a later call reads.
            Err(error) => {
                assert!(
                    matches!(error, QueueError::Corrupt { .. } | QueueError::Unavailable { .. }),
                    "{error}"
                );
                refused += 1;
                continue;
            }
        };
        for (id, body) in contents {
            let version = id.rsplit('-').next().and_then(|text| text.parse().ok()).expect("a version");
            let sent = envelope(Mark { group: version, version }, 600).body;
            assert!(body == sent, "{id} was delivered damaged after a flip at {offset}");
        }
        match recovered.dead_letters().expect("an operator's side").list(None, None, 100).await {
            Ok(letters) => {
                damaged += letters.iter().filter(|letter| letter.reason == Reason::Damaged).count()
            }
            // The flip hit the table's definition.
            Err(_) => refused += 1,
        }
    }
    assert!(refused + damaged > 0, "no flip was noticed at all");
}

#[tokio::test]
async fn f33_a_full_queue_refuses_sends_and_still_records_deletes() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = EmbeddedConfig { max_file_bytes: 400 * 1024, ..settings(folder.path()) };
    let queue = EmbeddedQueue::open(&config).await.expect("opened");
    let mut taken = 0;
    let full = loop {
        match queue.send(envelope(Mark { group: taken % 3, version: taken }, 8 * 1024)).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1000, "never full");
    };
    assert_eq!(full, QueueError::Full);
    assert_eq!(
        contents(&queue).await.expect("readable").len() as u64,
        taken,
        "everything accepted comes out and can be deleted"
    );
    queue.send(envelope(Mark { group: 1, version: 5000 }, 8 * 1024)).await.expect("there is room again");
    drop(queue);
    assert_eq!(
        contents(&open(folder.path()).await).await.expect("readable").len(),
        1,
        "the deletes survived"
    );
}

#[tokio::test]
async fn f45_a_long_backlog_opens_quickly_and_one_large_group_starves_nobody() {
    const LARGE: u64 = 3000;
    let folder = tempfile::tempdir().expect("a folder");
    let queue = Arc::new(open(folder.path()).await);
    let sends: Vec<_> = (1..=LARGE)
        .map(|version| Mark { group: 0, version })
        .chain((1..=300).map(|group| Mark { group, version: 1 }))
        .map(|mark| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.send(envelope(mark, 0)).await })
        })
        .collect();
    for send in sends {
        send.await.expect("no panic").expect("queued");
    }
    drop(queue);
    let began = Instant::now();
    let queue = open(folder.path()).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let most = NonZeroUsize::new(301).expect("not zero");
    let deliveries = queue.receive(most, Duration::ZERO).await.expect("received");
    let groups: std::collections::HashSet<_> =
        deliveries.iter().map(|one| one.envelope.group.clone()).collect();
    assert!(groups.len() > 100, "only {} groups in the first receive", groups.len());
}

#[tokio::test]
async fn f47_a_redrive_does_not_roll_a_patient_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let queue: Arc<dyn Queue> = Arc::new(open(folder.path()).await);
    let poison = Mark { group: 1, version: 1 };
    let refuse = vec![Step::Reply(Reply::new("AE").error("101", "E"))];
    let script = Script::accept().times(1, When::Contains(poison.to_string()), refuse);
    let endpoint = Endpoint::start(script).await.expect("started");
    let rig = Rig::start_on(Arc::clone(&queue), endpoint.address(), |_| {});
    rig.send(poison).await;
    rig.drained().await;
    rig.send(Mark { group: 1, version: 2 }).await;
    rig.drained().await;
    let letters = queue.dead_letters().expect("an operator's side");
    let listed = letters.list(None, None, 10).await.expect("listed");
    let letter = listed.first().expect("one dead letter");
    assert!(letter.superseded);
    assert_eq!(letters.redrive(&letter.id, Stale::Refuse).await, Err(QueueError::Superseded));
    assert_eq!(endpoint.stored().len(), 1);
    letters.redrive(&letter.id, Stale::Force).await.expect("the operator insists");
    rig.drained().await;
    assert_eq!(endpoint.stored().len(), 2, "sent once more, under its own control id");
    assert_eq!(endpoint.stored().last().map(|one| one.control_id.clone()), Some(control_id(poison)));
}
