//! What breaks shows in metrics, readiness and log within the time that docs/explanation/failures.md states, and is seen to
//! be well again. One test for each thing that a running bridge stands on.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fault_harness::{
    aws_stub::AwsStub,
    certificates::{Authority, Validity},
    deployment::{Deployment, Role},
    endpoint::{Endpoint, Script, Security},
    load::Load,
    oracle::Mark,
    port::Port,
};
use serde_json::{Value, json};

use crate::{bridge::DEADLINE, metrics::Page};

/// What docs/explanation/failures.md promises, from the failure to all three of them.
const SHOWS: Duration = Duration::from_secs(10);

/// One process, looked at as an operator does.
struct Watched {
    address: SocketAddr,
    client: reqwest::Client,
}

impl Watched {
    fn new(address: SocketAddr) -> Self {
        credentials::install_provider();
        Self { address, client: reqwest::Client::new() }
    }

    async fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        Page::at(self.address).await.map_or(0.0, |page| page.sum(name, labels))
    }

    async fn ready(&self) -> (u16, Value) {
        let Ok(answer) = self.client.get(format!("http://{}/readyz?verbose", self.address)).send().await
        else {
            return (0, Value::Null);
        };
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// A check fails, by name, in `/readyz` and on the page.
    async fn fails(&self, check: &'static str) -> bool {
        let (status, body) = self.ready().await;
        let gauge = self.sum("adt_bridge_ready", &[("check", check)]).await;
        status == 503 && body["checks"][check] == "failed" && gauge == 0.0
    }

    async fn is_well(&self, check: &'static str) -> bool {
        let (status, body) = self.ready().await;
        let gauge = self.sum("adt_bridge_ready", &[("check", check)]).await;
        status == 200 && body["checks"][check] == "ok" && gauge == 1.0
    }
}

