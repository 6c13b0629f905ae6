use std::{
    fs,
    io::Write as _,
    process::{Output, Stdio},
};

use fault_harness::process::{Process, Signal};

use crate::bridge::{Bridge, DEADLINE, command};

fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn pipe(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn help_names_commands_and_exit_codes() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    for expected in ["up", "demo", "convert", "hook", "sender", "receiver", "Exit codes", "Examples"] {
        assert!(text(&output.stdout).contains(expected), "{expected}");
    }
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
}

#[test]
fn converts_there_and_back() {
    let patient = include_bytes!("../../../../examples/patient.json");
    let to_er7 =
        ["convert", "--to", "er7", "--id", "p1", "--time", "2026-01-02T03:04:05Z", "--request-id", "r", "-"];
    let er7 = pipe(&to_er7, patient);
    assert!(er7.status.success(), "{}", text(&er7.stderr));
    assert_eq!(er7.stdout, pipe(&to_er7, patient).stdout, "equal input and flags give equal bytes");
    assert!(text(&er7.stdout).starts_with("MSH|^~\\&|") && text(&er7.stdout).contains("\nPID|"));

    let update = pipe(&["convert", "--to", "er7", "--event", "A31", "-"], patient);
    assert!(text(&update.stdout).contains("|ADT^A31^ADT_A05|"), "an id is given: {}", text(&update.stderr));

    let back = pipe(&["convert", "--to", "fhir", "-"], &er7.stdout);
    assert!(back.status.success(), "{}", text(&back.stderr));
    let back: serde_json::Value = serde_json::from_slice(&back.stdout).unwrap();
    assert_eq!(back["resourceType"], "Patient");
    assert_eq!(back["id"], "p1");
    assert_eq!(back["birthDate"], "1974-12-25");
}

#[test]
fn explains_where_each_value_came_from_and_what_is_not_carried() {
    let arguments = ["convert", "--to", "er7", "--id", "p1", "--format"];
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/patient.json");
    let explained = run(&[&arguments[..], &["explain", file]].concat());
    assert!(explained.status.success(), "{}", text(&explained.stderr));
    let line = |place: &str| {
        let lines = text(&explained.stdout).lines();
        lines.filter(|line| line.starts_with(&format!("{place} "))).collect::<Vec<_>>().join("\n")
    };
    assert!(line("PID-5.1.1").contains("Chalmers") || line("PID-5.1").contains("Chalmers"), "{explained:?}");
    assert!(text(&explained.stdout).contains("<- Patient.name[0].family  (4.3)"));
    assert!(text(&explained.stdout).contains("warning Patient.telecom[1]: TEL-8"));

    let json = run(&[&arguments[..], &["json", file]].concat());
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["messages"][0]["event"], "A28");
    let provenance = json["provenance"].as_array().unwrap();
    let birth = provenance.iter().find(|row| row["expression"] == "Patient.birthDate").unwrap();
    assert_eq!((&birth["location"], &birth["value"]), (&"PID-7".into(), &"19741225".into()));
    let issues = json["report"]["issue"].as_array().unwrap();
    assert!(issues.iter().any(|issue| issue["expression"][0] == "Patient.telecom[1]"));
    assert_eq!(run(&["convert", "--to", "fhir", "--format", "explain", "-"]).status.code(), Some(2));
}

#[test]
fn invalid_input_ends_with_4_and_says_where_without_the_value() {
    let patient = br#"{"resourceType":"Patient","birthDate":"28.02.1983"}"#;
    let output = pipe(&["convert", "--to", "er7", "-"], patient);
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("Patient.birthDate"), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("28.02.1983"));
    assert_eq!(pipe(&["convert", "--to", "fhir", "-"], b"hello").status.code(), Some(4));
    assert_eq!(pipe(&["convert", "--to", "er7", "-"], b"hello").status.code(), Some(4));
}

#[test]
fn an_invalid_configuration_ends_with_78_and_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    fs::write(&file, "[hook]\nlistn = \"127.0.0.1:0\"\nmax_requests = \"many\"\n").unwrap();
    let output = command()
        .args(["up", "--config"])
        .arg(&file)
        .env("ADT_BRIDGE__LOG__FORMAT", "loud")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let stderr = text(&output.stderr);
    for expected in ["bridge.toml:2", "`listen`", "bridge.toml:3", "ADT_BRIDGE__LOG__FORMAT"] {
        assert!(stderr.contains(expected), "{expected} in\n{stderr}");
    }
}

