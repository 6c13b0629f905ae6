//! A writer process is killed at a random moment, many times; what it reported done must be there.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use message_store::{
    AcceptedRecord, Config, DirectoryConfig, EmbeddedConfig, Mark, MessageStore, OrderingKey, PatientKey,
    Precondition, ReceivedKey, StoreError,
};

#[tokio::test]
async fn a_directory_survives_a_killed_writer() {
    let folder = tempfile::tempdir().unwrap();
    survives_a_killed_writer("directory", folder.path()).await;
    let scratch: Vec<PathBuf> =
        std::fs::read_dir(folder.path().join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(scratch.len() <= 2, "what the twelve dead writers left is gone: {scratch:?}");
}

#[tokio::test]
async fn an_embedded_store_survives_a_killed_writer() {
    let folder = tempfile::tempdir().unwrap();
    survives_a_killed_writer("embedded", &folder.path().join("messages.db")).await;
}

async fn open(kind: &str, path: &Path) -> Arc<dyn MessageStore> {
    let path = path.to_owned();
    let config = match kind {
        "directory" => Config::Directory(DirectoryConfig { path }),
        _ => Config::Embedded(EmbeddedConfig { path }),
    };
    config.connect().await.unwrap()
}

async fn survives_a_killed_writer(kind: &str, path: &Path) {
    // One that goes on meanwhile sees the same, and is not disturbed.
    let witness = open(kind, path).await;
    let mut done = 0;
    for round in 0..12_usize {
        let mut writer = Command::new(env::current_exe().unwrap())
            .args(["--exact", "crash::writer", "--ignored", "--nocapture", "--test-threads=1"])
            .env("CRASH_KIND", kind)
            .env("CRASH_PATH", path)
            .env("CRASH_FROM", done.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in lines {
            let line = line.unwrap();
            // The harness may print its own text before the first report, on the same line.
            let Some(number) = line.rsplit("done ").next().and_then(|text| text.parse::<usize>().ok()) else {
                continue;
            };
            done = number;
            seen += 1;
            if seen > round % 5 {
                writer.kill().unwrap(); // SIGKILL while the next writes are under way
            }
        }
        writer.wait().unwrap();
        assert!(seen > 0, "the writer did nothing");

        let store = open(kind, path).await;
        for number in 1..=done {
            let body = store.received(&received(number)).await.unwrap().unwrap();
            assert_eq!(body, text(number));
        }
        let current = store.current(&patient()).await.unwrap().unwrap();
        assert!(current.order.clone().unwrap() >= order(done), "{:?} after {done}", current.order);
        let number: usize = current.order.unwrap().as_str().parse().unwrap();
        assert_eq!(current.body, text(number));
        let record = store.accepted(&patient()).await.unwrap().unwrap().record;
        assert!(record.version >= done as u64);
        assert_eq!(record.body, text(usize::try_from(record.version).unwrap()));
        let seen = witness.received(&received(done)).await.unwrap();
        assert_eq!(seen, Some(text(done).into()));
        witness.put_received(&received(1_000_000 + round), text(round).into()).await.unwrap();
    }
}

/// The process that gets killed; does nothing when it is run by hand.
#[tokio::test]
#[ignore = "run by the tests above"]
async fn writer() {
    let variables = (env::var_os("CRASH_KIND"), env::var_os("CRASH_PATH"), env::var_os("CRASH_FROM"));
    let (Some(kind), Some(path), Some(from)) = variables else { return };
    let from: usize = from.to_str().unwrap().parse().unwrap();
    let store = open(kind.to_str().unwrap(), Path::new(&path)).await;
    for number in from + 1..from + 400 {
        store.put_received(&received(number), text(number).into()).await.unwrap();
        store.put_current(&patient(), &order(number), text(number).into()).await.unwrap();
        let record = AcceptedRecord {
            body: text(number).into(),
            deleted: false,
            version: number as u64,
            order: order(number),
            control_id: "X".to_owned(),
            request: None,
            told: Mark::default(),
            counted: true,
            content: None,
            claim: None,
        };
        loop {
            let seen = store.accepted(&patient()).await.unwrap();
            let condition = seen.map_or(Precondition::Absent, |seen| Precondition::Matches(seen.tag));
            match store.put_accepted(&patient(), record.clone(), condition).await {
                Ok(_) => break,
                Err(StoreError::Changed) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "done {number}").unwrap();
        out.flush().unwrap();
    }
}

fn received(number: usize) -> ReceivedKey {
    ReceivedKey::new("A|B", &number.to_string())
}

fn text(number: usize) -> String {
    format!("MSH|{number}\r").repeat(200)
}

fn order(number: usize) -> OrderingKey {
    OrderingKey::new(format!("{number:06}")).unwrap()
}

fn patient() -> PatientKey {
    PatientKey::new("p-204").unwrap()
}
