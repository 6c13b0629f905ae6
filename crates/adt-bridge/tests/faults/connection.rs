//! Connections that break, stall and vanish.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fault_harness::{
    endpoint::{Endpoint, Reply, Script, Step, When},
    oracle::Mark,
    proxy::{Arrival, Close, Direction, EventKind, Impairment, Proxy, Split},
};
use queue::{MemoryConfig, MemoryQueue, Queue as _};

use crate::rig::{ACKNOWLEDGMENT_TIMEOUT, DEADLINE, Rig, control_id, envelope};

async fn proxied(script: Script) -> (Endpoint, Proxy) {
    let endpoint = Endpoint::start(script).await.expect("started");
    let proxy = Proxy::start(endpoint.address(), 1).await.expect("started");
    (endpoint, proxy)
}

/// One message through, so that a connection stands idle.
async fn warmed_up(rig: &Rig) {
    rig.send(Mark { group: 100, version: 1 }).await;
    rig.drained().await;
}

#[tokio::test]
async fn f08_messages_wait_for_an_endpoint_that_is_down() {
    let (endpoint, proxy) = proxied(Script::accept()).await;
    proxy.arrival(Arrival::Refuse);
    let rig = Rig::start(proxy.address(), |_| {});
    rig.send_all(5, 3).await;
    // The outage itself: long enough for the breaker to open and to probe.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(endpoint.received().is_empty());
    proxy.heal();
    let verdict = rig.settles(&endpoint, 0).await;
    assert_eq!(verdict.messages, 15);
    let most = (1..=5).map(|group| rig.queue.receives(&control_id(Mark { group, version: 1 }))).max();
    assert!(most <= Some(2), "an outage costs at most one receive more: {most:?}");
}

#[tokio::test]
async fn f09_a_flapping_endpoint_gets_no_storm() {
    let (endpoint, proxy) = proxied(Script::accept()).await;
    let rig = Rig::start(proxy.address(), |_| {});
    let started = Instant::now();
    for version in 1..=6 {
        for group in 1..=5 {
            rig.send(Mark { group, version }).await;
        }
        let arrival = if version % 2 == 0 { Arrival::Forward } else { Arrival::End(Close::Reset) };
        proxy.arrival(arrival);
        proxy.close_all(Close::Reset);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    proxy.heal();
    rig.settles(&endpoint, proxy.broken_flows()).await;
    let (connects, seconds) = (proxy.accepted(), started.elapsed().as_secs_f64());
    assert!(connects as f64 <= 10.0 + 5.0 * seconds, "{connects} connects in {seconds} s");
}

#[tokio::test]
async fn f10_a_black_hole_is_noticed_at_the_acknowledgment_timeout() {
    let (endpoint, proxy) = proxied(Script::accept()).await;
    let rig = Rig::start(proxy.address(), |_| {});
    warmed_up(&rig).await;
    proxy.blackhole();
    let sent = Instant::now();
    rig.send_all(1, 2).await;
    // The sender gives the connection up by closing it; the hole hides that, so look at its next connect.
    rig.until("another connection", |_| proxy.accepted() >= 2).await;
    let noticed = sent.elapsed();
    proxy.heal();
    assert!(noticed >= ACKNOWLEDGMENT_TIMEOUT, "{noticed:?}");
    assert!(noticed < ACKNOWLEDGMENT_TIMEOUT * 2, "{noticed:?}");
    rig.settles(&endpoint, proxy.broken_flows()).await;
}

#[tokio::test]
async fn f11_a_flow_that_a_load_balancer_forgot_costs_one_try() {
    let (endpoint, proxy) = proxied(Script::accept()).await;
    let rig = Rig::start(proxy.address(), |_| {});
    warmed_up(&rig).await;
    proxy.forget();
    let forgotten = |proxy: &Proxy| proxy.events().iter().any(|event| event.kind == EventKind::Forgotten);
    rig.until("forgotten", |_| forgotten(&proxy)).await;
    rig.send_all(3, 2).await;
    let verdict = rig.settles(&endpoint, 1).await;
    assert_eq!(verdict.duplicates, 0, "the forgotten flow delivered nothing");
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn f12_a_half_closed_idle_connection_is_replaced_before_it_is_used() {
    let (endpoint, proxy) = proxied(Script::accept()).await;
    let rig = Rig::start(proxy.address(), |_| {});
    warmed_up(&rig).await;
    proxy.half_close(Direction::ToClient);
    let closed = EventKind::HalfClosed(Direction::ToClient);
    rig.until("half closed", |_| proxy.events().iter().any(|event| event.kind == closed)).await;
    let sent = Instant::now();
    rig.send_all(3, 2).await;
    rig.settles(&endpoint, 0).await;
    assert_eq!(endpoint.received().len(), 7, "each message was sent once");
    assert!(sent.elapsed() < Duration::from_secs(3), "no timeout was needed: {:?}", sent.elapsed());
}

/// RST and FIN after every byte of a message of 900 bytes, both ways of ending in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_a_cut_after_any_byte_loses_nothing() {
    const SIZE: usize = 900;
    const LANES: usize = 30;
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| {
            tokio::spawn(async move {
                let (endpoint, proxy) = proxied(Script::accept()).await;
                let rig = Rig::start(proxy.address(), |_| {});
                let mut cuts = 0;
                for (version, after) in (1..).zip((lane..=SIZE).step_by(LANES)) {
                    let close = if after % 2 == 0 { Close::Reset } else { Close::Fin };
                    // A flow counts its bytes from its start, so each cut needs a fresh one.
                    proxy.close_all(Close::Fin);
                    rig.until("no flow", |_| proxy.open() == 0).await;
                    proxy.cut_after(Direction::ToServer, after as u64, close);
                    let envelope = envelope(Mark { group: 1, version }, SIZE);
                    rig.queue.send(envelope).await.expect("queued");
                    rig.drained().await;
                    cuts += 1;
                    let received = endpoint.received();
                    assert!(
                        received.iter().all(|one| one.body.ends_with(b"\r")),
                        "a part was taken for a whole"
                    );
                }
                let stored: Vec<u64> = Mark::find_all(endpoint.stored().iter().map(|one| &one.body))
                    .iter()
                    .map(|mark| mark.version)
                    .collect();
                assert!(stored.is_sorted(), "{stored:?}");
                let different = stored.iter().collect::<std::collections::HashSet<_>>().len();
                assert_eq!(different, cuts, "every message arrived");
                assert!(stored.len() as u64 <= cuts as u64 + proxy.broken_flows());
            })
        })
        .collect();
    for lane in lanes {
        lane.await.expect("no panic");
    }
}

