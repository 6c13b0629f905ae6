//! Clocks that jump, and hosts that sleep.

use std::time::Duration;

use fault_harness::{
    endpoint::{Endpoint, Reply, Script, Step, When},
    oracle::Mark,
};

use crate::{
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
