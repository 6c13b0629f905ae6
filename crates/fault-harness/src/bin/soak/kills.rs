//! SIGKILL under load, again and again.

use std::{
    io,
    time::{Duration, Instant},
};

use fault_harness::{
    aws_stub::AwsStub,
    deployment::{Deployment, Role},
    endpoint::{Endpoint, Script},
    oracle::{Evidence, Mark},
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{
    Options,
    evidence::{self, Outcome},
    writers::Writers,
};

/// Hook, queue and sender in one process: each kill takes all three, in the middle of whatever they do.
pub(crate) async fn single(options: &Options, rounds: u64) -> io::Result<Outcome> {
    let mut random = StdRng::seed_from_u64(options.seed);
    let endpoint = Endpoint::start(Script::accept()).await?;
    let mut bridge = Deployment::new(&options.binary, endpoint.address())?;
    bridge.start(Role::Up).await?;
    let writers = Writers::start(options, bridge.hook_url())?;
    let mut longest_recovery = Duration::ZERO;
    for round in 1..=rounds {
        tokio::time::sleep(Duration::from_millis(random.random_range(200..2000))).await;
        bridge.kill(Role::Up);
        let (killed, stored) = (Instant::now(), endpoint.stored_count());
        bridge.start(Role::Up).await?;
        recovered(|| endpoint.stored_count() > stored).await?;
        longest_recovery = longest_recovery.max(killed.elapsed());
        progress("kill of the one process", round, rounds);
    }
    let (accepted, loaded) = writers.stop().await;
    let collect = |dead: Vec<Mark>| Evidence {
        accepted: accepted.clone(),
        stored: Mark::find_all(endpoint.stored().iter().map(|one| &one.body)),
        dead,
        ambiguous: rounds * options.unclear(1),
    };
    evidence::settled(PATIENCE, || collect(Vec::new())).await;
    bridge.kill(Role::Up);
    let dead = evidence::dead_letters(&bridge.data().join("data/queue/queue.db")).await?;
    let verdict = collect(dead).judge();
    Ok(Outcome {
        name: "kill -9 of the one process",
        seed: options.seed,
        faults: rounds,
        verdict,
        longest_recovery,
        loaded,
    })
}

/// Hook, sender and receiver as processes, over SQS and S3: each round kills one, or all in random order. The
/// death of the receiver leaves at most one message per connection unclear, that of the hook none.
pub(crate) async fn apart(options: &Options, rounds: u64) -> io::Result<Outcome> {
    let mut random = StdRng::seed_from_u64(options.seed.wrapping_add(1));
    let stub = AwsStub::start().await?;
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let mut bridge = Deployment::new(&options.binary, nowhere)?.apart(&stub)?;
    let receiver = bridge.receiver_address();
    bridge.set("SENDER__ENDPOINT__ADDRESS", receiver);
    // Each message costs the receiver several calls to the store; one connection would fall behind the load.
    bridge.set("SENDER__CONNECTIONS", CONNECTIONS);
    let ledger = bridge.data().join("ledger");
    bridge.set("SENDER__LEDGER", ledger.display());
    for role in ROLES {
        bridge.start(role).await?;
    }
    let writers = Writers::start(options, bridge.hook_url())?;
    let (mut longest_recovery, mut kills, mut ambiguous) = (Duration::ZERO, 0, 0);
    for round in 1..=rounds {
        tokio::time::sleep(Duration::from_millis(random.random_range(200..2000))).await;
        let mut victims = ROLES.to_vec();
        victims.shuffle(&mut random);
        if random.random_ratio(3, 4) {
            victims.truncate(1);
        }
        for role in &victims {
            bridge.kill(*role);
            kills += 1;
        }
        if victims.contains(&Role::Sender) {
            ambiguous += options.unclear(CONNECTIONS);
        } else if victims.contains(&Role::Receiver) {
            ambiguous += CONNECTIONS;
        }
        let (killed, stored) = (Instant::now(), stub.write_count(BUCKET, RECEIVED));
        if victims.contains(&Role::Sender) {
            // Its leases would end by themselves; this only saves the wait.
            stub.lapse("bridge.fifo");
        }
        victims.shuffle(&mut random);
        for role in victims {
            bridge.start(role).await?;
        }
        recovered(|| stub.write_count(BUCKET, RECEIVED) > stored).await?;
        longest_recovery = longest_recovery.max(killed.elapsed());
        progress("kills of single processes", round, rounds);
    }
    let (accepted, loaded) = writers.stop().await;
    let verdict = evidence::settled(PATIENCE, || Evidence {
        accepted: accepted.clone(),
        stored: Mark::find_all(stub.writes(BUCKET, RECEIVED)),
        dead: Mark::find_all(stub.bodies("bridge-dead.fifo")),
        ambiguous,
    })
    .await;
    Ok(Outcome {
        name: "kill -9 of hook, sender, receiver",
        seed: options.seed.wrapping_add(1),
        faults: kills,
        verdict,
        longest_recovery,
        loaded,
    })
}

/// Waits until a message is stored again.
async fn recovered(stored_more: impl Fn() -> bool) -> io::Result<()> {
    let started = Instant::now();
    while !stored_more() {
        if started.elapsed() > PATIENCE {
            return Err(io::Error::other("nothing was stored for too long after a kill"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

pub(crate) fn progress(what: &str, round: u64, rounds: u64) {
    if round.is_multiple_of(25) || round == rounds {
        eprintln!("{what}: {round} of {rounds}");
    }
}

const ROLES: [Role; 3] = [Role::Hook, Role::Sender, Role::Receiver];
/// Connections of the sender.
const CONNECTIONS: u64 = 4;
const BUCKET: &str = "bridge";
const RECEIVED: &str = "received/";
/// Longer than any back-off of the sender.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
