//! State that tests and long polls wait for.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

/// A state, and a number that rises with every change of it.
#[derive(Debug, Default)]
pub(crate) struct Watched<S> {
    state: Mutex<S>,
    version: watch::Sender<u64>,
}

impl<S> Watched<S> {
    pub(crate) fn new(state: S) -> Self {
        Self { state: Mutex::new(state), version: watch::Sender::default() }
    }

    /// For reading; a change through it is seen by nobody who waits.
    pub(crate) fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes everybody who waits.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        let result = change(&mut self.lock());
        self.touch();
        result
    }

    /// Wakes everybody who waits.
    pub(crate) fn touch(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// Sees every change from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Waits until `condition` holds; false when the deadline passed before.
    pub(crate) async fn wait_until(&self, deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
        let mut version = self.subscribe();
        let met = async {
            loop {
                version.borrow_and_update();
                if condition() || version.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(deadline, met).await.is_ok()
    }
}
