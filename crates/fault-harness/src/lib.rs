//! Test equipment for delivery under faults. No part of it runs in production, and none of it uses the code it
//! judges: frames, control ids and HTTP are read by hand here.
//!
//! | Module | What it breaks or measures |
//! |---|---|
//! | [`proxy`] | bytes between two TCP peers: late, slow, split, cut, swallowed, refused |
//! | [`endpoint`] | a hospital listener with a script: every acknowledgment, and none |
//! | [`certificates`] | certificates that are fine, expired, early, or from a stranger |
#![warn(missing_docs)]

pub mod certificates;
pub mod endpoint;
pub mod proxy;

mod port;
