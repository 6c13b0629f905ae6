//! Messages and endpoints that refuse to work.

use std::time::{Duration, Instant};

use fault_harness::{
    endpoint::{Endpoint, Reply, Script, Step, When},
    oracle::Mark,
};
use queue::Reason;

use crate::rig::{DEADLINE, Rig};

#[tokio::test]
async fn f20_an_endpoint_that_refuses_everything_empties_no_queue_into_the_dead_letters() {
    let refuse = vec![Step::Reply(Reply::new("AE").error("101", "E"))];
    let endpoint = Endpoint::start(Script::always(refuse)).await.expect("started");
    let rig = Rig::start(endpoint.address(), |_| {});
    rig.send_all(60, 1).await;
    // Long enough for several probes of the breaker.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let tried = endpoint.received().len();
    assert!(tried < 30, "{tried} messages were tried at an endpoint that refuses all");
    endpoint.script(Script::accept());
    let verdict = rig.settles(&endpoint, 0).await;
    assert!(verdict.dead <= 20, "{verdict}");
    assert_eq!(verdict.messages, 60);
}

#[tokio::test]
async fn f21_one_poisoned_patient_delays_nobody_else() {
    let poison = Mark { group: 7, version: 2 };
    let script =
        Script::accept().rule(When::Contains(poison.to_string()), vec![Step::Reply(Reply::new("AE"))]);
    let endpoint = Endpoint::start(script).await.expect("started");
    let rig = Rig::start(endpoint.address(), |_| {});
    rig.send_all(50, 3).await;
    let verdict = rig.settles(&endpoint, 0).await;
    assert_eq!((verdict.messages, verdict.dead), (150, 1));
    assert_eq!(rig.queue.dead().first().map(|(_, reason)| *reason), Some(Reason::RetriesExhausted));
    let stored = Mark::find_all(endpoint.stored().iter().map(|one| &one.body));
    assert!(stored.contains(&Mark { group: 7, version: 3 }), "the patient's next state follows");
    let tries = endpoint.received().iter().filter(|one| Mark::find(&one.body) == Some(poison)).count();
    assert_eq!(tries, 5, "as often as the policy says");
}

#[tokio::test]
async fn f22_a_message_that_kills_its_receiver_is_isolated() {
    let killer = Mark { group: 3, version: 1 };
    let script = Script::accept()
        .rule(When::Contains(killer.to_string()), vec![Step::Crash(Duration::from_millis(20))]);
    let endpoint = Endpoint::start(script).await.expect("started");
    let rig = Rig::start(endpoint.address(), |config| config.policy.pause_after_failures = 50);
    let started = Instant::now();
    // Other patients keep coming, as in a hospital: without them nobody could tell a killer from an outage.
    let mut version = 0;
    rig.send(killer).await;
    while rig.queue.dead().is_empty() {
        assert!(started.elapsed() < DEADLINE, "never isolated");
        version += 1;
        rig.send(Mark { group: 50, version }).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let verdict = rig.settles(&endpoint, 0).await;
    assert_eq!(verdict.dead, 1);
    assert_eq!(rig.queue.dead().first().map(|(_, reason)| *reason), Some(Reason::KillsPeer));
    let kills = endpoint.received().iter().filter(|one| Mark::find(&one.body) == Some(killer)).count();
    assert!(kills <= 4, "{kills} kills before it was isolated");
}