#[test]
fn does_not_listen_beyond_this_machine_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let output = command()
        .args(["up", "--hook-listen", "0.0.0.0:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("--allow-remote"));
}

#[tokio::test]
async fn a_second_owner_of_the_data_folder_is_told_so() {
    let data = tempfile::tempdir().unwrap();
    let bridge = Bridge::start(data.path(), &[]).await;
    let mut second = command();
    second.args(["up", "--json", "--hook-listen", "127.0.0.1:0", "--mllp-listen", "127.0.0.1:0"]);
    second.arg("--data-dir").arg(data.path());
    let error = Process::start(second, DEADLINE).await.expect_err("refused").to_string();
    assert!(error.contains("in use by another process"), "{error}");
    drop(bridge);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output =
        command().args(["up", "--hook-listen", &address, "--data-dir"]).arg(data.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stderr).contains(&address), "{}", text(&output.stderr));
}

#[tokio::test]
async fn a_receiver_alone_makes_its_certificates_and_follows_a_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/scenarios/hospital-down.toml");
    let mut start = command();
    start.current_dir(&folder).env("ADT_BRIDGE__RECEIVER__LISTEN", "127.0.0.1:0");
    start.args(["receiver", "--scenario", scenario, "--fault-admin", "127.0.0.1:0"]);
    let mut receiver = Process::spawn(start).unwrap();
    let listening = async {
        while !receiver.output().contains("listening for MLLP over TLS") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, listening).await.unwrap();
    receiver.signal(Signal::TERM).unwrap();
    assert_eq!(receiver.wait(DEADLINE).await.unwrap().code(), Some(0));
    assert!(folder.path().join(".adt-bridge/tls/server.pem").exists());

    let missing =
        command().current_dir(&folder).args(["receiver", "--scenario", "no-such.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(78), "{}", text(&missing.stderr));
    assert!(text(&missing.stderr).contains("receiver.faults.scenario"));
}

#[test]
fn shows_each_setting_and_who_decided_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    fs::write(&file, "[sender]\nconnections = 2\n").unwrap();
    let file = file.to_str().unwrap();
    let output = command()
        .args(["-c", file, "config", "show", "--origin"])
        .env("ADT_BRIDGE__HOOK__DESTINATION", "north")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let line =
        |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("connections = 2").ends_with(&format!("# {file}:2")), "{shown}");
    assert!(
        line("destination = \"north\"").ends_with("# environment variable ADT_BRIDGE__HOOK__DESTINATION")
    );
    assert_eq!(line("base_path"), "base_path = \"\"");

    // What is shown is itself a settings file that says the same.
    let again = folder.path().join("again.toml");
    fs::write(&again, run(&["-c", file, "config", "show"]).stdout).unwrap();
    let again = run(&["-c", again.to_str().unwrap(), "config", "show"]);
    assert_eq!(text(&again.stdout), text(&run(&["-c", file, "config", "show"]).stdout));
}

#[test]
fn lists_everything_that_is_wrong_with_the_settings() {
    let validate = |variables: &[(&str, &str)]| {
        command().args(["config", "validate"]).envs(variables.iter().copied()).output().unwrap()
    };
    assert!(validate(&[]).status.success());
    let output =
        validate(&[("ADT_BRIDGE__SENDER__CONNECTIONS", "0"), ("ADT_BRIDGE__HOOK__LISTEN", "0.0.0.0:1")]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("2 problems"), "{}", text(&output.stderr));
    let output = validate(&[("ADT_BRIDGE__SENDR__X", "1"), ("ADT_BRIDGE__HOOK__LISTN", "1")]);
    assert_eq!(output.status.code(), Some(78));
    for expected in ["did you mean `sender`", "did you mean `listen`"] {
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn explains_codes_and_names_the_nearest_one() {
    let told = run(&["errors", "kills_peer"]);
    assert!(told.status.success());
    for part in ["kills_peer: ", "Why it may be", "What to do", "dlq redrive"] {
        assert!(text(&told.stdout).contains(part), "{}", text(&told.stdout));
    }
    let listed = run(&["errors"]);
    assert!(text(&listed.stdout).contains("  tls-unknown-authority "), "{}", text(&listed.stdout));
    assert!(text(&run(&["errors", "TEL-8"]).stdout).contains("a rule of the mapping"));
    let unknown = run(&["errors", "kils_peer"]);
    assert_eq!(unknown.status.code(), Some(8));
    assert!(text(&unknown.stderr).contains("adt-bridge errors kills_peer"), "{}", text(&unknown.stderr));
    let json: serde_json::Value =
        serde_json::from_slice(&run(&["errors", "tls-expired", "--json"]).stdout).unwrap();
    assert_eq!(json[0]["code"], "tls-expired");
}

#[test]
fn says_what_it_is() {
    let version: serde_json::Value = serde_json::from_slice(&run(&["version", "--json"]).stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["rust"], env!("CARGO_PKG_RUST_VERSION"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("adt-bridge"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(run(&["man", folder.path().to_str().unwrap()]).status.success());
    let page = fs::read_to_string(folder.path().join("adt-bridge-send.1")).unwrap();
    assert!(page.contains("HL7 message"), "{page}");
}