#[tokio::test]
async fn f14_a_lost_acknowledgment_is_followed_by_the_same_bytes() {
    let (endpoint, proxy) = proxied(Script::accept()).await;
    let rig = Rig::start(proxy.address(), |_| {});
    for after in [0, 1, 30, 60] {
        proxy.close_all(Close::Fin);
        rig.until("no flow", |_| proxy.open() == 0).await;
        proxy.cut_after(Direction::ToClient, after, Close::Reset);
        rig.send(Mark { group: 1, version: after + 1 }).await;
        rig.drained().await;
    }
    let verdict = rig.settles(&endpoint, proxy.broken_flows()).await;
    assert!(verdict.duplicates >= 3, "{verdict}: the acknowledgments were really lost");
}

#[tokio::test]
async fn f23_a_slow_endpoint_is_no_dead_endpoint() {
    // About a hundred bytes, one by one: bytes of an acknowledgment are coming.
    let gap = Duration::from_millis(6);
    let slowly = vec![Step::Store, Step::ReplySlowly(Reply::new("AA"), gap)];
    let (endpoint, proxy) = proxied(Script::always(slowly)).await;
    let memory = MemoryQueue::new(MemoryConfig { visibility_seconds: 30, ..MemoryConfig::default() });
    let rig = Rig::start_on(Arc::new(memory), proxy.address(), |config| {
        config.endpoint.acknowledgment_timeout_seconds = 6;
        config.endpoint.write_timeout_seconds = 6;
    });
    rig.send_all(2, 2).await;
    rig.settles(&endpoint, 0).await;
    // Then it stops reading in the middle of a large message, and goes on.
    endpoint.script(Script::accept());
    proxy.stop_reading(Direction::ToServer);
    rig.queue.send(envelope(Mark { group: 9, version: 1 }, 900_000)).await.expect("queued");
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.heal();
    rig.drained().await;
    assert_eq!(endpoint.stored().iter().filter(|one| one.body.len() > 800_000).count(), 1);
}

