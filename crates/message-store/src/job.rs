//! Work that must not be forgotten: small records of the hook, each under a key of its own.

use std::fmt;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::{InvalidKey, Tag};

/// The identity of a job: `jobs/<sha256, hex>`, or `jobs/<sha256, hex>-<16 hex digits>`.
///
/// What a job is about stands in its body, never in its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey(String);

impl JobKey {
    /// The one job of this subject. Each part counts with its length, so `["ab", "c"]` is not `["a", "bc"]`.
    #[must_use]
    pub fn new(subject: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in subject {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(format!("{JOBS}{}", HEXLOWER.encode(&hash.finalize())))
    }

    /// Another job of this subject: jobs of one subject stand together in a listing.
    #[must_use]
    pub fn unique(subject: &[&str]) -> Self {
        Self(format!("{}-{:016x}", Self::new(subject).0, rand::random::<u64>()))
    }

    /// Reads a key as a listing gave it.
    ///
    /// # Errors
    /// [`InvalidKey::Job`] when it is not of this family.
    pub fn parse(key: &str) -> Result<Self, InvalidKey> {
        let name = key.strip_prefix(JOBS).ok_or(InvalidKey::Job)?;
        let known = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte) || byte == b'-';
        if (64..=81).contains(&name.len()) && name.bytes().all(known) {
            Ok(Self(key.to_owned()))
        } else {
            Err(InvalidKey::Job)
        }
    }

    /// The whole key, with `jobs/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key without `jobs/`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.strip_prefix(JOBS).unwrap_or(&self.0)
    }
}

/// A job as it was read, with the tag that a conditional write needs.
///
/// The body may name a patient: `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Job {
    /// What the hook wrote.
    pub body: Bytes,
    /// Stands for exactly this state.
    pub tag: Tag,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("size_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// A part of a listing of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPage {
    /// In their order.
    pub keys: Vec<JobKey>,
    /// Give this as `after` for the next page; `None` on the last one.
    pub next: Option<JobKey>,
}

pub(crate) const JOBS: &str = "jobs/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_nothing_and_parses_back() {
        let key = JobKey::new(&["read-back", "secret-id"]);
        assert!(!key.as_str().contains("secret"));
        assert_eq!(JobKey::parse(key.as_str()), Ok(key.clone()));
        let unique = JobKey::unique(&["read-back", "secret-id"]);
        assert!(unique.as_str().starts_with(key.as_str()) && unique > key);
        assert_eq!(JobKey::parse(unique.as_str()), Ok(unique.clone()));
        assert_ne!(unique, JobKey::unique(&["read-back", "secret-id"]));
        for other in ["jobs/", "jobs/../Patient/x", "received/x", "jobs/xyz", &format!("{}/x", key.as_str())]
        {
            assert_eq!(JobKey::parse(other), Err(InvalidKey::Job), "{other}");
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(JobKey::new(&["ab", "c"]), JobKey::new(&["a", "bc"]));
    }
}
