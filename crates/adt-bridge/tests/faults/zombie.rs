//! A sender that is stopped between the check of its lease and the write, and wakes up when others went on.

use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use clock::{Clock, Hands};
use fault_harness::{
    endpoint::{Endpoint, Script},
    load::patient_id,
    oracle::Mark,
};
use message_store::{MessageStore, PatientKey};
use queue::{MemoryConfig, MemoryQueue, Queue};
use tokio_util::sync::CancellationToken;

use crate::{
    hook::Hook,
    receiver::Receiver,
    rig::{DEADLINE, config, envelope},
};

/// A replica with a runtime of its own, stopped as a whole before its first write, as by SIGSTOP.
struct Zombie {
    stopped: mpsc::Receiver<()>,
    wake: mpsc::Sender<()>,
    shutdown: CancellationToken,
    thread: JoinHandle<sender::Summary>,
}

impl Zombie {
    fn start(config: sender::Config, dependencies: sender::Dependencies) -> Self {
        let (stop, stopped) = mpsc::sync_channel(1);
        let (wake, woken) = mpsc::channel();
        let woken = std::sync::Mutex::new(woken);
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let stop = move || {
            // Only the first time: afterwards nobody listens, and nobody is needed to wake it.
            if stop.send(()).is_ok() {
                // An end of the channel wakes it, too.
                woken.lock().expect("one thread").recv().unwrap_or_default();
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("built");
            let sender = sender::run_stopping(config, dependencies, stop, token);
            runtime.block_on(sender).expect("no error")
        });
        Self { stopped, wake, shutdown, thread }
    }

    /// Waits until it stands between check and write.
    async fn stopped(self) -> Self {
        let waited = tokio::task::spawn_blocking(move || {
            self.stopped.recv_timeout(DEADLINE).expect("a message was to be written");
            self
        });
        waited.await.expect("no panic")
    }

    /// Lets it go on.
    fn wakes(&mut self) {
        drop(std::mem::replace(&mut self.wake, mpsc::channel().0));
    }

    /// Lets it write, and stops it once it has its answer.
    async fn wakes_and_ends(self) -> sender::Summary {
        drop((self.stopped, self.wake));
        let thread = self.thread;
        self.shutdown.cancel();
        tokio::task::spawn_blocking(move || thread.join().expect("no panic")).await.expect("joined")
    }
}

/// Longer than any lease.
const PAUSE: Duration = Duration::from_secs(60);

fn shared_queue() -> (Arc<MemoryQueue>, Clock, Hands) {
    let (clock, hands) = Clock::settable();
    let memory = MemoryConfig { visibility_seconds: 12, ..MemoryConfig::default() };
    (Arc::new(MemoryQueue::with_clock(memory, clock.clone())), clock, hands)
}

/// Without a fence at the endpoint nothing prevents it; the bundled receiver has one.
#[tokio::test]
async fn f31_a_zombie_delivers_an_older_version_and_the_receiver_keeps_the_newer_one() {
    const PAUSES: u64 = 50;
    let receiver = Receiver::start(|_| {}).await;
    let (queue, clock, hands) = shared_queue();
    let hook = Hook::start(Arc::clone(&queue) as Arc<dyn Queue>, clock.clone()).await;
    let dependencies =
        || sender::Dependencies { queue: Arc::clone(&queue) as Arc<dyn Queue>, clock: clock.clone() };
    let current = async |group| {
        let key = PatientKey::new(&patient_id(group)).expect("a key");
        let current = receiver.store.current(&key).await.expect("readable")?;
        Mark::find(&current.body)
    };
    let mut broken = 0;
    for group in 1..=PAUSES {
        let (older, newer) = (Mark { group, version: 1 }, Mark { group, version: 2 });
        let zombie = Zombie::start(config(receiver.address), dependencies());
        assert!(hook.load.write(older, DEADLINE).await, "never accepted");
        let zombie = zombie.stopped().await;
        hands.suspend(PAUSE);
        // Another replica goes on.
        let shutdown = CancellationToken::new();
        let other = tokio::spawn(sender::run(config(receiver.address), dependencies(), shutdown.clone()));
        assert!(hook.load.write(newer, DEADLINE).await, "never accepted");
        let drained = async {
            while current(group).await != Some(newer) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(DEADLINE, drained).await.expect("both delivered");
        // It wakes, writes the older version once more, and has it acknowledged.
        let summary = zombie.wakes_and_ends().await;
        broken += summary.delivered;
        assert_eq!(summary.ambiguous, 0);
        assert_eq!(current(group).await, Some(newer), "not rolled back");
        shutdown.cancel();
        assert_eq!(other.await.expect("no panic").expect("no error").delivered, 2);
    }
    assert_eq!(broken, PAUSES, "docs/explanation/guarantees.md says 1,000 per 1,000");
    assert_eq!(receiver.stored().await.len() as u64, 2 * PAUSES, "each message is stored once");
}

#[tokio::test]
async fn f31_with_a_single_active_sender_nobody_overtakes_a_zombie() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let (queue, clock, hands) = shared_queue();
    let folder = tempfile::tempdir().expect("a folder");
    let settings = || sender::Config {
        single_active: Some(folder.path().join("endpoint.lock")),
        ..config(endpoint.address())
    };
    let dependencies =
        || sender::Dependencies { queue: Arc::clone(&queue) as Arc<dyn Queue>, clock: clock.clone() };
    let send = async |version| {
        queue.send(envelope(Mark { group: 1, version }, 0)).await.expect("queued");
    };
    let zombie = Zombie::start(settings(), dependencies());
    send(1).await;
    let mut zombie = zombie.stopped().await;
    hands.suspend(PAUSE);
    let shutdown = CancellationToken::new();
    let other = tokio::spawn(sender::run(settings(), dependencies(), shutdown.clone()));
    send(2).await;
    let overtaken =
        endpoint.wait_until(Duration::from_millis(1500), |endpoint| !endpoint.received().is_empty());
    assert!(!overtaken.await, "its lease is long over, and it is still the active one");
    zombie.wakes();
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.received().len() == 2).await);
    // With its end the other one is next.
    assert_eq!(zombie.wakes_and_ends().await.delivered, 2);
    send(3).await;
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.received().len() == 3).await);
    let order = Mark::find_all(endpoint.received().iter().map(|one| &one.body));
    assert_eq!(order, [1, 2, 3].map(|version| Mark { group: 1, version }));
    shutdown.cancel();
    assert_eq!(other.await.expect("no panic").expect("no error").delivered, 1);
}
