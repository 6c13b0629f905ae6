//! A queue that fails while messages are under way.

use std::{sync::Arc, time::Duration};

use fault_harness::{
    endpoint::{Endpoint, Reply, Script, Step, When},
    oracle::Mark,
};
use queue::{MemoryConfig, MemoryQueue};

use crate::{
    rig::{Rig, control_id},
    watched_queue::Failing,
};

#[tokio::test]
async fn f27_the_sender_finishes_what_it_holds_while_the_queue_is_away() {
    let hold = vec![Step::Store, Step::Hold, Step::Reply(Reply::new("AA"))];
    let endpoint = Endpoint::start(Script::accept().rule(When::Nth(1), hold)).await.expect("started");
    let rig = Rig::start(endpoint.address(), |config| config.endpoint.acknowledgment_timeout_seconds = 5);
    rig.send_all(3, 2).await;
    assert!(endpoint.wait_until(crate::rig::DEADLINE, |endpoint| endpoint.received().len() == 1).await);
    rig.queue.fail(Failing::Traffic);
    rig.until("the held message is deleted", |rig| {
        endpoint.release();
        !rig.queue.deleted().is_empty()
    })
    .await;
    rig.queue.heal();
    rig.settles(&endpoint, 0).await;
}

#[tokio::test]
async fn f28_a_delete_that_fails_leads_to_no_second_send() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = folder.path().join("ledger");
    let mut rig = Rig::start(endpoint.address(), |config| config.ledger = Some(ledger));
    rig.queue.fail(Failing::Deletes);
    rig.send_all(3, 1).await;
    rig.until("failed deletes", |rig| rig.queue.refused(Failing::Deletes) >= 3).await;
    assert!(!endpoint.stored().is_empty() && rig.queue.deleted().is_empty());
    // The sender dies with the deletes undone; the next one finds the ledger.
    rig.halt().await;
    rig.queue.heal();
    rig.restart();
    rig.settles(&endpoint, 0).await;
    assert_eq!(endpoint.received().len(), 3, "nothing was sent twice");
}

#[tokio::test]
async fn f29_a_lease_reported_as_lost_stops_its_group_and_keeps_the_order() {
    let memory = MemoryQueue::new(MemoryConfig { visibility_seconds: 9, ..MemoryConfig::default() });
    // The first message of every group fails a few times, so that leases are held while they are lost.
    let script =
        Script::accept().times(12, When::Always, vec![Step::Reply(Reply::new("AE").error("207", "E"))]);
    let endpoint = Endpoint::start(script).await.expect("started");
    let rig = Rig::start_on(Arc::new(memory), endpoint.address(), |config| {
        config.policy.retry_base = Duration::from_secs(2);
        config.policy.retry_cap = Duration::from_secs(4);
    });
    rig.queue.fail(Failing::Leases);
    rig.send_all(3, 3).await;
    rig.until("a lost lease", |rig| rig.queue.refused(Failing::Leases) > 0).await;
    rig.queue.heal();
    rig.settles(&endpoint, 0).await;
    let handed_out: u32 = (1..=3)
        .map(|group| rig.queue.receives(&control_id(Mark { group, version: 1 })))
        .max()
        .unwrap_or_default();
    assert!(handed_out >= 1);
}
