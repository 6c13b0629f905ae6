//! Messages that were just sent, so that whoever receives them next need not read them from the disk.

use std::collections::BTreeMap;

use crate::Envelope;

/// The most that is kept; beyond it the oldest ones are read from the disk after all.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// What a message takes beside its body.
const OVERHEAD_BYTES: usize = 512;

/// Committed messages that nobody has received yet, by sequence.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    envelopes: BTreeMap<u64, Envelope>,
    bytes: usize,
}

impl Fresh {
    pub(super) fn keep(&mut self, sequence: u64, envelope: Envelope) {
        self.bytes += size(&envelope);
        self.envelopes.insert(sequence, envelope);
        while self.bytes > MOST_BYTES
            && let Some((_, oldest)) = self.envelopes.pop_first()
        {
            self.bytes -= size(&oldest);
        }
    }

    pub(super) fn take(&mut self, sequence: u64) -> Option<Envelope> {
        let envelope = self.envelopes.remove(&sequence)?;
        self.bytes -= size(&envelope);
        Some(envelope)
    }
}

fn size(envelope: &Envelope) -> usize {
    envelope.body.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attributes, DeduplicationId, GroupId};

    fn envelope(bytes: usize) -> Envelope {
        Envelope {
            body: "x".repeat(bytes),
            group: GroupId::digest(&["g"]),
            deduplication_id: DeduplicationId::digest(&["d"]),
            attributes: Attributes::default(),
        }
    }

    #[test]
    fn a_message_is_there_once() {
        let mut fresh = Fresh::default();
        fresh.keep(7, envelope(10));
        assert_eq!(fresh.take(8), None);
        assert_eq!(fresh.take(7), Some(envelope(10)));
        assert_eq!((fresh.take(7), fresh.bytes), (None, 0));
    }

    #[test]
    fn the_oldest_leave_when_there_are_too_many() {
        let mut fresh = Fresh::default();
        for sequence in 1..=5 {
            fresh.keep(sequence, envelope(1024 * 1024));
        }
        assert!(fresh.bytes <= MOST_BYTES);
        assert_eq!(fresh.envelopes.keys().copied().collect::<Vec<_>>(), [3, 4, 5]);
    }
}
