//! Where HL7 messages are kept: one SQLite file, S3, a directory, memory.
//!
//! The store knows bytes and keys, not HL7. It holds four families of objects:
//!
//! | key | holds | written by |
//! | --- | --- | --- |
//! | `received/…` | every message received, immutable | the HL7 listener |
//! | `Patient/{id}` | the current message of a patient: its ER7 text and nothing else | the HL7 listener |
//! | `refused/<sha256 of body>` | what the hook could not take and keeps for an operator | the hook |
//! | `accepted/<sha256 of id>` | the last message the hook accepted for a patient | the hook |
//! | `jobs/<sha256>…` | work the hook has promised and not yet done | the hook |
//!
//! `Patient/{id}` is a contract with the earlier service and the one key that holds a logical id.
//! Every other key is a hash or a control id of our own, so that a listing tells nothing of people.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use message_store::{Config, OrderingKey, PatientKey, Replacement};
//!
//! let store = Config::Memory {}.connect().await?;
//! let patient = PatientKey::new("p-204")?;
//! let (old, new) = (OrderingKey::new("2024-03-01T09:30:15Z")?, OrderingKey::new("2024-03-02T08:00:00Z")?);
//! assert_eq!(store.put_current(&patient, &new, "MSH|new".into()).await?, Replacement::Replaced);
//! assert_eq!(store.put_current(&patient, &old, "MSH|old".into()).await?, Replacement::KeptNewer);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

mod accepted;
mod config;
#[cfg(feature = "contract-tests")]
pub mod contract;
mod directory;
mod embedded;
mod error;
mod examination;
mod file_system;
mod incoming;
mod job;
mod key;
mod layer;
mod measured;
mod memory;
mod refused;
mod s3;
mod store;

pub use accepted::{Accepted, AcceptedRecord, Claim, Mark, Precondition, Tag};
pub use config::{Config, DirectoryConfig, EmbeddedConfig, MANUAL, S3Config};
pub use directory::DirectoryStore;
pub use embedded::EmbeddedStore;
pub use error::{InvalidKey, StoreError};
pub use examination::{Refused, S3Examination};
pub use incoming::{Incoming, NewCurrent};
pub use job::{Job, JobKey, JobPage};
pub use key::{OrderingKey, PatientKey, ReceivedKey};
pub use layer::StoreLayer;
pub use measured::METRICS;
pub use memory::MemoryStore;
pub use refused::RefusedKey;
pub use s3::S3Store;
pub use store::{Current, MessageStore, Page, ReceivedEntry, Replacement, Stored};
