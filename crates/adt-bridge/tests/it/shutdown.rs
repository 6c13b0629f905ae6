use std::{path::Path, time::Duration};

use fault_harness::{
    endpoint::{Endpoint, Script, Step},
    oracle::Mark,
    process::Signal,
};

use crate::{
    bridge::{Bridge, DEADLINE, eventually, patient},
    crash::{Load, verify},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_drains_and_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut load = Load::new();
    for moment in [0, 50, 400] {
        let mut bridge = Bridge::start(data.path(), &[]).await;
        load.begin(&bridge);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        bridge.process.signal(Signal::TERM).unwrap();
        let status = bridge.process.wait(DEADLINE).await.expect("ends within the grace");
        assert_eq!(status.code(), Some(0), "{}", bridge.process.output());
        load.end().await;
    }
    let _bridge = Bridge::start(data.path(), &[]).await;
    verify(data.path(), load.accepted()).await;
}

#[tokio::test]
async fn an_idle_bridge_ends_at_once() {
    let data = tempfile::tempdir().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let mut bridge = Bridge::start(data.path(), &[]).await;
        bridge.process.signal(signal).unwrap();
        let status = bridge.process.wait(Duration::from_secs(10)).await.expect("ends");
        assert_eq!(status.code(), Some(0), "{}", bridge.process.output());
    }
}

#[tokio::test]
async fn a_delivery_without_its_acknowledgment_is_told_by_code_3_and_sent_again() {
    let data = tempfile::tempdir().unwrap();
    let (endpoint, mut bridge) = unanswered(data.path(), "1s").await;
    bridge.process.signal(Signal::TERM).unwrap();
    let status = bridge.process.wait(DEADLINE).await.expect("ends");
    assert_eq!(status.code(), Some(3), "{}", bridge.process.output());

    let first = endpoint.received()[0].body.clone();
    endpoint.script(Script::accept());
    let address = endpoint.address().to_string();
    let _bridge = Bridge::start(data.path(), &[(ADDRESS, &address)]).await;
    let again = eventually("the message again", async || endpoint.received().get(1).cloned()).await;
    assert_eq!(again.body, first, "byte for byte");
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let data = tempfile::tempdir().unwrap();
    let (_endpoint, mut bridge) = unanswered(data.path(), "20s").await;
    bridge.process.signal(Signal::TERM).unwrap();
    eventually("the first signal is heard", async || {
        bridge.process.output().contains("a second signal ends at once").then_some(())
    })
    .await;
    bridge.process.signal(Signal::TERM).unwrap();
    let status = bridge.process.wait(Duration::from_secs(5)).await.expect("ends at once");
    assert_eq!(status.code(), Some(143));
}

/// A bridge with one message on the wire that its endpoint stores and never acknowledges.
pub(crate) async fn unanswered(data: &Path, drain: &str) -> (Endpoint, Bridge) {
    let endpoint = Endpoint::start(Script::always(vec![Step::Store, Step::Stall])).await.unwrap();
    let address = endpoint.address().to_string();
    let bridge = Bridge::start(data, &[(ADDRESS, &address), ("ADT_BRIDGE__SENDER__DRAIN", drain)]).await;
    let written = bridge.put("unanswered", &patient("unanswered", Mark { group: 1, version: 1 })).await;
    assert!(written.status.is_success(), "{}", written.text);
    eventually("the message is on the wire", async || (!endpoint.received().is_empty()).then_some(())).await;
    (endpoint, bridge)
}

const ADDRESS: &str = "ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS";