/// Looks again until it is so; panics with `what` when the time is over.
async fn within(time: Duration, what: &str, so: impl AsyncFn() -> bool) {
    let end = Instant::now() + time;
    while !so().await {
        assert!(Instant::now() < end, "not within {time:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether a line of the log, as JSON, has this target and begins like this.
fn logged(bridge: &Deployment, target: &str, message: &str) -> bool {
    let output = bridge.output();
    output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).any(|line| {
        line["target"] == target && line["message"].as_str().is_some_and(|text| text.starts_with(message))
    })
}

fn deployment(endpoint: SocketAddr) -> Deployment {
    Deployment::new(env!("CARGO_BIN_EXE_adt-bridge"), endpoint).unwrap()
}

fn load(bridge: &Deployment) -> Load {
    Load::new(bridge.hook_url(), Duration::from_secs(5)).unwrap()
}

/// Starts a role that tells its health on an address of its own.
async fn start_told(bridge: &mut Deployment, role: Role) -> (Watched, Port) {
    let port = Port::claim().unwrap();
    bridge.set("HEALTH__LISTEN", port.address());
    bridge.start(role).await.unwrap();
    let watched = Watched::new(port.address());
    within(DEADLINE, "it tells its health", async || watched.ready().await.0 != 0).await;
    (watched, port)
}

const fn mark(version: u64) -> Mark {
    Mark { group: 1, version }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_away_shows_and_comes_back() {
    let endpoint = Endpoint::start(Script::accept()).await.unwrap();
    let (queue, store) = (AwsStub::start().await.unwrap(), AwsStub::start().await.unwrap());
    let mut bridge = deployment(endpoint.address()).apart(&queue).unwrap();
    bridge.set("STORE__ENDPOINT_URL", store.url());
    let (sender, _port) = start_told(&mut bridge, Role::Sender).await;
    let (hook, _port) = start_told(&mut bridge, Role::Hook).await;
    let load = load(&bridge);
    assert!(load.write(mark(1), DEADLINE).await);
    assert!(hook.is_well("queue").await && sender.is_well("queue").await);
    // The address of the hook, which was started last.
    let asked =
        |bridge: &Deployment| bridge.command_line(&["health", "--ready"]).output().unwrap().status.code();
    assert_eq!(asked(&bridge), Some(0));

    queue.down();
    let down = Instant::now();
    assert_eq!(load.put(mark(2)).await, Some(503));
    within(SHOWS, "the hook is not ready", async || hook.fails("queue").await).await;
    assert_eq!(asked(&bridge), Some(1));
    within(SHOWS, "nor is the sender", async || sender.fails("queue").await).await;
    let unavailable = [("outcome", "unavailable")];
    within(SHOWS, "counted", async || {
        let calls = "adt_bridge_queue_operation_duration_seconds_count";
        hook.sum("adt_bridge_hook_requests_total", &unavailable).await > 0.0
            && hook.sum(calls, &[("op", "send"), ("outcome", "unavailable")]).await > 0.0
            && sender.sum(calls, &[("op", "receive"), ("outcome", "unavailable")]).await > 0.0
    })
    .await;
    within(SHOWS, "logged", async || {
        logged(&bridge, "service::health", "not ready: queue")
            && logged(&bridge, "transform::error", "refused: queue did not take the message")
            && logged(&bridge, "sender::poll", "receiving from the queue failed")
    })
    .await;
    assert!(down.elapsed() < SHOWS, "all of it took {:?}", down.elapsed());
    assert_eq!(hook.sum("adt_bridge_ready", &[("check", "store")]).await, 1.0, "the store is not to blame");

    queue.up();
    within(SHOWS, "both are well", async || hook.is_well("queue").await && sender.is_well("queue").await)
        .await;
    assert!(logged(&bridge, "service::health", "ready again: queue"));
    assert!(load.write(mark(2), DEADLINE).await);
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored_count() == 2).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_shows_and_comes_back() {
    let nobody = Port::claim().unwrap();
    let (queue, store) = (AwsStub::start().await.unwrap(), AwsStub::start().await.unwrap());
    let mut bridge = deployment(nobody.address()).apart(&queue).unwrap();
    let address = bridge.receiver_address();
    bridge
        .set("STORE__ENDPOINT_URL", store.url())
        .set("STORE__OPERATION_TIMEOUT_SECONDS", 1)
        .set("SENDER__ENDPOINT__ADDRESS", address)
        .set("SENDER__ENDPOINT__ACKNOWLEDGMENT_TIMEOUT_SECONDS", 5);
    let (hook, _port) = start_told(&mut bridge, Role::Hook).await;
    let (receiver, _port) = start_told(&mut bridge, Role::Receiver).await;
    let load = load(&bridge);
    assert!(load.write(mark(1), DEADLINE).await);

    store.down();
    let down = Instant::now();
    // What was accepted before reaches a receiver that cannot store.
    let (sender, _port) = start_told(&mut bridge, Role::Sender).await;
    assert_eq!(load.put(mark(2)).await, Some(503));
    within(SHOWS, "the hook is not ready", async || hook.fails("store").await).await;
    within(SHOWS, "nor is the receiver", async || receiver.fails("store").await).await;
    within(SHOWS, "counted", async || {
        receiver.sum("adt_bridge_receiver_messages_total", &[("outcome", "not_stored")]).await > 0.0
            && sender.sum("adt_bridge_sender_acks_total", &[("code", "AE")]).await > 0.0
            && hook.sum("adt_bridge_hook_requests_total", &[("outcome", "unavailable")]).await > 0.0
    })
    .await;
    within(SHOWS, "logged", async || {
        logged(&bridge, "service::health", "not ready: store")
            && logged(&bridge, "test_hl7_server::receive", "storing failed")
    })
    .await;
    assert!(down.elapsed() < SHOWS + Duration::from_secs(2), "all of it took {:?}", down.elapsed());
    assert!(sender.is_well("queue").await, "the sender needs no store");

    store.up();
    within(SHOWS, "both are well", async || hook.is_well("store").await && receiver.is_well("store").await)
        .await;
    assert!(logged(&bridge, "service::health", "ready again: store"));
    within(DEADLINE, "the message is stored", async || {
        receiver.sum("adt_bridge_receiver_messages_total", &[("outcome", "stored")]).await > 0.0
    })
    .await;
    assert!(load.write(mark(2), DEADLINE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_away_shows_and_leaves_the_sender_ready() {
    let endpoint = Endpoint::start(Script::accept()).await.unwrap();
    let stub = AwsStub::start().await.unwrap();
    let mut bridge = deployment(endpoint.address()).apart(&stub).unwrap();
    bridge.start(Role::Hook).await.unwrap();
    let (sender, _port) = start_told(&mut bridge, Role::Sender).await;
    let load = load(&bridge);
    assert!(load.write(mark(1), DEADLINE).await);
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored_count() == 1).await);
    within(SHOWS, "sending", async || sender.ready().await.1["endpoint"] == "sending").await;

    endpoint.down();
    assert!(load.write(mark(2), DEADLINE).await, "the hook accepts all the same");
    let down = Instant::now();
    within(SHOWS, "counted", async || {
        sender.sum("adt_bridge_sender_connects_total", &[("outcome", "refused")]).await > 0.0
            && sender.sum("adt_bridge_sender_paused", &[("cause", "unreachable")]).await == 1.0
    })
    .await;
    within(SHOWS, "told beside readiness", async || {
        let (status, body) = sender.ready().await;
        status == 200 && body["endpoint"].as_str().is_some_and(|text| text.ends_with("unreachable"))
    })
    .await;
    within(SHOWS, "logged", async || {
        logged(&bridge, "sender::connection", "connecting failed")
            && logged(&bridge, "sender::shared", "paused: the endpoint gets no messages")
    })
    .await;
    assert!(down.elapsed() < SHOWS, "all of it took {:?}", down.elapsed());

    endpoint.up();
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored_count() == 2).await);
    within(SHOWS, "well again", async || {
        sender.ready().await.1["endpoint"] == "sending"
            && sender.sum("adt_bridge_sender_paused", &[]).await == 0.0
            && logged(&bridge, "sender::shared", "the endpoint gets messages again")
    })
    .await;
}

fn replace(path: &Path, text: &str) {
    let next: PathBuf = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_broken_or_not_trusted_shows_and_is_mended_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let ca_file = authority.write(folder.path(), "ca.crt").unwrap();
    let identity = authority.issue(&["hospital.example"], Validity::Now);
    let endpoint =
        Endpoint::start_with(Script::accept(), Security::Tls(identity.server(None))).await.unwrap();
    let stub = AwsStub::start().await.unwrap();
    let mut bridge = deployment(endpoint.address()).apart(&stub).unwrap();
    bridge
        .set("SENDER__ENDPOINT__TLS__ENABLED", true)
        .set("SENDER__ENDPOINT__TLS__CA_FILE", ca_file.display())
        .set("SENDER__ENDPOINT__TLS__SERVER_NAME", "hospital.example");
    bridge.start(Role::Hook).await.unwrap();
    let (sender, _port) = start_told(&mut bridge, Role::Sender).await;
    let load = load(&bridge);
    assert!(load.write(mark(1), DEADLINE).await);
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored_count() == 1).await);
    let ends =
        sender.sum("adt_bridge_tls_certificate_expiry_timestamp_seconds", &[("role", "endpoint")]).await;
    // 2100-01-01, as the harness issues them.
    assert_eq!(ends, 4_102_444_800.0);

    replace(&ca_file, "no certificate");
    let broken = Instant::now();
    within(SHOWS, "a broken file is counted and logged", async || {
        sender.sum("adt_bridge_config_reloads_total", &[("outcome", "broken")]).await == 1.0
            && logged(&bridge, "credentials::reload", "new files are broken; the last good ones stay")
    })
    .await;
    assert!(broken.elapsed() < SHOWS);
    assert!(sender.is_well("queue").await, "the last good one is in use");
    assert!(load.write(mark(2), DEADLINE).await);
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored_count() == 2).await);

    replace(&ca_file, stranger.pem());
    let untrusted = Instant::now();
    within(SHOWS, "another authority is in use", async || {
        sender.sum("adt_bridge_config_reloads_total", &[("outcome", "new")]).await == 1.0
    })
    .await;
    assert!(load.write(mark(3), DEADLINE).await);
    within(SHOWS, "an endpoint that is not trusted is counted", async || {
        sender.sum("adt_bridge_sender_connects_total", &[("outcome", "tls")]).await > 0.0
            && sender.sum("adt_bridge_sender_paused", &[("cause", "tls")]).await == 1.0
    })
    .await;
    within(SHOWS, "told and logged", async || {
        let (status, body) = sender.ready().await;
        status == 200
            && body["endpoint"] == "paused: tls"
            && logged(&bridge, "sender::connection", "connecting failed")
            && bridge.output().contains("signed by an unknown authority")
    })
    .await;
    assert!(untrusted.elapsed() < SHOWS, "all of it took {:?}", untrusted.elapsed());

    replace(&ca_file, authority.pem());
    within(SHOWS, "mended", async || endpoint.stored_count() == 3).await;
    within(SHOWS, "well again", async || sender.sum("adt_bridge_sender_paused", &[]).await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_shows_and_room_is_noticed() {
    let endpoint = Endpoint::start(Script::accept()).await.unwrap();
    endpoint.down();
    let mut bridge = deployment(endpoint.address());
    bridge.set("QUEUE__MAX_FILE_BYTES", 400 * 1024).set("QUEUE__RESERVE_BYTES", 64 * 1024);
    bridge.start(Role::Up).await.unwrap();
    let hook = Watched::new(bridge.hook_address());
    let put = async |number: usize| {
        let patient = json!({ "resourceType": "Patient", "id": format!("p{number}"),
            "address": [{ "text": "x".repeat(20_000) }] });
        let url = format!("{}/Patient/p{number}", bridge.hook_url());
        let body = patient.to_string();
        let answer = hook.client.put(url).header("content-type", "application/json").body(body).send().await;
        answer.unwrap().status().as_u16()
    };
    let mut accepted = 0;
    let full = loop {
        match put(accepted).await {
            201 => accepted += 1,
            status => break status,
        }
        assert!(accepted < 100, "never full");
    };
    let since = Instant::now();
    assert_eq!(full, 503);
    within(SHOWS, "not ready", async || hook.fails("queue").await).await;
    within(SHOWS, "counted and logged", async || {
        let full = [("op", "send"), ("outcome", "full")];
        hook.sum("adt_bridge_queue_operation_duration_seconds_count", &full).await > 0.0
            && hook.sum("adt_bridge_hook_requests_total", &[("outcome", "unavailable")]).await > 0.0
            && logged(&bridge, "service::health", "not ready: queue")
            && logged(&bridge, "transform::error", "refused: queue did not take the message: queue full")
    })
    .await;
    assert!(since.elapsed() < SHOWS, "all of it took {:?}", since.elapsed());

    endpoint.up();
    let delivered = u64::try_from(accepted).unwrap();
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored_count() == delivered).await);
    within(SHOWS, "room again", async || hook.is_well("queue").await).await;
    assert_eq!(put(accepted).await, 201);
    assert!(logged(&bridge, "service::health", "ready again: queue"));
}
