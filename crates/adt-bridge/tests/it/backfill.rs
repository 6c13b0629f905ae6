//! A backfill that is killed again and again, on both sides, and still brings everyone's newest version.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::bridge::{Bridge, command, current, eventually};

/// `BACKFILL_PATIENTS=100000` for the long form (`scripts/backfill.sh`).
fn patients() -> u64 {
    std::env::var("BACKFILL_PATIENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(600)
}

/// Every Patient in version 1 or 2; every tenth one has its older version after the newer one.
fn write_history(path: &Path, patients: u64) {
    let mut file = std::io::BufWriter::new(fs::File::create(path).unwrap());
    let mut line = |index: u64, version: u64| writeln!(file, "{}", patient(index, version)).unwrap();
    for index in 0..patients {
        line(index, 2);
        if index.is_multiple_of(10) {
            line(index, 1);
        }
        if index.is_multiple_of(100) {
            line(index, 3);
        }
    }
}

fn newest(index: u64) -> u64 {
    if index.is_multiple_of(100) { 3 } else { 2 }
}

fn id(index: u64) -> String {
    format!("history-{index}")
}

fn patient(index: u64, version: u64) -> Value {
    json!({
        "resourceType": "Patient",
        "id": id(index),
        "meta": { "versionId": version.to_string(), "lastUpdated": format!("2024-01-0{version}T10:00:00Z") },
        "name": [{ "family": format!("Backfill{index}v{version}") }],
        "birthDate": "1970-01-01",
    })
}

fn start(data: &Path, file: &Path, hook: &str) -> std::process::Child {
    let mut command = command();
    command.arg("backfill").arg(file).args(["--json", "--batch", "100", "--hook", hook]);
    command.arg("--data-dir").arg(data).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn settled_lines(data: &Path) -> u64 {
    let Ok(mut entries) = fs::read_dir(data.join("backfill")) else { return 0 };
    let path: Option<PathBuf> = entries
        .find_map(|entry| Some(entry.ok()?.path()).filter(|path| path.extension() == Some("json".as_ref())));
    let text = path.and_then(|path| fs::read(path).ok()).unwrap_or_default();
    serde_json::from_slice::<Value>(&text).ok().and_then(|state| state["lines"].as_u64()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_survives_kill_9_of_both_sides() {
    let patients = patients();
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("history.ndjson");
    write_history(&file, patients);
    let lines = patients + patients.div_ceil(10) + patients.div_ceil(100);
    // The rate is not what is tested here.
    let environment = [("ADT_BRIDGE__HOOK__BACKFILL__RATE", "100000")];
    let began = Instant::now();
    let mut bridge = Bridge::start(data.path(), &environment).await;
    let (mut highest, mut kills) = (Vec::new(), 0);
    let mut sending = start(data.path(), &file, &bridge.client().1);
    let done = loop {
        let resident = bridge.process.resident_bytes().unwrap_or_default() / 1024;
        highest.push((settled_lines(data.path()), resident));
        if let Some(status) = sending.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            break sending.wait_with_output().unwrap();
        }
        // Kill once in each of the first three quarters: our side, then the hook, then both.
        let settled = settled_lines(data.path());
        if settled > lines * (kills + 1) / 5 && kills < 3 {
            sending.kill().unwrap();
            sending.wait().unwrap();
            if kills > 0 {
                bridge.process.kill().unwrap();
                bridge = Bridge::start(data.path(), &environment).await;
            }
            kills += 1;
            sending = start(data.path(), &file, &bridge.client().1);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(kills, 3);
    let summary: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&summary["complete"], &summary["failed"], &summary["lines"]),
        (&json!(true), &json!(0), &json!(lines))
    );
    let stale = patients.div_ceil(10);
    assert!(summary["skipped"].as_u64().unwrap() >= stale, "older versions are skipped: {summary}");

    // Everyone's newest version is the current message at the endpoint.
    let current = |index: u64| current(data.path(), &id(index)).unwrap_or_default();
    let mark = |index: u64| format!("Backfill{index}v{}", newest(index));
    // As long as it goes on, however long it takes.
    let mut next = 0;
    while next < patients {
        let wanted = next;
        eventually("the newest version is delivered", async || {
            current(wanted).contains(&mark(wanted)).then_some(())
        })
        .await;
        next += 1;
    }
    for index in 0..patients {
        let message = current(index);
        let msh = message.split('\r').next().unwrap_or_default();
        assert!(
            msh.contains("|ADT^A31^ADT_A05|") && msh.contains("|T^I|"),
            "history, and told as such: {msh}"
        );
    }
    let top = highest.iter().map(|(_, resident)| *resident).max().unwrap_or_default();
    let half =
        highest.iter().filter(|(settled, _)| *settled < lines / 2).map(|(_, resident)| *resident).max();
    let took = began.elapsed().as_secs_f64();
    println!(
        "{patients} patients, {lines} lines, {took:.1} s; resident: {half:?} KiB in the first half, {top} KiB in all"
    );
    if patients >= 10_000 {
        let half = half.unwrap_or(top);
        assert!(top < half * 2, "memory grows with the input: {half} KiB, then {top} KiB");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_cannot_be_taken_are_told_with_their_reasons() {
    let data = tempfile::tempdir().unwrap();
    let bridge = Bridge::start(data.path(), &[]).await;
    let file = data.path().join("bad.ndjson");
    let lines = [
        patient(1, 1).to_string(),
        "not JSON".to_owned(),
        String::new(),
        json!({ "resourceType": "Observation", "id": "o-1" }).to_string(),
        json!({ "resourceType": "Patient" }).to_string(),
        patient(1, 1).to_string(),
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    let done = start(data.path(), &file, &bridge.client().1).wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(4), "some were not taken");
    let summary: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&summary["accepted"], &summary["skipped"], &summary["failed"]),
        (&json!(1), &json!(1), &json!(3))
    );
    assert_eq!(summary["reasons"]["id is missing."], 1, "{summary}");

    // The same again is through already; with another hook address nothing is even asked.
    let again = start(data.path(), &file, "http://127.0.0.1:9").wait_with_output().unwrap();
    assert_eq!(again.status.code(), Some(4));
    assert_eq!(bridge.ask(Method::GET, "/fhir/Patient/history-1", None).await.status, 200);
}
