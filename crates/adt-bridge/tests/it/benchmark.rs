//! The load driver counts what it says it counts; how fast anything is, is nobody's business here.

use serde_json::Value;

use crate::bridge::command;

fn bench(arguments: &[&str]) -> Value {
    let output = command().arg("bench").args(arguments).args(["--json", "--no-syncs"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_whole_path_is_counted_to_the_durable_delete() {
    let load = ["--messages", "200", "--warm-up", "20", "--writers", "8", "--connections", "4"];
    let report = bench(&[&["path"][..], &load, &["--in-flight", "16"]].concat());
    assert_eq!(report["messages"], 200);
    let checked = report["checked"].to_string();
    assert!(checked.contains("220 writes accepted, 220 acknowledged and deleted, 220 stored"), "{checked}");
    assert!(report["handshakes"].as_u64().is_some_and(|count| (1..=4).contains(&count)), "{report}");
    for step in ["1 POST to 2xx", "2 POST to AA", "3 POST to durable delete"] {
        let latency = &report["latency_us"][step];
        let of = |name: &str| latency[name].as_f64().unwrap();
        assert!(0.0 < of("p50") && of("p50") <= of("p99") && of("p99") <= of("max"), "{latency}");
    }
}

#[test]
fn a_full_queue_is_sent_to_its_end() {
    let report = bench(&["sender", "--messages", "300", "--connections", "4"]);
    assert_eq!(report["messages"], 300);
    assert!(report["handshakes"].as_u64().is_some_and(|count| (1..=4).contains(&count)), "{report}");
}

#[test]
fn the_receiver_stores_what_it_answers() {
    let load = ["--messages", "200", "--warm-up", "20", "--connections", "4", "--idle", "8"];
    let report = bench(&[&["server"][..], &load].concat());
    assert_eq!(report["messages"], 200);
    assert_eq!(report["checked"][0], "220 messages answered AA, 220 stored");
    assert_eq!(report["handshakes"], 12);
    let sink = bench(&["server", "--sink", "--messages", "200", "--connections", "4"]);
    assert_eq!(sink["messages"], 200);
}
