use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fault_harness::oracle::{Evidence, Mark};
use rand::Rng as _;
use reqwest::Method;

use crate::bridge::{Bridge, eventually, patient, received, request};

const ROUNDS: usize = 24;
const PATIENTS: u64 = 6;

/// Writers that note every write answered with 2xx.
pub(crate) struct Load {
    pub(crate) accepted: Arc<Mutex<Vec<Mark>>>,
    versions: Arc<Vec<AtomicU64>>,
    writers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(crate) fn new() -> Self {
        Self {
            accepted: Arc::default(),
            versions: Arc::new((0..PATIENTS).map(|_| AtomicU64::new(0)).collect()),
            writers: Vec::new(),
        }
    }

    /// One writer per patient, each writing the next version until a connection fails.
    pub(crate) fn begin(&mut self, bridge: &Bridge) {
        for group in 0..PATIENTS {
            let (client, hook) = bridge.client();
            let (accepted, versions) = (Arc::clone(&self.accepted), Arc::clone(&self.versions));
            self.writers.push(tokio::spawn(async move {
                let id = format!("crash-{group}");
                loop {
                    let version =
                        versions[usize::try_from(group).unwrap()].fetch_add(1, Ordering::Relaxed) + 1;
                    let mark = Mark { group, version };
                    let path = format!("/persistence/Patient/{id}");
                    let body = patient(&id, mark);
                    let Some(answer) = request(&client, &hook, Method::PUT, &path, Some(&body)).await else {
                        return;
                    };
                    if answer.status.is_success() {
                        accepted.lock().unwrap().push(mark);
                    }
                }
            }));
        }
    }

    /// Waits until every writer has seen the connection fail.
    pub(crate) async fn end(&mut self) {
        for writer in self.writers.drain(..) {
            writer.await.unwrap();
        }
    }

    pub(crate) fn accepted(&self) -> Vec<Mark> {
        self.accepted.lock().unwrap().clone()
    }
}

/// Everything accepted is stored, in order.
pub(crate) async fn verify(data: &Path, accepted: Vec<Mark>) {
    let evidence = || Evidence {
        accepted: accepted.clone(),
        stored: Mark::find_all(received(data)),
        ..Evidence::default()
    };
    eventually("every accepted write is stored", async || evidence().judge().lost.is_empty().then_some(()))
        .await;
    let verdict = evidence().judge();
    println!("{verdict}");
    assert!(verdict.holds(), "{verdict}: {:?}", verdict.out_of_order);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_at_random_moments_loses_nothing_accepted() {
    let data = tempfile::tempdir().unwrap();
    let mut load = Load::new();
    for _ in 0..ROUNDS {
        let mut bridge = Bridge::start(data.path(), &[]).await;
        load.begin(&bridge);
        let moment = rand::rng().random_range(0..250);
        // The moment of the kill is the subject of this test, not a wait for a condition.
        tokio::time::sleep(Duration::from_millis(moment)).await;
        bridge.process.kill().unwrap();
        load.end().await;
    }
    let accepted = load.accepted();
    assert!(accepted.len() > ROUNDS, "the load did not get through: {} accepted", accepted.len());
    let bridge = Bridge::start(data.path(), &[]).await;
    verify(data.path(), accepted.clone()).await;

    // What a reader sees is the last accepted version, or a later one whose answer the kill cut off.
    for group in 0..PATIENTS {
        let last = accepted.iter().filter(|mark| mark.group == group).map(|mark| mark.version).max();
        let Some(last) = last else { continue };
        let read = bridge.read(&format!("crash-{group}")).await;
        let shown = Mark::find(read.text.as_bytes()).expect("a mark");
        assert!(shown.group == group && shown.version >= last, "{shown} after {last}");
    }
}