#[tokio::test]
async fn f24_acknowledgments_split_anywhere_are_the_same_acknowledgments() {
    let (endpoint, proxy) = proxied(Script::accept()).await;
    let rig = Rig::start(proxy.address(), |_| {});
    for (group, split) in (1..).zip([Split::EveryByte, Split::Random(3), Split::Random(40)]) {
        proxy.impair(Direction::ToClient, Impairment { split, ..Impairment::default() });
        proxy.impair(Direction::ToServer, Impairment { split, ..Impairment::default() });
        for version in 1..=5 {
            rig.send(Mark { group, version }).await;
        }
        rig.drained().await;
    }
    rig.settles(&endpoint, 0).await;
    assert_eq!(endpoint.received().len(), 15, "no resend was needed");
}

#[tokio::test]
async fn f24_garbage_before_an_acknowledgment_is_skipped() {
    let garbage = vec![Step::Store, Step::Raw(b"\r\n hello \x00".to_vec()), Step::Reply(Reply::new("AA"))];
    let endpoint = Endpoint::start(Script::always(garbage)).await.expect("started");
    let rig = Rig::start(endpoint.address(), |_| {});
    rig.send_all(3, 2).await;
    rig.settles(&endpoint, 0).await;
    assert_eq!(endpoint.received().len(), 6);
}

#[tokio::test]
async fn f39_a_silent_connection_at_the_endpoint_blocks_nobody_else() {
    let endpoint =
        Endpoint::start(Script::accept().rule(When::Nth(1), vec![Step::Stall])).await.expect("started");
    let rig = Rig::start(endpoint.address(), |config| config.connections = 2);
    rig.send_all(6, 2).await;
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored().len() >= 10).await);
    rig.settles(&endpoint, 1).await;
}

#[tokio::test]
async fn f46_a_name_with_a_dead_address_reaches_the_other_one() {
    // `localhost` has an IPv6 address on most machines; nobody listens there.
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let port = endpoint.address().port();
    let rig = Rig::start(endpoint.address(), |config| config.endpoint.address = format!("localhost:{port}"));
    rig.send_all(2, 2).await;
    rig.settles(&endpoint, 0).await;
}

#[tokio::test]
async fn f46_an_unknown_name_keeps_everything_queued() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let mut rig = Rig::start(endpoint.address(), |config| {
        config.endpoint.address = "no-such-host.invalid:2575".into();
        config.allow_plaintext = true;
    });
    rig.send_all(2, 2).await;
    rig.until("received", |rig| rig.queue.receives(&control_id(Mark { group: 1, version: 1 })) > 0).await;
    let summary = rig.halt().await;
    assert_eq!((summary.delivered, summary.dead), (0, 0));
    assert_eq!(rig.queue.statistics().await.expect("statistics").ready, 4);
}

/// SIGTERM is the cancelled token; the process form is in `process.rs`.
#[tokio::test]
async fn f43_stopping_under_load_reports_what_it_leaves_unclear() {
    let slow = vec![Step::Store, Step::Delay(Duration::from_millis(3)), Step::Reply(Reply::new("AA"))];
    let endpoint = Endpoint::start(Script::always(slow)).await.expect("started");
    let mut rig = Rig::start(endpoint.address(), |config| config.connections = 2);
    let mut unclear = 0;
    for round in 1..=10 {
        for group in 1..=6 {
            rig.send(Mark { group, version: round }).await;
        }
        tokio::time::sleep(Duration::from_millis(5 * round)).await;
        let asked = Instant::now();
        let summary = rig.halt().await;
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        unclear += summary.ambiguous;
        let connections = endpoint.connections().len();
        let received = endpoint.received().len();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!((endpoint.connections().len(), endpoint.received().len()), (connections, received));
        rig.restart();
    }
    rig.settles(&endpoint, unclear).await;
}

#[tokio::test]
async fn f43_stopping_with_a_dead_endpoint_takes_no_longer_than_the_drain() {
    let endpoint = Endpoint::start(Script::always(vec![Step::Store, Step::Stall])).await.expect("started");
    let mut rig = Rig::start(endpoint.address(), |config| {
        config.endpoint.acknowledgment_timeout_seconds = 20;
        config.drain = Duration::from_millis(500);
    });
    rig.send_all(2, 2).await;
    let asked = Instant::now();
    let summary = rig.halt().await;
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert!(summary.ambiguous <= 1);
}
