use fault_harness::{
    oracle::Mark,
    proxy::{Arrival, Close, Proxy},
};

use crate::{
    bridge::{Bridge, eventually, patient, received},
    crash::verify,
};

#[tokio::test]
async fn an_endpoint_that_was_down_gets_everything_in_order() {
    let (data, endpoint_data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let endpoint = Bridge::start(endpoint_data.path(), &[]).await;
    let proxy = Proxy::start(endpoint.mllp(), 1).await.unwrap();
    proxy.arrival(Arrival::End(Close::Reset));
    let ca_file = endpoint.process.ready()["ca"].as_str().unwrap().to_owned();
    let address = proxy.address().to_string();
    let bridge = Bridge::start(
        data.path(),
        &[
            ("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS", address.as_str()),
            ("ADT_BRIDGE__SENDER__ENDPOINT__TLS__ENABLED", "true"),
            ("ADT_BRIDGE__SENDER__ENDPOINT__TLS__CA_FILE", ca_file.as_str()),
        ],
    )
    .await;

    let mut accepted = Vec::new();
    for version in 1..=5 {
        for group in 0..3 {
            let (id, mark) = (format!("down-{group}"), Mark { group, version });
            let answer = bridge.put(&id, &patient(&id, mark)).await;
            assert!(
                answer.status.is_success(),
                "the hook accepts while the endpoint is away: {}",
                answer.text
            );
            accepted.push(mark);
        }
    }
    eventually("the sender has tried", async || (!proxy.events().is_empty()).then_some(())).await;
    assert!(received(endpoint_data.path()).is_empty());

    proxy.heal();
    verify(endpoint_data.path(), accepted).await;
}
