//! How far a backfill is: one small file, replaced as a whole.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::send::LineFailure;
use crate::exit::{Code, Failure};

/// What is kept between two runs. No patient data: places and counts.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct State {
    /// What is backfilled.
    identity: String,
    pub(crate) position: Position,
    /// Lines that are settled, blank ones too.
    pub(crate) lines: u64,
    pub(crate) accepted: u64,
    pub(crate) skipped: u64,
    pub(crate) failed: u64,
    /// Why lines failed, and how many.
    pub(crate) reasons: BTreeMap<String, u64>,
    pub(crate) done: bool,
    #[serde(skip)]
    path: PathBuf,
}

/// A place in the input, between two lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Position {
    #[default]
    Start,
    /// Bytes of the file, unpacked.
    Offset(u64),
    /// The next page of a search.
    Page(String),
    /// A file of an export, and bytes of it.
    Export {
        file: usize,
        offset: u64,
    },
    End,
}

impl State {
    /// Reads the place, or begins.
    pub(crate) fn open(data: &Path, identity: &str, restart: bool) -> Result<Self, Failure> {
        let folder = data.join("backfill");
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", name(identity)));
        let fresh = Self { identity: identity.to_owned(), path: path.clone(), ..Self::default() };
        let text = match fs::read(&path) {
            Ok(text) if !restart => text,
            _ => return Ok(fresh),
        };
        let unreadable = || {
            let text = format!("{} is not the place of this backfill", path.display());
            Failure::new(Code::InputInvalid, text).hint("--restart begins again")
        };
        let state: Self = serde_json::from_slice(&text).map_err(|_| unreadable())?;
        if state.identity == identity { Ok(Self { path, ..state }) } else { Err(unreadable()) }
    }

    /// Durable when this returns.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let new = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(self).map_err(Failure::internal)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        if let Some(folder) = self.path.parent() {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    pub(crate) fn count(&mut self, accepted: u64, skipped: u64, failed: u64, lines: u64) {
        self.accepted += accepted;
        self.skipped += skipped;
        self.failed += failed;
        self.lines += lines;
    }

    /// Notes why a line failed; tells of the first ones.
    pub(crate) fn note(&mut self, failure: &LineFailure) {
        let known: u64 = self.reasons.values().sum();
        if known < TOLD {
            tracing::warn!("line {}: {}", self.lines + failure.line, failure.reason);
        }
        let room = self.reasons.len() < MOST_REASONS || self.reasons.contains_key(&failure.reason);
        let reason = if room { failure.reason.as_str() } else { "other reasons" };
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
    }
}

/// A file name for an identity, which may hold anything.
fn name(identity: &str) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hash = DefaultHasher::new();
    identity.hash(&mut hash);
    format!("{:016x}", hash.finish())
}

const MOST_REASONS: usize = 50;
const TOLD: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_where_it_was_and_begins_again_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path(), "file /a", false).unwrap();
        assert_eq!(state.position, Position::Start);
        state.position = Position::Offset(17);
        state.count(3, 2, 1, 6);
        state.note(&LineFailure { line: 6, reason: "id is not a FHIR id.".to_owned() });
        state.save().unwrap();
        let read = State::open(folder.path(), "file /a", false).unwrap();
        assert_eq!((read.position, read.accepted, read.lines), (Position::Offset(17), 3, 6));
        assert_eq!(read.reasons["id is not a FHIR id."], 1);
        assert_eq!(State::open(folder.path(), "file /b", false).unwrap().position, Position::Start);
        assert_eq!(State::open(folder.path(), "file /a", true).unwrap().position, Position::Start);
    }

    #[test]
    fn a_damaged_place_is_told_and_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path(), "file /a", false).unwrap();
        state.save().unwrap();
        std::fs::write(&state.path, "{").unwrap();
        assert!(State::open(folder.path(), "file /a", false).is_err());
        assert!(State::open(folder.path(), "file /a", true).is_ok());
    }
}
