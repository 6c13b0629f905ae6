//! The hook, in process, on a queue and a clock of the test.

use std::{sync::Arc, time::Duration};

use clock::Clock;
use fault_harness::load::Load;
use message_store::MemoryStore;
use queue::Queue;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A running hook. Dropping it stops it.
pub(crate) struct Hook {
    /// Writes to it.
    pub(crate) load: Load,
    shutdown: CancellationToken,
}

impl Hook {
    pub(crate) async fn start(queue: Arc<dyn Queue>, clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/persistence", listener.local_addr().expect("an address"));
        let dependencies = transform::Dependencies { queue, store: Arc::new(MemoryStore::new()), clock };
        let shutdown = CancellationToken::new();
        let config = transform::Config::default();
        tokio::spawn(transform::run(config, dependencies, listener, shutdown.clone()));
        Self { load: Load::new(base, Duration::from_secs(5)).expect("a client"), shutdown }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
