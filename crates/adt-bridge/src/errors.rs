//! What each code means: what happened, why it may have, and what to do.
//!
//! Each entry stands in a `match` over the enum that raises its code, without a wildcard: a new variant asks for its
//! text.

mod connection;

pub(crate) use connection::connection;

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As it is shown.
    pub(crate) code: &'static str,
    /// What happened.
    pub(crate) title: &'static str,
    /// Why it may have, the likeliest first.
    pub(crate) causes: &'static [&'static str],
    /// What to do.
    pub(crate) remedies: &'static [&'static str],
    /// How it looks, where it is met.
    pub(crate) example: &'static str,
}
