//! What a FHIR server says of a version, and which of two versions is newer.
//!
//! Versions that are both decimal compare as integers (HAPI, Azure); otherwise the instants of `meta.lastUpdated` do
//! (Medplum's versions are UUIDs, Google's are opaque); otherwise arrival decides. Text that repeats a version with the
//! same content is a repeat, also without any version.

use std::cmp::Ordering;

use jiff::Timestamp;
use message_store::{Mark, OrderingKey};
use serde_json::{Map, Value};

/// What the sender said of the version of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// `meta.versionId`.
    pub(crate) version_id: Option<String>,
    /// `meta.lastUpdated`.
    pub(crate) last_updated: Option<Timestamp>,
}

impl Told {
    /// What `meta` of a resource says.
    pub(crate) fn of(resource: &Map<String, Value>) -> Self {
        let meta = |name: &str| resource.get("meta")?.get(name)?.as_str();
        Self::new(meta("versionId"), meta("lastUpdated"))
    }

    /// Leaves out what cannot be a version or an instant.
    pub(crate) fn new(version_id: Option<&str>, last_updated: Option<&str>) -> Self {
        let legal = |id: &&str| {
            let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\~".contains(&byte);
            (1..=128).contains(&id.len()) && id.bytes().all(plain)
        };
        Self {
            version_id: version_id.filter(legal).map(str::to_owned),
            last_updated: last_updated.and_then(|text| text.parse().ok()),
        }
    }

    /// As the store keeps it.
    pub(crate) fn mark(&self) -> Mark {
        let key = |instant: Timestamp| OrderingKey::new(instant.to_string()).ok();
        Mark { version_id: self.version_id.clone(), last_updated: self.last_updated.and_then(key) }
    }

    /// How this version stands to the newest one told before. `None`: they do not compare.
    pub(crate) fn compare(&self, mark: &Mark) -> Option<Ordering> {
        if let (Some(mine), Some(theirs)) = (&self.version_id, &mark.version_id) {
            if mine == theirs {
                return Some(Ordering::Equal);
            }
            if let (Some(mine), Some(theirs)) = (decimal(mine), decimal(theirs)) {
                return Some(mine.cmp(&theirs));
            }
        }
        let theirs: Timestamp = mark.last_updated.as_ref()?.as_str().parse().ok()?;
        match self.last_updated?.cmp(&theirs) {
            // One instant says nothing of two versions.
            Ordering::Equal => None,
            unequal => Some(unequal),
        }
    }

    /// How an answer names it.
    pub(crate) fn shown(&self) -> String {
        match (&self.version_id, self.last_updated) {
            (Some(version), _) => version.clone(),
            (None, Some(instant)) => instant.to_string(),
            (None, None) => "without a name".to_owned(),
        }
    }
}

/// The number a decimal version is.
pub(crate) fn decimal(version: &str) -> Option<u64> {
    version.bytes().all(|byte| byte.is_ascii_digit()).then(|| version.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(version: Option<&str>, updated: Option<&str>) -> Told {
        Told::new(version, updated)
    }

    #[test]
    fn versions_compare_by_number_then_by_time_then_not_at_all() {
        let (one, two) = (Some("2024-03-01T09:30:15.1Z"), Some("2024-03-01T10:30:15.1001+01:00"));
        for (mine, theirs, expected) in [
            (told(Some("9"), None), told(Some("10"), None), Some(Ordering::Less)),
            (told(Some("10"), one), told(Some("9"), two), Some(Ordering::Greater)),
            (told(Some("7"), one), told(Some("7"), two), Some(Ordering::Equal)),
            (told(Some("b"), one), told(Some("a"), two), Some(Ordering::Less)),
            (told(Some("a"), two), told(Some("7"), one), Some(Ordering::Greater)),
            (told(None, two), told(Some("7"), one), Some(Ordering::Greater)),
            (told(Some("a"), one), told(Some("b"), one), None),
            (told(Some("a"), None), told(Some("b"), one), None),
            (told(None, None), told(Some("7"), one), None),
        ] {
            assert_eq!(mine.compare(&theirs.mark()), expected, "{mine:?} {theirs:?}");
        }
    }

    #[test]
    fn what_is_no_version_is_left_out() {
        for version in ["", "a b", "ä", "\"", "~", &"x".repeat(129)] {
            assert_eq!(told(Some(version), None).version_id, None, "{version}");
        }
        assert_eq!(told(None, Some("yesterday")), Told::default());
    }
}
