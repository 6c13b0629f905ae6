use std::time::Duration;

use fault_harness::process::Signal;

use crate::{
    bridge::{Bridge, DEADLINE},
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
