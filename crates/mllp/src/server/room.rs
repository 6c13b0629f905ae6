//! Who is connected, and who has to leave when the house is full.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A connection may stay this long without a frame, however full the house is.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Room {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    guests: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    since: Instant,
    proven: Arc<AtomicBool>,
    evicted: CancellationToken,
}

/// One connection's place; leaves the room when dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    number: u64,
    proven: Arc<AtomicBool>,
    pub(super) evicted: CancellationToken,
}

impl Room {
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let proven = Arc::new(AtomicBool::new(false));
        let evicted = CancellationToken::new();
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        let guest = Guest { since: Instant::now(), proven: Arc::clone(&proven), evicted: evicted.clone() };
        inner.guests.insert(number, guest);
        Place { room: Arc::clone(self), number, proven, evicted }
    }

    /// Asks the oldest connection without a frame to leave. Returns when to ask again.
    pub(super) fn evict_oldest_unproven(&self) -> Duration {
        let inner = self.lock();
        let candidate = inner
            .guests
            .values()
            .find(|guest| !guest.proven.load(Ordering::Relaxed) && !guest.evicted.is_cancelled());
        let Some(guest) = candidate else { return GRACE };
        match GRACE.checked_sub(guest.since.elapsed()) {
            Some(left) if !left.is_zero() => left,
            _ => {
                guest.evicted.cancel();
                GRACE
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A frame has arrived: this peer is at work.
    pub(super) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.lock().guests.remove(&self.number);
    }
}
