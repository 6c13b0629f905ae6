//! A writer process is killed at a random moment, many times; what it reported done must be there.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

use message_store::{
    AcceptedRecord, DirectoryStore, Mark, MessageStore, OrderingKey, PatientKey, Precondition, ReceivedKey,
    StoreError,
};

#[tokio::test]
async fn survives_a_killed_writer() {
    let folder = tempfile::tempdir().unwrap();
    let mut done = 0;
    for round in 0..12_usize {
        let mut writer = Command::new(env::current_exe().unwrap())
            .args(["--exact", "crash::writer", "--ignored", "--nocapture", "--test-threads=1"])
            .env("CRASH_FOLDER", folder.path())
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

        let store = DirectoryStore::open(folder.path().to_owned()).await.unwrap();
        for number in 1..=done {
            let body = store.received(&received(number)).await.unwrap().expect("reported done");
            assert_eq!(body, text(number));
        }
        let current = store.current(&patient()).await.unwrap().expect("reported done");
        assert!(current.order.clone().unwrap() >= order(done), "{:?} after {done}", current.order);
        let number: usize = current.order.unwrap().as_str().parse().unwrap();
        assert_eq!(current.body, text(number));
        let record = store.accepted(&patient()).await.unwrap().expect("reported done").record;
        assert!(record.version >= done as u64);
        assert_eq!(record.body, text(usize::try_from(record.version).unwrap()));
        let scratch: Vec<PathBuf> = std::fs::read_dir(folder.path().join("tmp"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(scratch.len(), 1, "what the dead writer left is gone");
    }
}

/// The process that gets killed; does nothing when it is run by hand.
#[tokio::test]
#[ignore = "run by survives_a_killed_writer"]
async fn writer() {
    let (Some(folder), Some(from)) = (env::var_os("CRASH_FOLDER"), env::var_os("CRASH_FROM")) else { return };
    let from: usize = from.to_str().unwrap().parse().unwrap();
    let store = DirectoryStore::open(folder.into()).await.unwrap();
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
