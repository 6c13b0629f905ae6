//! What was accepted against what arrived.
//!
//! The load generator hides a [`Mark`] in every message and writes down which ones were answered with 2xx. Marks
//! are found again in what the endpoint stored and in the dead letters. [`Evidence::judge`] then checks:
//! I1, every accepted message is stored or dead; I3, per group no version is stored after a newer one; I4, no
//! more repeats than the injected faults can explain.
//!
//! ```
//! use fault_harness::oracle::{Evidence, Mark};
//!
//! let (first, second) = (Mark { group: 1, version: 1 }, Mark { group: 1, version: 2 });
//! let body = format!("PID|1||1||{second}^A\r");
//! assert_eq!(Mark::find(body.as_bytes()), Some(second));
//! let evidence = Evidence { accepted: vec![first, second], stored: vec![first, second], ..Evidence::default() };
//! assert!(evidence.judge().holds());
//! ```

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

/// What a test hides in a message: which group it belongs to and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    /// The ordering group, one patient.
    pub group: u64,
    /// Rises by one per accepted message of the group, from 1.
    pub version: u64,
}

/// Written as `Mk7x12z`: letters and digits, so that no mapping and no escaping changes it.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mk{}x{}z", self.group, self.version)
    }
}

impl Mark {
    /// The first mark in a message.
    pub fn find(body: &[u8]) -> Option<Self> {
        let mut rest = body;
        loop {
            let start = rest.windows(2).position(|pair| pair == b"Mk")?;
            rest = rest.get(start + 2..)?;
            let parsed = number(rest, b'x').and_then(|(group, rest)| Some((group, number(rest, b'z')?.0)));
            if let Some((group, version)) = parsed {
                return Some(Self { group, version });
            }
        }
    }

    /// The marks of many messages, in order; messages without one are left out.
    pub fn find_all<B: AsRef<[u8]>>(bodies: impl IntoIterator<Item = B>) -> Vec<Self> {
        bodies.into_iter().filter_map(|body| Self::find(body.as_ref())).collect()
    }
}

/// Digits up to `end`, and what follows it.
fn number(text: &[u8], end: u8) -> Option<(u64, &[u8])> {
    let length = text.iter().position(|&byte| byte == end)?;
    let digits = std::str::from_utf8(text.get(..length)?).ok()?;
    Some((digits.parse().ok()?, text.get(length + 1..)?))
}

/// Everything a run left behind.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Answered with 2xx, or accepted by the queue.
    pub accepted: Vec<Mark>,
    /// Stored at the endpoint, in the order of storing, repeats included.
    pub stored: Vec<Mark>,
    /// In the dead letters.
    pub dead: Vec<Mark>,
    /// Injected events that can each have left one delivery unclear.
    pub ambiguous: u64,
}

/// What [`Evidence::judge`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many different messages were accepted.
    pub messages: usize,
    /// Accepted, and neither stored nor dead (I1).
    pub lost: Vec<Mark>,
    /// Stored after a newer one of their group (I3): the newer one first.
    pub out_of_order: Vec<(Mark, Mark)>,
    /// How many times a message was stored beyond the first.
    pub duplicates: u64,
    /// How many of those the faults explain (I4).
    pub ambiguous: u64,
    /// In the dead letters.
    pub dead: usize,
}

impl Evidence {
    /// Compares what was accepted with what arrived.
    pub fn judge(&self) -> Verdict {
        let accepted: HashSet<Mark> = self.accepted.iter().copied().collect();
        let stored: HashSet<Mark> = self.stored.iter().copied().collect();
        let dead: HashSet<Mark> = self.dead.iter().copied().collect();
        let mut lost: Vec<Mark> =
            accepted.iter().filter(|mark| !stored.contains(mark) && !dead.contains(mark)).copied().collect();
        lost.sort_unstable();
        let mut newest: HashMap<u64, Mark> = HashMap::new();
        let mut out_of_order = Vec::new();
        for mark in &self.stored {
            let newest = newest.entry(mark.group).or_insert(*mark);
            if mark.version < newest.version {
                out_of_order.push((*newest, *mark));
            } else {
                *newest = *mark;
            }
        }
        Verdict {
            messages: accepted.len(),
            lost,
            out_of_order,
            duplicates: (self.stored.len() - stored.len()) as u64,
            ambiguous: self.ambiguous,
            dead: dead.len(),
        }
    }
}

impl Verdict {
    /// Whether nothing was lost, nothing came out of order, and every repeat is explained.
    pub fn holds(&self) -> bool {
        self.lost.is_empty() && self.out_of_order.is_empty() && self.duplicates <= self.ambiguous
    }
}

/// The line of a report.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages, {} lost, {} duplicated (at most {} explained), {} out of order, {} dead",
            self.messages,
            self.lost.len(),
            self.duplicates,
            self.ambiguous,
            self.out_of_order.len(),
            self.dead,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(list: &[(u64, u64)]) -> Vec<Mark> {
        list.iter().map(|&(group, version)| Mark { group, version }).collect()
    }

    #[test]
    fn finds_marks_and_nothing_else() {
        assert_eq!(Mark::find(b"PID|1||5||Mk1x^Mkx1z^Mk12x345z^"), Some(Mark { group: 12, version: 345 }));
        for text in ["", "Mk", "Mk1", "Mk1x", "Mk1x2", "Mkx", "Mk-1x2z"] {
            assert_eq!(Mark::find(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn sees_loss_order_and_repeats() {
        let evidence = Evidence {
            accepted: marks(&[(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]),
            stored: marks(&[(1, 1), (2, 1), (1, 3), (1, 2), (1, 3), (2, 1)]),
            dead: Vec::new(),
            ambiguous: 1,
        };
        let verdict = evidence.judge();
        assert_eq!(verdict.lost, marks(&[(2, 2)]));
        assert_eq!(verdict.out_of_order.len(), 1);
        assert_eq!(verdict.duplicates, 2);
        assert!(!verdict.holds());
    }

    #[test]
    fn a_dead_letter_is_no_loss_and_a_repeat_in_place_is_no_disorder() {
        let evidence = Evidence {
            accepted: marks(&[(1, 1), (1, 2), (1, 3)]),
            stored: marks(&[(1, 1), (1, 1), (1, 3)]),
            dead: marks(&[(1, 2)]),
            ambiguous: 1,
        };
        assert!(evidence.judge().holds(), "{}", evidence.judge());
    }
}
