//! The inspector: every HL7 message, why each field is there, and what happened to it.
//!
//! One [`Inspector`] holds an index over the message store, serves a JSON API and the pages that use it, and learns
//! what happens through its [`Feed`]. It imports no service: the test HL7 server feeds it what arrives, and a process
//! that also queues and sends feeds it that, and lends it the queue through [`Pipeline`].
//!
//! ```text
//! test HL7 server ── Feed::received ──► writer ──► index (SQLite, FTS5) ──► API ──► pages, command line
//! hook, sender ───── Feed::queued … ──►    ▲                                 │
//!                        message store ────┘ rebuilt at start                └──► Pipeline, Faults
//! ```
//!
//! Values of patients stand in the message store and in the index (a file of mode 0600, or memory), and in the answers
//! of the API; with masking they stand in no answer. They are never in logs, errors or URLs.
#![warn(missing_docs)]

mod access;
mod api;
mod changes;
mod config;
mod dictionary;
mod explain;
mod faults;
mod feed;
mod index;
mod inspector;
mod mask;
mod pages;
mod pipeline;
mod playground;
mod problem;
mod sources;
mod summary;
mod vocabulary;

pub use access::{Access, Reading, Token};
pub use api::pipeline_routes;
pub use config::{Config, MANUAL};
pub use faults::{Faults, FaultsState};
pub use feed::{Arrival, Feed, Queued};
pub use index::OpenError;
pub use inspector::{Inspector, Settings};
pub use pipeline::{
    DeadLetterFull, DeadLetterLine, DeadLetters, Parked, Pipeline, PipelineError, QueueStatus, Resend,
};
pub use vocabulary::{Part, Vocabulary};
