//! A queue that keeps account of what is done to it, and fails on demand.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use queue::{DeadLetter, Delivery, Envelope, Queue, QueueError, QueueLayer, Reason, Receipt, Sent};

/// Passes everything on to another queue.
#[derive(Debug)]
pub(crate) struct WatchedQueue {
    inner: std::sync::Arc<dyn Queue>,
    account: Mutex<Account>,
    /// Messages that are leaving the queue, and are not in the account yet.
    leaving: AtomicUsize,
}

/// Counts a message as leaving until it is dropped.
struct Leaving<'q>(&'q AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Which calls fail from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Failing {
    /// Sends and receives are `Unavailable`.
    Traffic,
    /// Deletes are `Unavailable`.
    Deletes,
    /// Leases cannot be extended: `Unavailable`.
    Extensions,
    /// Leases are reported as ended: `Stale`.
    Leases,
    /// Receives never return.
    Hanging,
}

#[derive(Debug, Default)]
struct Account {
    failing: HashSet<Failing>,
    leased: HashMap<Receipt, String>,
    receives: HashMap<String, u32>,
    deleted: Vec<String>,
    dead: Vec<(String, Reason)>,
    refused: HashMap<Failing, u64>,
    /// Extensions that the queue answered with `Stale`.
    stale: u64,
}

impl WatchedQueue {
    pub(crate) fn new(inner: std::sync::Arc<dyn Queue>) -> Self {
        Self { inner, account: Mutex::default(), leaving: AtomicUsize::new(0) }
    }

    /// Makes calls fail until [`heal`](Self::heal).
    pub(crate) fn fail(&self, failing: Failing) {
        self.account().failing.insert(failing);
    }

    pub(crate) fn heal(&self) {
        self.account().failing.clear();
    }

    /// How many calls were made to fail.
    pub(crate) fn refused(&self, failing: Failing) -> u64 {
        self.account().refused.get(&failing).copied().unwrap_or_default()
    }

    /// How many leases turned out to have ended when they were to be extended.
    pub(crate) fn stale(&self) -> u64 {
        self.account().stale
    }

    /// Control ids of the messages that were deleted, in order.
    pub(crate) fn deleted(&self) -> Vec<String> {
        self.account().deleted.clone()
    }

    /// Bodies of the dead letters and their reasons, in order.
    pub(crate) fn dead(&self) -> Vec<(String, Reason)> {
        self.account().dead.clone()
    }

    /// How often a message was handed out.
    pub(crate) fn receives(&self, control_id: &str) -> u32 {
        self.account().receives.get(control_id).copied().unwrap_or_default()
    }

    /// Whether everything that left the queue is in the account.
    pub(crate) fn is_accounted_for(&self) -> bool {
        self.leaving.load(Ordering::SeqCst) == 0
    }

    fn leaving(&self) -> Leaving<'_> {
        self.leaving.fetch_add(1, Ordering::SeqCst);
        Leaving(&self.leaving)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, failing: Failing) -> Result<(), QueueError> {
        let mut account = self.account();
        if !account.failing.contains(&failing) {
            return Ok(());
        }
        *account.refused.entry(failing).or_default() += 1;
        match failing {
            Failing::Leases => Err(QueueError::Stale),
            _ => Err(QueueError::Unavailable { reason: "injected".into() }),
        }
    }
}

#[async_trait]
impl QueueLayer for WatchedQueue {
    fn inner(&self) -> &dyn Queue {
        self.inner.as_ref()
    }

    async fn send(&self, envelope: Envelope) -> Result<Sent, QueueError> {
        self.check(Failing::Traffic)?;
        self.inner.send(envelope).await
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.check(Failing::Traffic)?;
        if self.check(Failing::Hanging).is_err() {
            std::future::pending::<()>().await;
        }
        let deliveries = self.inner.receive(max, wait).await?;
        let mut account = self.account();
        for delivery in &deliveries {
            let id = &delivery.envelope.attributes.control_id;
            account.leased.insert(delivery.receipt.clone(), id.clone());
            *account.receives.entry(id.clone()).or_default() += 1;
        }
        Ok(deliveries)
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.check(Failing::Deletes)?;
        let _leaving = self.leaving();
        self.inner.delete(receipt).await?;
        let mut account = self.account();
        if let Some(id) = account.leased.get(receipt).cloned() {
            account.deleted.push(id);
        }
        Ok(())
    }

    async fn change_visibility(
        &self,
        receipts: &[Receipt],
        visible_in: Duration,
    ) -> Vec<Result<(), QueueError>> {
        if !visible_in.is_zero() {
            for failing in [Failing::Extensions, Failing::Leases] {
                if let Err(error) = self.check(failing) {
                    return receipts.iter().map(|_| Err(error.clone())).collect();
                }
            }
        }
        let results = self.inner.change_visibility(receipts, visible_in).await;
        let stale = results.iter().filter(|result| **result == Err(QueueError::Stale)).count();
        self.account().stale += stale as u64;
        results
    }

    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError> {
        let reason = letter.reason;
        let _leaving = self.leaving();
        self.inner.dead_letter(delivery, letter).await?;
        self.account().dead.push((delivery.envelope.body.clone(), reason));
        Ok(())
    }

    async fn ready(&self) -> Result<(), QueueError> {
        self.check(Failing::Traffic)?;
        self.inner.ready().await
    }
}
