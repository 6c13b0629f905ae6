//! Row F7: the power fails, and only what was synced is there afterwards. Real processes run under `strace`; from
//! what they did, every state the disk may have been in is rebuilt and opened again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    num::NonZeroUsize,
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use fault_harness::{
    deployment::{Deployment, Role},
    endpoint::{self, Endpoint, Script},
    oracle::Mark,
    power_loss::{Moment, Recording, Remains, Talk},
};
use message_store::{Config, DirectoryConfig, EmbeddedConfig, PatientKey};
use queue::{EmbeddedQueue, Queue};
use tokio::{io::AsyncWriteExt, net::TcpStream, runtime::Handle};

use crate::{
    processes::{deployment, load},
    rig::DEADLINE,
};

/// Marks that the process has promised something about, by what it said and heard.
#[derive(Default)]
struct Promises {
    /// Writes it answered with 2xx, or messages it answered with AA.
    given: BTreeSet<Mark>,
    /// Messages the endpoint has answered with AA, by control id.
    delivered: BTreeMap<String, Mark>,
}

impl Promises {
    fn of(talk: &[Talk]) -> Self {
        let mut promises = Self::default();
        // The last mark of each connection, and the control ids of the messages that went over it.
        let mut asked: HashMap<&Path, Mark> = HashMap::new();
        let mut messages: HashMap<String, Mark> = HashMap::new();
        for one in talk {
            let text = String::from_utf8_lossy(&one.bytes);
            if let Some(mark) = Mark::find(&one.bytes).filter(|_| text.contains("MSH|")) {
                messages.insert(
                    endpoint::control_id(one.bytes.strip_prefix(b"\x0b").unwrap_or(&one.bytes)),
                    mark,
                );
                continue;
            }
            let accepted = text.split_once("MSA|AA|").map(|(_, rest)| rest.split(['\r', '|']).next());
            match (one.sent, accepted.flatten(), Mark::find(&one.bytes)) {
                (true, Some(id), _) => promises.given.extend(messages.get(id)),
                (false, Some(id), _) => {
                    promises.delivered.extend(messages.get(id).map(|mark| (id.to_owned(), *mark)));
                }
                (true, None, _) if text.starts_with("HTTP/1.1 20") => {
                    promises.given.extend(asked.get(one.socket.as_path()));
                }
                (false, None, Some(mark)) => drop(asked.insert(&one.socket, mark)),
                _ => {}
            }
        }
        promises
    }
}

/// The remains as files in a folder of their own; in memory, where the machine has such a place.
fn restored(remains: &Remains) -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("a folder");
    for (path, content) in remains {
        let path = folder.path().join(path);
        match content {
            None => fs::create_dir_all(&path).expect("made"),
            Some(content) => fs::write(&path, content).expect("written"),
        }
    }
    folder
}

async fn recorded(mut bridge: Deployment, role: Role, use_it: impl AsyncFnOnce(&Deployment)) -> Recording {
    let logs = tempfile::tempdir().expect("a folder");
    let recorder = bridge.record(&logs.path().join("calls")).expect("strace");
    bridge.start(role).await.expect("started");
    use_it(&bridge).await;
    bridge.kill(role);
    recorder.finish(DEADLINE).await.expect("a whole log")
}

/// Opens every state on a runtime of its own, since the replay is not async.
async fn each_state(
    recording: Recording,
    check: impl AsyncFn(&Moment<'_>, Promises, &Path) + Send + Sync + 'static,
) -> usize {
    let replay = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        recording.replay(SEED, 2, |moment| {
            let folder = restored(moment.remains);
            runtime.block_on(check(moment, Promises::of(moment.talk), folder.path()));
        })
    };
    Handle::current().spawn_blocking(replay).await.expect("no panic").expect("everything is modelled")
}

/// The marks in the queue of a folder; none when there is no queue yet.
async fn queued(folder: &Path) -> BTreeSet<Mark> {
    let path = folder.join("data/queue/queue.db");
    let config = queue::EmbeddedConfig {
        path,
        max_per_group: usize::MAX,
        reserve_bytes: 0,
        ..queue::EmbeddedConfig::default()
    };
    let queue = EmbeddedQueue::open(&config).await.expect("opens");
    let mut marks = BTreeSet::new();
    loop {
        let deliveries = queue.receive(MOST, Duration::ZERO).await.expect("readable");
        if deliveries.is_empty() {
            assert_eq!(queue.statistics().await.expect("counted").dead, 0);
            return marks;
        }
        for delivery in deliveries {
            let mark = Mark::find(delivery.envelope.body.as_bytes()).expect("marked");
            assert!(marks.insert(mark), "{mark} is there twice");
        }
    }
}

