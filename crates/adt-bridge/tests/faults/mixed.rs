//! Everything at once, for seconds; `scripts/soak.sh` does it for half an hour.

use std::time::Duration;

use fault_harness::{
    endpoint::{AckId, Endpoint, Reply, Script, Step, When},
    oracle::Mark,
    proxy::{Arrival, Close, Direction, Impairment, Proxy, Split},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::rig::Rig;

const CONNECTIONS: u64 = 3;

fn script() -> Script {
    let aa = || Step::Reply(Reply::new("AA"));
    let nobody = AckId::Other("C0-0".to_owned());
    let wrong = Step::Reply(Reply::new("AA").names(AckId::Previous));
    Script::accept()
        .rule(When::Every(7), vec![Step::Store, Step::End(Close::Reset)])
        .rule(
            When::Every(11),
            vec![Step::Store, Step::ReplyPart(Reply::new("AA"), 50), Step::End(Close::Fin)],
        )
        .rule(When::Every(13), vec![Step::End(Close::Reset)])
        .rule(When::Every(17), vec![Step::Reply(Reply::new("AE").error("207", "E"))])
        // Not stored: whoever takes this acknowledgment for its own loses the message.
        .rule(When::Every(19), vec![wrong, Step::Delay(Duration::from_millis(20)), Step::End(Close::Fin)])
        // Names nobody's message: the one before may not be stored yet, and may come next on this connection.
        .rule(When::Every(23), vec![Step::Store, aa(), Step::Reply(Reply::new("AA").names(nobody))])
        .rule(When::Every(29), vec![Step::Store, Step::Raw(b"hello".to_vec()), aa()])
        .rule(When::Every(31), vec![Step::Store, Step::Stall])
}

fn harm(proxy: &Proxy, random: &mut StdRng) {
    let close = if random.random() { Close::Fin } else { Close::Reset };
    let split = Impairment { split: Split::Random(9), ..Impairment::default() };
    let late = Impairment { jitter: Duration::from_millis(30), ..Impairment::default() };
    match random.random_range(0..10) {
        0 => proxy.cut_after(Direction::ToServer, random.random_range(0..600), close),
        1 => proxy.cut_after(Direction::ToClient, random.random_range(0..300), close),
        2 => proxy.arrival(Arrival::End(close)),
        3 => proxy.half_close(Direction::ToClient),
        4 => proxy.half_close(Direction::ToServer),
        5 => proxy.forget(),
        6 => proxy.impair(Direction::ToClient, split),
        7 => proxy.impair(Direction::ToServer, late),
        8 => proxy.blackhole(),
        _ => proxy.close_all(close),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f50_mixed_faults_for_some_seconds() {
    let runs: Vec<_> = SEEDS
        .map(|seed| {
            tokio::spawn(async move {
                let mut random = StdRng::seed_from_u64(seed);
                let endpoint = Endpoint::start(script()).await.expect("started");
                let proxy = Proxy::start(endpoint.address(), seed).await.expect("started");
                let mut rig = Rig::start(proxy.address(), |config| {
                    config.connections = CONNECTIONS as usize;
                    // Rows F20 and F22 are about giving up; here nothing may be given up.
                    config.policy.max_passing_faults = 1000;
                    config.policy.max_peer_losses = 1000;
                    config.policy.pause_after_failures = 1000;
                });
                let mut halts = 0;
                for version in 1..=15 {
                    for group in 1..=8 {
                        rig.send(Mark { group, version }).await;
                    }
                    harm(&proxy, &mut random);
                    tokio::time::sleep(Duration::from_millis(random.random_range(20..250))).await;
                    proxy.heal();
                    if random.random_ratio(1, 6) {
                        halts += 1;
                        rig.halt().await;
                        rig.restart();
                    }
                }
                // The endpoint stays as bad as it is until everything has arrived.
                rig.drained().await;
                let received = endpoint.received().len() as u64;
                let scripted = received / 7 + received / 11 + received / 31;
                let verdict =
                    rig.judge(&endpoint, proxy.broken_flows() + scripted + halts * CONNECTIONS).await;
                assert!(verdict.holds(), "seed {seed}: {verdict}: {verdict:?}");
                assert_eq!(verdict.dead, 0, "seed {seed}");
            })
        })
        .collect();
    for run in runs {
        run.await.expect("no panic");
    }
}

const SEEDS: std::ops::RangeInclusive<u64> = 1..=4;
