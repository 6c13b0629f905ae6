//! What came, what became of it, and which faults were injected: what an oracle compares a sender's word with.
//!
//! No patient data: a group is the SHA-256 of the logical id. Control ids stand as the sender made them.

use std::collections::VecDeque;

use serde::Serialize;

use crate::acknowledge::Outcome;

/// Both lists, each bounded: the oldest entries go first.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    next: u64,
    received: VecDeque<Received>,
    faults: VecDeque<Fault>,
}

/// One message.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Received {
    /// From 1, over all connections, in the order of arrival.
    pub(crate) recv_seq: u64,
    pub(crate) connection: u64,
    /// MSH-10.
    pub(crate) control_id: String,
    /// MSH-9.2.
    pub(crate) event: String,
    /// SHA-256 of the logical id of each patient it is about.
    pub(crate) groups: Vec<String>,
    /// Of the bytes as they came.
    pub(crate) sha256: String,
    pub(crate) size_bytes: usize,
    /// RFC 3339.
    pub(crate) received_at: String,
    pub(crate) outcome: State,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Still in work, or lost with the process.
    Arrived,
    Stored,
    Duplicate,
    /// Stored, and answered with a complaint.
    StoredWithComplaint,
    Acknowledgment,
    Refused,
    /// By order of a scenario.
    Dropped,
}

/// One injected fault.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fault {
    /// Of the message; none where it hit a connection.
    pub(crate) recv_seq: Option<u64>,
    pub(crate) connection: u64,
    /// Since the scenario was put in place.
    pub(crate) elapsed_ms: u64,
    pub(crate) rule: String,
    pub(crate) actions: Vec<String>,
}

impl Journal {
    /// Notes a message and gives it its number.
    pub(crate) fn arrived(&mut self, mut received: Received) -> u64 {
        self.next += 1;
        received.recv_seq = self.next;
        push(&mut self.received, received);
        self.next
    }

    /// Notes what became of it.
    pub(crate) fn settled(&mut self, recv_seq: u64, state: State) {
        let index = self.received.front().and_then(|first| recv_seq.checked_sub(first.recv_seq));
        let index = index.and_then(|index| usize::try_from(index).ok());
        if let Some(received) = index.and_then(|index| self.received.get_mut(index)) {
            received.outcome = state;
        }
    }

    pub(crate) fn injected(&mut self, fault: Fault) {
        push(&mut self.faults, fault);
    }

    /// Messages in the order of arrival; those of one group where one is given.
    pub(crate) fn received(&self, group: Option<&str>) -> Vec<Received> {
        let wanted =
            |received: &&Received| group.is_none_or(|group| received.groups.iter().any(|own| own == group));
        self.received.iter().filter(wanted).cloned().collect()
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.faults.iter().cloned().collect()
    }
}

impl From<&Outcome> for State {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Stored => Self::Stored,
            Outcome::Duplicate => Self::Duplicate,
            Outcome::StoredWith(_) => Self::StoredWithComplaint,
            Outcome::Acknowledgment => Self::Acknowledgment,
            Outcome::Refused(_) => Self::Refused,
        }
    }
}

fn push<T>(list: &mut VecDeque<T>, entry: T) {
    if list.len() >= MOST_ENTRIES {
        list.pop_front();
    }
    list.push_back(entry);
}

const MOST_ENTRIES: usize = 100_000;
