//! One writer per patient at a time, in the order of arrival.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use message_store::PatientKey;
use tokio::sync::OwnedMutexGuard;

/// Locks by patient. Holds an entry only for patients that are being written or waited for.
#[derive(Clone, Debug, Default)]
pub(crate) struct PatientLocks {
    entries: Arc<Mutex<Entries>>,
}

type Entries = HashMap<PatientKey, Arc<tokio::sync::Mutex<()>>>;

/// Held for the time of a write; the next in line goes on when it is dropped.
#[derive(Debug)]
pub(crate) struct PatientGuard {
    // Fields drop in this order: first the lock is free, then the entry may go.
    _held: Option<OwnedMutexGuard<()>>,
    _place: Place,
}

/// A holder's or waiter's share in an entry.
#[derive(Debug)]
struct Place {
    locks: PatientLocks,
    patient: PatientKey,
    lock: Option<Arc<tokio::sync::Mutex<()>>>,
}

impl PatientLocks {
    /// Waits for the patient.
    ///
    /// # Cancel safety
    /// A waiter that is dropped leaves the line.
    pub(crate) async fn lock(&self, patient: &PatientKey) -> PatientGuard {
        let lock = Arc::clone(self.entries().entry(patient.clone()).or_default());
        let place = Place { locks: self.clone(), patient: patient.clone(), lock: Some(Arc::clone(&lock)) };
        let held = lock.lock_owned().await;
        PatientGuard { _held: Some(held), _place: place }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut entries = self.locks.entries();
        drop(self.lock.take());
        // Shares are made under the same mutex: one left means only the table holds it.
        if entries.get(&self.patient).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            entries.remove(&self.patient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(id: &str) -> PatientKey {
        PatientKey::new(id).unwrap()
    }

    #[tokio::test]
    async fn one_at_a_time_and_in_order() {
        let locks = PatientLocks::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = locks.lock(&patient("a")).await;
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..10 {
            let (locks, order) = (locks.clone(), Arc::clone(&order));
            tasks.spawn(async move {
                let _guard = locks.lock(&patient("a")).await;
                order.lock().unwrap().push(index);
            });
            tokio::task::yield_now().await;
        }
        assert!(order.lock().unwrap().is_empty());
        drop(first);
        while tasks.join_next().await.is_some() {}
        assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
        assert!(locks.entries().is_empty());
    }

    #[tokio::test]
    async fn patients_do_not_wait_for_each_other() {
        let locks = PatientLocks::default();
        let _a = locks.lock(&patient("a")).await;
        let _b = locks.lock(&patient("b")).await;
        assert_eq!(locks.entries().len(), 2);
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_leaves_nothing() {
        let locks = PatientLocks::default();
        let held = locks.lock(&patient("a")).await;
        let waiting = tokio::time::timeout(std::time::Duration::ZERO, locks.lock(&patient("a"))).await;
        assert!(waiting.is_err());
        drop(held);
        assert!(locks.entries().is_empty());
    }
}
