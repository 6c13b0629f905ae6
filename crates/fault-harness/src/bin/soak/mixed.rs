//! Everything at once: the network, the endpoint and the process fail at random under a steady load.

use std::{
    io,
    time::{Duration, Instant},
};

use fault_harness::{
    deployment::{Deployment, Role},
    endpoint::{AckId, Endpoint, Reply, Script, Step, When},
    oracle::{Evidence, Mark},
    process::Signal,
    proxy::{Arrival, Close, Direction, Impairment, Proxy, Split},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    Options,
    evidence::{self, Outcome},
    kills::PATIENCE,
    writers::Writers,
};

/// Runs for `time`, then lets everything heal and settle.
pub(crate) async fn run(options: &Options, time: Duration) -> io::Result<Outcome> {
    let mut random = StdRng::seed_from_u64(options.seed);
    let endpoint = Endpoint::start(script()).await?;
    let proxy = Proxy::start(endpoint.address(), options.seed).await?;
    let mut bridge = Deployment::new(&options.binary, proxy.address())?;
    // One connection could not keep up with the stalls: each costs it an acknowledgment timeout.
    bridge.set("SENDER__CONNECTIONS", CONNECTIONS);
    bridge.start(Role::Up).await?;
    let writers = Writers::start(options, bridge.hook_url())?;
    let started = Instant::now();
    let (mut faults, mut ambiguous, mut longest_recovery) = (0, 0, Duration::ZERO);
    let mut minute = 0;
    while started.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..3000))).await;
        let lasts = Duration::from_millis(random.random_range(200..3000));
        faults += 1;
        match random.random_range(0..20) {
            0 => {
                ambiguous += options.unclear(CONNECTIONS);
                bridge.kill(Role::Up);
                bridge.start(Role::Up).await?;
            }
            1 => {
                // An acknowledgment that is late by the pause is no acknowledgment.
                ambiguous += CONNECTIONS;
                if let Some(process) = bridge.process(Role::Up) {
                    process.signal(Signal::STOP)?;
                    tokio::time::sleep(lasts).await;
                    process.signal(Signal::CONT)?;
                }
            }
            2 => {
                if let Some(process) = bridge.process(Role::Up) {
                    process.signal(Signal::TERM)?;
                    // 3: it stopped with a message unanswered; otherwise everything on the wire was settled.
                    match process.wait(Duration::from_secs(35)).await?.code() {
                        Some(0) => {}
                        Some(3) => ambiguous += CONNECTIONS,
                        other => return Err(io::Error::other(format!("SIGTERM ended in {other:?}"))),
                    }
                }
                bridge.start(Role::Up).await?;
            }
            other => network(other, &proxy, lasts, &mut random).await,
        }
        proxy.heal();
        let (healed, stored) = (Instant::now(), endpoint.stored_count());
        while endpoint.stored_count() == stored {
            if healed.elapsed() > PATIENCE {
                return Err(io::Error::other("nothing was stored for too long after a fault"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        longest_recovery = longest_recovery.max(healed.elapsed());
        if started.elapsed().as_secs() / 60 > minute {
            minute = started.elapsed().as_secs() / 60;
            let memory = bridge.process(Role::Up).and_then(|process| process.resident_bytes()).unwrap_or(0);
            let files = bridge.process(Role::Up).and_then(|process| process.open_files()).unwrap_or(0);
            eprintln!("mixed faults: minute {minute}, {faults} faults, {} MiB, {files} files", memory >> 20);
        }
    }
    let (accepted, loaded) = writers.stop().await;
    endpoint.script(Script::accept());
    let received = endpoint.received().len() as u64;
    let scripted: u64 = UNCLEAR.iter().map(|every| received / every).sum();
    // A crash of the endpoint ends every connection, as a kill of the sender does, each with its message.
    ambiguous += CONNECTIONS * (received / CRASH) + proxy.broken_flows() + scripted;
    let collect = |dead: Vec<Mark>| Evidence {
        accepted: accepted.clone(),
        stored: Mark::find_all(endpoint.stored().iter().map(|one| &one.body)),
        dead,
        ambiguous,
    };
    evidence::settled(PATIENCE, || collect(Vec::new())).await;
    bridge.kill(Role::Up);
    let dead = evidence::dead_letters(&bridge.data().join("data/queue/queue.db")).await?;
    let verdict = collect(dead).judge();
    let faults = faults + scripted;
    Ok(Outcome { name: "mixed faults", seed: options.seed, faults, verdict, longest_recovery, loaded })
}

/// One fault between sender and endpoint, for some time.
async fn network(which: u32, proxy: &Proxy, lasts: Duration, random: &mut StdRng) {
    let both = |impairment: Impairment| {
        proxy.impair(Direction::ToServer, impairment.clone());
        proxy.impair(Direction::ToClient, impairment);
    };
    let close = if random.random() { Close::Fin } else { Close::Reset };
    match which {
        3..=5 => proxy.cut_after(Direction::ToServer, random.random_range(0..2000), close),
        6..=8 => proxy.cut_after(Direction::ToClient, random.random_range(0..500), close),
        9 => proxy.blackhole(),
        10 => proxy.arrival(Arrival::Refuse),
        11 => proxy.arrival(Arrival::End(close)),
        12 => proxy.half_close(Direction::ToClient),
        13 => proxy.half_close(Direction::ToServer),
        14 => proxy.forget(),
        15 => both(Impairment {
            latency: Duration::from_millis(20),
            jitter: Duration::from_millis(50),
            ..Impairment::default()
        }),
        16 => both(Impairment { split: Split::EveryByte, ..Impairment::default() }),
        17 => both(Impairment { bytes_per_second: Some(2000), ..Impairment::default() }),
        18 => proxy.stop_reading(Direction::ToServer),
        _ => proxy.close_all(close),
    }
    tokio::time::sleep(lasts).await;
}

/// Each kind of answer about once in a hundred messages; the counts are prime, so that they meet rarely.
fn script() -> Script {
    let fault = Step::Reply(Reply::new("AE").error("207", "E"));
    let wrong = Step::Reply(Reply::new("AA").names(AckId::Other("X".into())));
    let [lost, half, stalled] = UNCLEAR;
    Script::accept()
        .rule(When::Every(lost), vec![Step::Store, Step::End(Close::Reset)])
        .rule(
            When::Every(half),
            vec![Step::Store, Step::ReplyPart(Reply::new("AA"), 40), Step::End(Close::Fin)],
        )
        .rule(When::Every(stalled), vec![Step::Store, Step::Stall])
        .rule(When::Every(103), vec![Step::End(Close::Reset)])
        .rule(When::Every(107), vec![fault])
        // Not stored: whoever takes this acknowledgment for its own loses the message.
        .rule(
            When::Every(109),
            vec![wrong.clone(), Step::Delay(Duration::from_millis(20)), Step::End(Close::Fin)],
        )
        .rule(
            When::Every(113),
            vec![Step::Store, Step::Raw(b"hello".to_vec()), Step::Reply(Reply::new("AA"))],
        )
        .rule(
            When::Every(127),
            vec![Step::Store, Step::Delay(Duration::from_millis(300)), Step::Reply(Reply::new("AA"))],
        )
        .rule(When::Every(131), vec![Step::Store, Step::Reply(Reply::new("AA")), wrong])
        .rule(When::Every(CRASH), vec![Step::Crash(Duration::from_millis(500))])
}

/// How often the endpoint stores a message and its acknowledgment does not get through.
const UNCLEAR: [u64; 3] = [89, 97, 101];

/// How often the endpoint crashes.
const CRASH: u64 = 137;

/// Connections of the sender.
const CONNECTIONS: u64 = 4;
