//! Control ids of our own acknowledgments.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives each acknowledgment an MSH-10 of 20 characters (the limit before HL7 v2.7): 40 random bits of this
/// process and a counter.
#[derive(Debug)]
pub(crate) struct ControlIds {
    process: u64,
    next: AtomicU64,
}

impl ControlIds {
    pub(crate) fn new() -> Self {
        Self { process: RandomState::new().hash_one(0) & BITS, next: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed) & BITS;
        format!("{:010X}{number:010X}", self.process)
    }
}

/// Ten hexadecimal digits.
const BITS: u64 = (1 << 40) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_short_and_differ() {
        let ids = ControlIds::new();
        let (first, second) = (ids.next(), ids.next());
        assert_eq!(first.len(), 20);
        assert_ne!(first, second);
        assert_ne!(ControlIds::new().next(), first, "of two processes");
    }
}
