//! Each row of `docs/reference/exit-codes.md`, provoked with the built binary.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use fault_harness::{
    endpoint::{Endpoint, Reply, Script, Step},
    process::Signal,
};

use crate::{
    bridge::{DEADLINE, command, eventually},
    shutdown::unanswered,
};

/// The codes that the page lists.
fn listed() -> Vec<i32> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/exit-codes.md"));
    let page = page.unwrap();
    page.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok()).collect()
}

fn code(mut command: Command) -> i32 {
    let output = command.output().unwrap();
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn told(folder: &Path, arguments: &[&str]) -> i32 {
    let mut command = command();
    command.args(arguments).current_dir(folder);
    code(command)
}

/// The code after one signal, or after a second one while a delivery is without its answer.
async fn signalled(signals: &[Signal], drain: &str) -> i32 {
    let data = tempfile::tempdir().unwrap();
    let (_endpoint, mut bridge) = unanswered(data.path(), drain).await;
    for (sent, signal) in signals.iter().enumerate() {
        if sent > 0 {
            eventually("the first signal is heard", async || {
                bridge.process.output().contains("a second signal ends at once").then_some(())
            })
            .await;
        }
        bridge.process.signal(*signal).unwrap();
    }
    bridge.process.wait(DEADLINE).await.unwrap().code().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_of_the_reference_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let message = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/patient.json");
    let er7 = command().args(["convert", "--to", "er7", message]).output().unwrap().stdout;
    fs::write(folder.join("message.hl7"), er7).unwrap();
    fs::write(folder.join("no-folder"), "").unwrap();
    fs::write(folder.join("bad.toml"), "[hook]\nlistn = 1\n").unwrap();

    fs::write(folder.join("memory.toml"), "[hook]\nlisten = \"127.0.0.1:0\"\n[queue]\nkind = \"memory\"\n")
        .unwrap();

    let refusing = Endpoint::start(Script::always(vec![Step::Reply(Reply::new("AE"))])).await.unwrap();
    let silent = Endpoint::start(Script::always(vec![Step::Hold])).await.unwrap();
    let (refusing_at, silent_at) = (refusing.address().to_string(), silent.address().to_string());
    let send = |to: &str| told(folder, &["send", "message.hl7", "--plain", "--timeout", "1", "--to", to]);

    let mut given: BTreeMap<i32, i32> = BTreeMap::from([
        (0, told(folder, &["version"])),
        (1, told(folder, &["man", "no-folder/below"])),
        (2, told(folder, &["nonsense"])),
        (4, told(folder, &["convert", "--to", "fhir", "bad.toml"])),
        (6, send(&refusing_at)),
        (7, send(&silent_at)),
        (8, told(folder, &["backfill", "missing.ndjson"])),
        (9, told(folder, &["-c", "bad.toml", "doctor"])),
        (10, told(folder, &["-c", "memory.toml", "doctor", "--role", "hook", "--strict"])),
        (78, told(folder, &["-c", "bad.toml", "config", "validate"])),
    ]);
    drop(silent);
    given.insert(5, send(&silent_at));
    let (unsettled, interrupted, terminated) = tokio::join!(
        signalled(&[Signal::TERM], "1s"),
        signalled(&[Signal::INT, Signal::INT], "20s"),
        signalled(&[Signal::TERM, Signal::TERM], "20s"),
    );
    given.extend([(3, unsettled), (130, interrupted), (143, terminated)]);

    for (expected, got) in &given {
        assert_eq!(got, expected, "{given:?}");
    }
    assert_eq!(given.keys().copied().collect::<Vec<_>>(), listed(), "each code that is listed, and no other");
}
