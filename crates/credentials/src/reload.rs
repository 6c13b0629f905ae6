//! Files that may be replaced while running.
//!
//! New files are read and checked completely before they take the place of the old ones; until then, and when
//! they are broken, the last good ones stay in use. New connections use the new files.

use std::fmt;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{TlsConfigError, metrics};

/// How often [`Reloader::watch`] looks at the files: a few `stat` calls, and a new certificate is in use before
/// anyone waits for it.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Something made of files, made again when they change.
pub struct Reloader<T, E = TlsConfigError> {
    paths: Vec<PathBuf>,
    build: Box<dyn Fn() -> Result<T, E> + Send + Sync>,
    current: watch::Sender<Arc<T>>,
    /// State of the files at the last attempt, good or bad.
    tried: Mutex<Fingerprint>,
}

/// Per file: modification time and size; `None` for a file that cannot be looked at.
type Fingerprint = Vec<Option<(SystemTime, u64)>>;

impl<T, E: fmt::Display> Reloader<T, E> {
    /// Builds from the files at `paths`, and again whenever one of them changes.
    ///
    /// # Errors
    /// What `build` says of the files as they are now.
    pub fn new(
        paths: Vec<PathBuf>,
        build: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        let tried = Mutex::new(fingerprint(&paths));
        let current = watch::Sender::new(Arc::new(build()?));
        Ok(Self { paths, build: Box::new(build), current, tried })
    }

    /// What the last good files gave.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.borrow())
    }

    /// Tells when new files are in use, so that old connections can be replaced.
    pub fn subscribe(&self) -> watch::Receiver<Arc<T>> {
        self.current.subscribe()
    }

    /// Reads the files again, whether they look changed or not.
    ///
    /// # Errors
    /// What is wrong with the new files; the last good ones stay in use.
    pub fn reload(&self) -> Result<(), E> {
        let seen = fingerprint(&self.paths);
        let built = (self.build)();
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        self.current.send_replace(Arc::new(built?));
        Ok(())
    }

    /// Reads the files again when one of them changed since the last attempt. `Ok(true)` when it did.
    ///
    /// # Errors
    /// What is wrong with the new files; told once for each change.
    pub fn reload_if_changed(&self) -> Result<bool, E> {
        let changed = *self.tried.lock().unwrap_or_else(PoisonError::into_inner) != fingerprint(&self.paths);
        if changed {
            self.reload()?;
        }
        Ok(changed)
    }

    /// Looks at the files every `interval` ([`POLL_INTERVAL`] unless there is a reason) until shutdown, and reads them at
    /// SIGHUP whether they look changed or not. Without files there is nothing to do.
    pub async fn watch(&self, interval: Duration, shutdown: CancellationToken) {
        if self.paths.is_empty() {
            return;
        }
        let reloads = metrics::reloads();
        let mut hangup = Hangup::listen();
        loop {
            let read = tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(interval) => self.reload_if_changed(),
                () = hangup.received() => self.reload().map(|()| true),
            };
            match read {
                Ok(false) => {}
                Ok(true) => {
                    reloads.with(["new"]).increment(1);
                    tracing::info!(paths = ?self.paths, "new files are in use");
                }
                Err(error) => {
                    reloads.with(["broken"]).increment(1);
                    tracing::error!(paths = ?self.paths, %error, "new files are broken; the last good ones stay");
                }
            }
        }
    }
}

/// SIGHUP, but of a terminal that is closed: that ends the process, as it ends any.
struct Hangup(Option<Signal>);

impl Hangup {
    fn listen() -> Self {
        // A handler that was installed once stays, so there must be none for a terminal.
        if std::io::stdin().is_terminal() { Self(None) } else { Self(signal(SignalKind::hangup()).ok()) }
    }

    async fn received(&mut self) {
        let received = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if received.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

impl<T, E> fmt::Debug for Reloader<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("paths", &self.paths).finish_non_exhaustive()
    }
}

fn fingerprint(paths: &[PathBuf]) -> Fingerprint {
    let look = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    paths.iter().map(look).collect()
}
