//! Ports, folders, the disk, the queue's file, credentials.

use std::{fs, io::Write as _, os::unix::fs::FileExt as _, process::Command};

use fault_harness::oracle::Mark;
use serde_json::Value;

use super::Diagnosis;
use crate::bridge::{Bridge, DEADLINE, patient};

const FREE: [(&str, &str); 2] =
    [("ADT_BRIDGE__HOOK__LISTEN", "127.0.0.1:0"), ("ADT_BRIDGE__RECEIVER__LISTEN", "127.0.0.1:0")];

#[tokio::test]
async fn a_port_that_is_taken_names_who_took_it() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let diagnosis =
        Diagnosis::of(&["--role", "hook"], data.path(), &[("ADT_BRIDGE__HOOK__LISTEN", address.as_str())])
            .await;
    assert_eq!(diagnosis.code, 9);
    let us = format!("(process {})", std::process::id());
    diagnosis.expect("failed", "port", &["hook.listen", &address, &us, "ADT_BRIDGE__HOOK__LISTEN"]);
    let nowhere =
        Diagnosis::of(&["--role", "hook"], data.path(), &[("ADT_BRIDGE__HOOK__LISTEN", "192.0.2.1:8080")])
            .await;
    nowhere.expect("failed", "port", &["192.0.2.1", "no network interface"]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_named() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("store");
    let settings = [FREE[0], FREE[1], ("ADT_BRIDGE__STORE__PATH", below.to_str().unwrap())];
    let diagnosis = Diagnosis::of(&[], data.path(), &settings).await;
    assert_eq!((diagnosis.code, diagnosis.failed()), (9, vec!["disk"]), "{:#}", diagnosis.report);
    diagnosis.expect("failed", "disk", &["store.path", "is no folder"]);
    // Nobody makes files in there, whatever the modes say, root neither.
    let settings = [FREE[0], FREE[1], ("ADT_BRIDGE__STORE__PATH", "/proc/self")];
    Diagnosis::of(&[], data.path(), &settings).await.expect(
        "failed",
        "disk",
        &["store.path", "cannot be written to"],
    );
}

/// A file system of 64 KiB in a mount namespace of its own; the machine may refuse that, then the sizes are judged
/// by the unit test alone.
#[test]
fn a_full_disk_is_named() {
    let data = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=64k tmpfs \"$1\" || exit 77
        head -c 65536 /dev/zero >\"$1/full\"; exec \"$2\" doctor --json --data-dir \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]).arg(data.path());
    command.arg(env!("CARGO_BIN_EXE_adt-bridge")).envs(FREE);
    let output = command.output();
    let Ok(output) = output else { return println!("no unshare here") };
    if output.status.code() != Some(9) {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.stdout.is_empty(), "{output:?}");
        return println!("no mounts here: {reason}");
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let diagnosis = Diagnosis { code: 9, report, stderr: String::new() };
    diagnosis.expect("failed", "disk", &["queue.path", "no room for four kilobytes", "503"]);
    diagnosis.expect("failed", "disk", &["store.path", "the disk is full"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_of_the_queue_is_looked_at_beside_its_owner_and_damage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let closed = fault_harness::port::Port::claim().unwrap();
    let away = closed.address().to_string();
    let endpoint = ("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS", away.as_str());
    let mut bridge = Bridge::start(data, &[endpoint]).await;
    assert!(bridge.put("p1", &patient("p1", Mark { group: 1, version: 1 })).await.status.is_success());
    let settings = [FREE[0], FREE[1], endpoint];
    let beside = Diagnosis::of(&[], data, &settings).await;
    beside.expect("ok", "queue", &["belongs to adt-bridge", &format!("(process {})", bridge.process.id())]);
    beside.expect("ok", "queue", &["is sound", "1 messages wait"]);
    assert!(bridge.put("p2", &patient("p2", Mark { group: 2, version: 1 })).await.status.is_success());
    bridge.process.kill().unwrap();
    bridge.process.wait(DEADLINE).await.unwrap();

    let file = data.join("queue/queue.db");
    let after = Diagnosis::of(&[], data, &settings).await;
    after.expect("ok", "queue", &["is sound", "2 messages wait"]);
    assert!(!after.names("ok", "queue", &["belongs to"]));

    // Its pages, then its head, then all of it; first into one file, which closing it does.
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
    open.write_all_at(&[0x55; 4000], 4096 + 50).unwrap();
    Diagnosis::of(&[], data, &settings).await.expect("failed", "queue", &["queue.db", "damaged", ".recover"]);
    open.write_all_at(b"something else!!", 0).unwrap();
    let diagnosis = Diagnosis::of(&[], data, &settings).await;
    diagnosis.expect("failed", "queue", &["queue.db", "not a database"]);
    assert_eq!(diagnosis.failed(), ["queue", "endpoint"], "{:#}", diagnosis.report);
    fs::remove_file(&file).unwrap();
    Diagnosis::of(&[], data, &settings).await.expect("failed", "queue", &["missing or empty"]);
}

#[tokio::test]
async fn credentials_that_cannot_be_read_are_named_each() {
    let data = tempfile::tempdir().unwrap();
    let mut good = tempfile::NamedTempFile::new().unwrap();
    writeln!(good, "0123456789abcdef0123456789abcdef").unwrap();
    let settings = [
        ("ADT_BRIDGE__HOOK__LISTEN", "127.0.0.1:0"),
        ("ADT_BRIDGE__HOOK__AUTH__BEARER__HAPI__TOKEN_FILE", good.path().to_str().unwrap()),
        ("ADT_BRIDGE__HOOK__AUTH__BEARER__SMILE__TOKEN_FILE", "/no/such/token"),
        ("ADT_BRIDGE__HOOK__AUTH__SIGNATURE__SECRET", "short"),
    ];
    let diagnosis = Diagnosis::of(&["--role", "hook"], data.path(), &settings).await;
    diagnosis.expect("ok", "credentials", &["hook.auth.bearer.hapi"]);
    diagnosis.expect("failed", "credentials", &["hook.auth.bearer.smile", "/no/such/token"]);
    diagnosis.expect("failed", "credentials", &["hook.auth.signature", "too short"]);
    assert!(!diagnosis.report.to_string().contains("0123456789abcdef"));
}
