//! Clocks that jump, and hosts that sleep.

use std::{sync::Arc, time::Duration};

use clock::{Clock, Hands};
use fault_harness::{
    endpoint::{Endpoint, Reply, Script, Step, When},
    oracle::Mark,
    proxy::Close,
};
use queue::{EmbeddedConfig, EmbeddedQueue, Queue};

use crate::{
    hook::Hook,
    rig::{DEADLINE, Rig, control_id},
    watched_queue::Failing,
};

#[tokio::test]
async fn f38_after_a_suspension_nothing_is_written_under_a_lease_that_ended() {
    for round in 0..3 {
        let hold = vec![Step::Store, Step::Hold, Step::Reply(Reply::new("AA"))];
        let endpoint = Endpoint::start(Script::accept().rule(When::Nth(1), hold)).await.expect("started");
        let rig = Rig::start(endpoint.address(), |config| config.endpoint.acknowledgment_timeout_seconds = 3);
        rig.send_all(6, 2).await;
        // One is on the wire; the heads of all groups are on lease.
        let heads: Vec<_> = (1..=6).map(|group| control_id(Mark { group, version: 1 })).collect();
        rig.until("the heads are held", |rig| heads.iter().all(|id| rig.queue.receives(id) == 1)).await;
        assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.received().len() == 1).await);
        // No new lease meanwhile: the poll that waits has to end first.
        rig.queue.fail(Failing::Traffic);
        rig.until("polls are refused", |rig| rig.queue.refused(Failing::Traffic) > 0).await;
        rig.hands.suspend(Duration::from_secs(13 + 600 * round));
        rig.until("the sender finds its leases ended", |rig| {
            endpoint.release();
            rig.queue.stale() >= 5
        })
        .await;
        assert_eq!(endpoint.received().len(), 1, "no write under a lease that ended");
        // Then they come again, in order; the acknowledgment that came late counts.
        rig.queue.heal();
        rig.settles(&endpoint, 0).await;
        assert!(heads.iter().all(|id| rig.queue.receives(id) == 2));
        assert_eq!(endpoint.received().len(), 12);
    }
}

#[tokio::test]
async fn f37_jumps_of_the_wall_clock_neither_reorder_nor_expire_nor_change_anything() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    // An hour either way as a clock set by hand for daylight saving, a leap second, two days, before the start.
    let jumps: [fn(&Hands); 8] = [
        |_| {},
        |hands| hands.set_ahead(HOUR),
        |hands| hands.set_back(HOUR),
        |hands| hands.set_ahead(Duration::from_secs(1)),
        |hands| hands.set_back(Duration::from_secs(1)),
        |hands| hands.set_ahead(48 * HOUR),
        |hands| hands.set_back(96 * HOUR),
        |hands| hands.set_ahead(48 * HOUR),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let (clock, hands) = Clock::settable();
    let settings = EmbeddedConfig {
        path: folder.path().join("queue.db"),
        visibility_seconds: 20,
        ..EmbeddedConfig::default()
    };
    let queue = EmbeddedQueue::open_with_clock(&settings, clock.clone()).await.expect("opened");
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let rig = Rig::start_with((clock, hands), Arc::new(queue), endpoint.address(), |config| {
        config.endpoint.acknowledgment_timeout_seconds = 10;
        config.policy.max_age = 12 * HOUR;
    });
    let hook = Hook::start(Arc::clone(&rig.queue) as Arc<dyn Queue>, rig.clock.clone()).await;
    let mut rounds = 0;
    for jump in jumps {
        rounds += 1;
        // The clock jumps while a message is on the wire and its acknowledgment lost, others are on lease, and the
        // rest of their groups waits.
        let lost = vec![Step::Store, Step::Hold, Step::End(Close::Reset)];
        endpoint.script(Script::accept().times(1, When::Always, lost));
        let on_the_wire = endpoint.received().len() + 1;
        for half in [2 * rounds - 1, 2 * rounds] {
            for group in 1..=4 {
                assert!(hook.load.write(Mark { group, version: half }, DEADLINE).await, "never accepted");
            }
        }
        assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.received().len() == on_the_wire).await);
        jump(&rig.hands);
        // A repeat of a write is recognised on either side of the jump.
        hook.load.write(Mark { group: 1, version: 2 * rounds }, DEADLINE).await;
        rig.until("the lost acknowledgment", |_| {
            endpoint.release();
            endpoint.received().len() > on_the_wire
        })
        .await;
        rig.drained().await;
    }
    rig.accepted(hook.load.accepted());
    let verdict = rig.settles(&endpoint, rounds).await;
    assert_eq!((verdict.messages, verdict.dead), (64, 0), "{verdict}");
    assert_eq!(verdict.duplicates, rounds, "only what was sent again after a lost acknowledgment");
    let stored = endpoint.stored();
    assert!(stored.iter().all(|one| rig.queue.receives(&one.control_id) == 1), "no lease ended early");
}