/// Control ids that the outcome ledger knows: the third of seven columns.
fn noted(folder: &Path) -> BTreeSet<String> {
    let text = fs::read(folder.join("ledger")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    lines.filter(|columns| columns.len() == 7).map(|columns| columns[2].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_a_power_failure_takes_no_answered_write_and_no_noted_outcome() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let mut bridge = deployment(&endpoint);
    let ledger = bridge.data().join("ledger");
    bridge.set("SENDER__LEDGER", ledger.display()).set("QUEUE__RESERVE_BYTES", 4096);
    let recording = recorded(bridge, Role::Up, async |bridge| {
        let load = load(bridge);
        // Writers at once, so that commits are shared, and the endpoint away for a while, so that some wait.
        for (first, last, down) in [(1, 3, false), (4, 5, true), (6, 8, false)] {
            if down {
                endpoint.down()
            } else {
                endpoint.up()
            }
            let writers = (1..=4).map(|group| {
                let load = load.clone();
                tokio::spawn(async move {
                    for version in first..=last {
                        assert!(load.write(Mark { group, version }, DEADLINE).await);
                    }
                })
            });
            for writer in writers.collect::<Vec<_>>() {
                writer.await.expect("written");
            }
        }
        let all = load.accepted().len() as u64;
        assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored_count() >= all).await);
    })
    .await;
    let states = each_state(recording, async |moment, promises, folder| {
        let what = moment.luck;
        let (queued, noted) = (queued(folder).await, noted(folder));
        let delivered: BTreeSet<Mark> = promises.delivered.values().copied().collect();
        for mark in &promises.given {
            assert!(queued.contains(mark) || delivered.contains(mark), "{mark} is lost ({what:?})");
        }
        for (id, mark) in &promises.delivered {
            assert!(
                queued.contains(mark) || noted.contains(id),
                "{mark} left before it was noted ({what:?})"
            );
        }
    })
    .await;
    assert!(states > 300, "{states} states");
    println!("power loss of hook, queue and sender: {states} states");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_a_power_failure_takes_no_acknowledged_message_from_a_directory() {
    takes_no_acknowledged_message("directory", |store| {
        Config::Directory(DirectoryConfig { path: store.join("store") })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_a_power_failure_takes_no_acknowledged_message_from_an_embedded_store() {
    takes_no_acknowledged_message("embedded", |store| {
        Config::Embedded(EmbeddedConfig { path: store.join("store/messages.db") })
    })
    .await;
}

async fn takes_no_acknowledged_message(kind: &str, store_in: fn(&Path) -> Config) {
    let nowhere = Endpoint::start(Script::accept()).await.expect("started");
    let mut bridge = deployment(&nowhere);
    let receiver = bridge.receiver_address();
    let path = match store_in(bridge.data()) {
        Config::Directory(store) => store.path,
        Config::Embedded(store) => store.path,
        Config::S3(_) | Config::Memory {} => unreachable!("on a disk"),
    };
    bridge
        .set("STORE__KIND", kind)
        .set("STORE__PATH", path.display())
        .set("RECEIVER__LISTEN_PLAIN", receiver);
    let recording = recorded(bridge, Role::Receiver, async |_| {
        let peers = (1..=3).map(|group| tokio::spawn(peer(receiver, group)));
        for peer in peers.collect::<Vec<_>>() {
            peer.await.expect("acknowledged");
        }
    })
    .await;
    let states = each_state(recording, async move |moment, promises, folder| {
        let what = moment.luck;
        let store = store_in(folder).connect().await.expect("opens");
        let page = store.list_received(None, MOST).await.expect("listed");
        let mut stored = BTreeSet::new();
        for entry in page.entries {
            let body = store.received(&entry.key).await.expect("readable").expect("listed");
            let mark = Mark::find(&body).expect("marked");
            assert_eq!(body, Bytes::from(message(mark)), "not the bytes that were sent ({what:?})");
            stored.insert(mark);
        }
        for mark in &promises.given {
            assert!(stored.contains(mark), "{mark} is lost ({what:?})");
            let patient = PatientKey::new(&patient(mark.group)).expect("an id");
            let current = store.current(&patient).await.expect("readable").expect("there");
            let there = Mark::find(&current.body).expect("marked");
            assert_eq!(current.body, Bytes::from(message(there)));
            assert!(there.version >= mark.version, "{there} is older than {mark} ({what:?})");
        }
    })
    .await;
    // Messages that wait for the same commit share its moments.
    assert!(states > 100, "{states} states");
}

/// Sends versions of one patient, each after the acknowledgment of the one before.
async fn peer(receiver: std::net::SocketAddr, group: u64) {
    let mut stream = TcpStream::connect(receiver).await.expect("connected");
    for version in 1..=12 {
        let mark = Mark { group, version };
        stream.write_all(&endpoint::frame(&message(mark))).await.expect("sent");
        let mut reply = Vec::new();
        while !reply.ends_with(b"\x1c\r") {
            let read = tokio::io::AsyncReadExt::read_buf(&mut stream, &mut reply).await.expect("read");
            assert!(read > 0, "the receiver closed");
        }
        assert!(String::from_utf8_lossy(&reply).contains("MSA|AA|"), "{}", String::from_utf8_lossy(&reply));
    }
}

fn patient(group: u64) -> String {
    format!("fault-{group}")
}

fn message(mark: Mark) -> Vec<u8> {
    let (patient, second) = (patient(mark.group), mark.version);
    format!(
        "MSH|^~\\&|A|B|C|D|202601010000{second:02}||ADT^A08^ADT_A01|{patient}-{second}|T|2.5.1\rEVN||202601010000{second:02}\r\
         PID|1||{patient}^^^B^FW||{mark}^Canary\rPV1|1|N\r"
    )
    .into_bytes()
}

const MOST: NonZeroUsize = NonZeroUsize::new(1000).expect("not zero");
const SEED: u64 = 7;
