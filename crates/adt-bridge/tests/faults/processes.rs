//! The built binary as a process or several, writers that keep it busy, and the verdict.

use std::{sync::Arc, time::Duration};

use fault_harness::{
    aws_stub::AwsStub,
    deployment::{Deployment, Role},
    endpoint::Endpoint,
    load::Load,
    oracle::{Evidence, Mark, Verdict},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::rig::DEADLINE;

pub(crate) fn deployment(endpoint: &Endpoint) -> Deployment {
    Deployment::new(env!("CARGO_BIN_EXE_adt-bridge"), endpoint.address()).expect("a folder and two ports")
}

pub(crate) fn load(deployment: &Deployment) -> Arc<Load> {
    Arc::new(Load::new(deployment.hook_url(), Duration::from_secs(5)).expect("a client"))
}

/// Writes every version of every group, each until it is accepted.
pub(crate) async fn write_all(load: &Load, groups: u64, versions: u64) {
    for version in 1..=versions {
        for group in 1..=groups {
            assert!(load.write(Mark { group, version }, DEADLINE).await, "never accepted");
        }
    }
}

/// Writers that go on until told to stop, one per group.
pub(crate) struct Writers {
    load: Arc<Load>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    pub(crate) fn start(load: Arc<Load>, groups: u64) -> Self {
        let stop = CancellationToken::new();
        let tasks = (1..=groups)
            .map(|group| {
                let (load, stop) = (Arc::clone(&load), stop.clone());
                tokio::spawn(async move {
                    for version in 1.. {
                        if stop.is_cancelled() || !load.write(Mark { group, version }, DEADLINE).await {
                            return;
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                })
            })
            .collect();
        Self { load, stop, tasks }
    }

    pub(crate) async fn stop(self) -> Vec<Mark> {
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("no panic");
        }
        self.load.accepted()
    }
}

/// Waits until everything accepted is stored, and judges.
pub(crate) async fn settles(accepted: &[Mark], endpoint: &Endpoint, ambiguous: u64) -> Verdict {
    let evidence = || Evidence {
        accepted: accepted.to_vec(),
        stored: Mark::find_all(endpoint.stored().iter().map(|one| &one.body)),
        dead: Vec::new(),
        ambiguous,
    };
    let complete = |_: &Endpoint| evidence().judge().lost.is_empty();
    endpoint.wait_until(2 * DEADLINE, complete).await;
    let verdict = evidence().judge();
    assert!(verdict.holds(), "{verdict}: {verdict:?}");
    verdict
}

/// Names and ids of patients stay out of everything that is logged (I6), whatever fails.
pub(crate) fn names_nobody(bridge: &Deployment) {
    let output = bridge.output();
    assert!(!output.is_empty(), "nothing was logged at all");
    assert_eq!(Mark::find(output.as_bytes()), None, "a family name was logged");
    let id = fault_harness::load::patient_id(1);
    assert!(!output.contains(&id), "a patient id was logged");
}

pub(crate) async fn sqs(endpoint: &Endpoint, roles: &[Role]) -> (AwsStub, Deployment) {
    let stub = AwsStub::start().await.expect("started");
    let mut bridge = deployment(endpoint).apart(&stub).expect("a certificate");
    let ledger = bridge.data().join("ledger");
    bridge.set("SENDER__LEDGER", ledger.display());
    for role in roles {
        bridge.start(*role).await.expect("started");
    }
    (stub, bridge)
}
