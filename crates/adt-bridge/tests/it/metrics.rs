//! What `/metrics` tells after everything has happened once: all of what is declared, nothing else.

mod emf;
mod page;
mod rules;

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use fault_harness::oracle::Mark;
use instruments::{Kind, Metric};
use mllp::ClientConfig;
use reqwest::Method;
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

pub(crate) use self::page::Page;
use crate::bridge::{Bridge, eventually, patient};

/// Every table that the binary names, and that of the crate which every process has.
pub(crate) fn declared() -> Vec<&'static Metric> {
    [
        service::metrics::METRICS,
        transform::METRICS,
        queue::METRICS,
        sender::METRICS,
        test_hl7_server::METRICS,
        message_store::METRICS,
        credentials::METRICS,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Refuses the first message of one patient for good and the first of another once, and loses one acknowledgment.
const SCENARIO: &str = r#"
[[rule]]
match = { patient = "refused" }
then = [{ reply = { code = "AE", error = 101 } }]

[[rule]]
match = { patient = "later" }
times = 1
then = [{ reply = { code = "AE", error = 207 } }]

[[rule]]
match = { patient = "lost" }
times = 1
then = ["store", "close"]
"#;

async fn started(data: &Path) -> Bridge {
    let scenario = data.join("scenario.toml");
    fs::write(&scenario, SCENARIO).unwrap();
    let settings = [
        ("ADT_BRIDGE__RECEIVER__FAULTS__SCENARIO", scenario.to_str().unwrap()),
        ("ADT_BRIDGE__RECEIVER__LISTEN_PLAIN", "127.0.0.1:0"),
        ("ADT_BRIDGE__SENDER__POLICY__RETRY_BASE", "10ms"),
    ];
    Bridge::start(data, &settings).await
}

/// Everything that a write can come to, and everything that a receiver can be sent.
async fn exercise(bridge: &Bridge) {
    for (group, id) in (1..).zip(["good", "refused", "later", "lost"]) {
        let answer = bridge.put(id, &patient(id, Mark { group, version: 1 })).await;
        assert!(answer.status.is_success(), "{}", answer.text);
    }
    let mut broken = patient("broken", Mark { group: 9, version: 1 });
    broken["gender"] = json!("no such code");
    assert!(bridge.put("broken", &broken).await.status.is_client_error());
    let mut lossy = patient("lossy", Mark { group: 10, version: 1 });
    lossy["photo"] = json!([{ "title": "x" }]);
    assert!(bridge.put("lossy", &lossy).await.status.is_success());
    // The same version again, and then an older one.
    for (version, when) in [("2", 2), ("2", 2), ("1", 1)] {
        let mut told = patient("told", Mark { group: 11, version: 1 });
        told["meta"] = json!({ "versionId": version, "lastUpdated": format!("2026-01-0{when}T00:00:00Z") });
        let answer = bridge.ask(Method::PUT, "/fhir/Patient/told", Some(&told)).await;
        assert!(answer.status.is_success(), "{}", answer.text);
    }
    assert!(bridge.read("good").await.status.is_success());
    assert!(bridge.ask(Method::DELETE, "/persistence/Patient/good", None).await.status.is_success());

    let plain = bridge.process.ready()["mllp_plain"].as_str().unwrap().to_owned();
    for bytes in [&b""[..], b"no block at all", b"\x0bMSH|^~\\&|cut off"] {
        let mut stream = TcpStream::connect(&plain).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    let connector =
        mllp::Connector::new(&ClientConfig { address: plain, ..ClientConfig::default() }).unwrap();
    let mut connection = connector.connect().await.unwrap();
    for message in [&b"no message"[..], b"MSH|^~\\&|a|b|||1||ADT^A31|9|P|2.5.1||||||NO SUCH SET\rPID|1||\xff"]
    {
        connection.send(message).await.unwrap();
        connection.receive().await.unwrap();
    }
}

#[tokio::test]
async fn everything_declared_appears_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let bridge = started(folder.path()).await;
    exercise(&bridge).await;
    // A certificate that is written again is a new one.
    let certificate = folder.path().join("tls/server.pem");
    let pem = fs::read(&certificate).unwrap();
    fs::write(&certificate, pem).unwrap();

    let happened = [
        ("adt_bridge_build_info", &[][..]),
        ("adt_bridge_ready", &[("check", "queue")]),
        ("adt_bridge_hook_requests_total", &[("outcome", "accepted")]),
        ("adt_bridge_hook_requests_total", &[("outcome", "read")]),
        ("adt_bridge_hook_requests_total", &[("outcome", "invalid")]),
        ("adt_bridge_hook_request_duration_seconds_count", &[("outcome", "accepted")]),
        ("adt_bridge_hook_writes_total", &[("outcome", "accepted")]),
        ("adt_bridge_hook_writes_total", &[("outcome", "duplicate")]),
        ("adt_bridge_hook_writes_total", &[("outcome", "ignored")]),
        ("adt_bridge_hook_writes_total", &[("outcome", "refused")]),
        ("adt_bridge_transform_total", &[("event", "A28"), ("outcome", "converted")]),
        ("adt_bridge_transform_total", &[("event", "A29"), ("outcome", "converted")]),
        ("adt_bridge_transform_total", &[("event", "none"), ("outcome", "refused")]),
        ("adt_bridge_transform_duration_seconds_count", &[("outcome", "converted")]),
        ("adt_bridge_transform_warnings_total", &[("severity", "information"), ("code", "not-supported")]),
        ("adt_bridge_queue_messages", &[("state", "dead")]),
        ("adt_bridge_queue_operation_duration_seconds_count", &[("op", "send"), ("outcome", "ok")]),
        ("adt_bridge_queue_operation_duration_seconds_count", &[("op", "delete"), ("outcome", "ok")]),
        ("adt_bridge_queue_operation_duration_seconds_count", &[("op", "dead_letter"), ("outcome", "ok")]),
        ("adt_bridge_sender_connects_total", &[("outcome", "ok")]),
        ("adt_bridge_sender_tls_handshake_duration_seconds_count", &[]),
        ("adt_bridge_sender_acks_total", &[("code", "AA")]),
        ("adt_bridge_sender_acks_total", &[("code", "AE")]),
        ("adt_bridge_sender_acks_total", &[("code", "closed")]),
        ("adt_bridge_sender_ack_duration_seconds_count", &[("code", "AA")]),
        ("adt_bridge_sender_retries_total", &[("reason", "refused")]),
        ("adt_bridge_sender_retries_total", &[("reason", "lost")]),
        ("adt_bridge_dead_lettered_total", &[("reason", "negative_acknowledgment")]),
        ("adt_bridge_delivery_latency_seconds_count", &[("event", "A28")]),
        ("adt_bridge_delivery_latency_seconds_count", &[("event", "A29")]),
        ("adt_bridge_sender_poll_timestamp_seconds", &[]),
        ("adt_bridge_receiver_messages_total", &[("outcome", "stored")]),
        ("adt_bridge_receiver_messages_total", &[("outcome", "duplicate")]),
        ("adt_bridge_receiver_messages_total", &[("outcome", "refused")]),
        ("adt_bridge_receiver_bytes_total", &[("outcome", "stored")]),
        ("adt_bridge_receiver_frames_rejected_total", &[("reason", "no_end")]),
        ("adt_bridge_receiver_frames_rejected_total", &[("reason", "unparsable")]),
        ("adt_bridge_receiver_frames_rejected_total", &[("reason", "charset")]),
        ("adt_bridge_receiver_connections_total", &[("event", "accepted")]),
        ("adt_bridge_receiver_probe_connections_total", &[]),
        ("adt_bridge_store_write_duration_seconds_count", &[("kind", "incoming"), ("outcome", "ok")]),
        ("adt_bridge_store_write_duration_seconds_count", &[("kind", "accepted"), ("outcome", "ok")]),
        ("adt_bridge_tls_certificate_expiry_timestamp_seconds", &[("role", "endpoint")]),
        ("adt_bridge_tls_certificate_expiry_timestamp_seconds", &[("role", "receiver")]),
        ("adt_bridge_config_reloads_total", &[("outcome", "new")]),
    ];
    let page = eventually("everything has happened", async || {
        let page = Page::of(&bridge).await;
        happened.iter().all(|(name, labels)| page.sum(name, labels) > 0.0).then_some(page)
    });
    let Ok(page) = tokio::time::timeout(Duration::from_secs(30), page).await else {
        let page = Page::of(&bridge).await;
        let missing: Vec<_> =
            happened.iter().filter(|(name, labels)| page.sum(name, labels) <= 0.0).collect();
        panic!("never happened: {missing:?}");
    };

    let declared = declared();
    let told: BTreeSet<&str> = page.samples.iter().map(|sample| sample.metric(&declared)).collect();
    let silent: Vec<_> = declared.iter().filter(|metric| !told.contains(metric.name)).collect();
    // Its first value comes with the first look at the leases, a third of their time after the start.
    let silent: Vec<_> =
        silent.iter().filter(|m| m.name != "adt_bridge_sender_heartbeat_timestamp_seconds").collect();
    assert!(silent.is_empty(), "declared, and not on the page: {silent:?}");
    for sample in &page.samples {
        sample.check(&declared);
    }
    for metric in declared {
        if told.contains(metric.name) {
            assert_eq!(page.kinds[metric.name], metric.kind.as_str(), "{}", metric.name);
            assert_eq!(page.helps[metric.name], metric.help, "{}", metric.name);
        }
    }
}

#[test]
fn declarations_keep_to_the_rules_of_prometheus() {
    let mut names = BTreeSet::new();
    for metric in declared() {
        let name = metric.name;
        assert!(names.insert(name), "{name} twice");
        assert!(name.starts_with("adt_bridge_"), "{name}");
        assert_eq!(metric.kind == Kind::Counter, name.ends_with("_total"), "{name}");
        let unit = match metric.unit {
            instruments::Unit::Seconds => "_seconds",
            instruments::Unit::Timestamp => "_timestamp_seconds",
            instruments::Unit::Bytes => "_bytes",
            instruments::Unit::Count | instruments::Unit::Flag => "",
        };
        assert!(name.trim_end_matches("_total").ends_with(unit), "{name} is in {unit}");
        assert!(metric.help.ends_with('.') && metric.help.starts_with(char::is_alphanumeric), "{name}");
        let series: usize = metric.labels.iter().map(|label| label.values.len()).product();
        assert!(series <= 40, "{name} may have {series} series");
    }
}
