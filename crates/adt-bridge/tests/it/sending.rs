//! One message sent by hand.

use std::{fs, path::Path};

use fault_harness::endpoint::{Endpoint, Reply, Script, Step};

use crate::bridge::{Bridge, command, received};

/// Sends the example patient, as `convert` writes it.
fn send(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let patient = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/patient.json");
    let converted = command().args(["convert", "--to", "er7", patient]).output().unwrap();
    let file = folder.join("message.hl7");
    fs::write(&file, converted.stdout).unwrap();
    let output = command().arg("send").arg(file).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_reaches_the_receiver_over_tls() {
    let data = tempfile::tempdir().unwrap();
    let bridge = Bridge::start(data.path(), &[]).await;
    let address = bridge.mllp().to_string();
    let ca = bridge.process.ready()["ca"].as_str().unwrap().to_owned();
    let (code, stdout, stderr) = send(data.path(), &["--to", &address, "--ca", &ca, "--count", "3"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(stdout.lines().filter(|line| line.starts_with("AA  ")).count(), 3, "{stdout}");
    assert_eq!(received(data.path()).len(), 1, "a repeat is recognised");

    let (code, _, stderr) = send(data.path(), &["--to", &address]);
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains("--ca"), "{stderr}");
    let (code, _, stderr) =
        send(data.path(), &["--to", &address, "--ca", &ca, "--server-name", "other.example"]);
    assert_eq!(code, 5, "{stderr}");
    assert_eq!(send(data.path(), &["--to", &address, "--ca", "missing.pem"]).0, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_and_silence_have_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let reply = |code| vec![Step::Reply(Reply::new(code).error("101", "E"))];
    for (code, expected) in [("AE", 6), ("AR", 6), ("CE", 6), ("CR", 6), ("AA", 0), ("CA", 0)] {
        let endpoint = Endpoint::start(Script::always(reply(code))).await.unwrap();
        let (status, stdout, stderr) =
            send(folder.path(), &["--to", &endpoint.address().to_string(), "--plain"]);
        assert_eq!(status, expected, "{stdout}{stderr}");
        assert!(stdout.starts_with(&format!("{code}  ")), "{stdout}");
        assert_eq!(stdout.contains("ERR|"), expected == 6, "{stdout}");
    }
    let silent = Endpoint::start(Script::always(vec![Step::Hold])).await.unwrap();
    let address = silent.address().to_string();
    assert_eq!(send(folder.path(), &["--to", &address, "--plain", "--timeout", "1"]).0, 7);
    assert_eq!(send(folder.path(), &["--to", &address, "--plain", "--ca", "x"]).0, 2, "a contradiction");
    drop(silent);
    assert_eq!(send(folder.path(), &["--to", &address, "--plain"]).0, 5);
}

#[test]
fn what_is_no_message_ends_with_4() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no.hl7");
    fs::write(&file, "hello").unwrap();
    let output = command().arg("send").arg(file).args(["--to", "127.0.0.1:1", "--plain"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
}
