//! Where the records of a span of sequences may be. Pure.

use super::Identity;

/// The sequences of a span, one less than a place can count: none is an empty slot.
const PLACES: u64 = if cfg!(test) { 5 } else { u16::MAX as u64 };
/// Twice the places, so that few share a neighbourhood.
const SLOTS: usize = 1 << 17;

/// A hash table of 8 bytes a record. It knows 33 bits of a hash, and takes one record in some tens of thousands for
/// another one.
#[derive(Debug)]
pub(super) struct Span {
    first: u64,
    /// 16 bits of the hash, then the place in the span, counted from 1.
    slots: Vec<u32>,
}

impl Span {
    pub(super) fn new(first: u64) -> Self {
        Self { first, slots: vec![0; SLOTS] }
    }

    /// Behind the last sequence.
    pub(super) fn end(&self) -> u64 {
        self.first + PLACES
    }

    /// Adds a record of this span.
    pub(super) fn add(&mut self, sequence: u64, identity: &Identity) {
        let (start, tag) = split(identity);
        let place = u32::try_from(sequence - self.first + 1).unwrap_or_default();
        if let Some(slot) = around(start).find(|slot| self.slots[*slot] == 0) {
            self.slots[slot] = tag | place;
        }
    }

    /// The sequences where the record of this hash may be.
    pub(super) fn places(&self, identity: &Identity) -> impl Iterator<Item = u64> {
        let (start, tag) = split(identity);
        let entries = around(start).map(|slot| self.slots[slot]).take_while(|entry| *entry != 0);
        let alike = entries.filter(move |entry| entry & TAG == tag);
        alike.map(|entry| self.first + u64::from(entry & !TAG) - 1)
    }
}

const TAG: u32 = 0xFFFF_0000;

/// The slot of a hash, and what stands there of it.
fn split(identity: &Identity) -> (usize, u32) {
    let [a, b, c, d, e, ..] = *identity;
    let start = u32::from_be_bytes([0, e & 1, c, d]);
    (start as usize, u32::from_be_bytes([a, b, 0, 0]))
}

/// Every slot once, from this one on.
fn around(start: usize) -> impl Iterator<Item = usize> {
    (start..SLOTS).chain(0..start)
}
