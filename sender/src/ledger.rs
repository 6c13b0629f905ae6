//! Which messages were acknowledged, noted before they leave the queue.
//!
//! When a delete fails or comes too late, the message is delivered again; the ledger then completes it without
//! a second send. It always remembers the last [`REMEMBERED`] in memory; with a file it also knows them after a
//! restart.
//!
//! The file is text: a line with its version ([`HEADER`]), then one line per message, appended and synced: digest of
//! control id and body, milliseconds since 1970, control id, MSA-1, ERR-3, attempts, digest of the acknowledgment;
//! separated by TAB, no PHI. A torn last line is dropped on opening, which also cuts the file back to the last
//! [`REMEMBERED`] lines. A file without the first line is from before there was one, and otherwise the same.

use std::{
    collections::{HashSet, VecDeque},
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use data_encoding::HEXLOWER;
use hl7v2::Acknowledgment;
use queue::Envelope;
use sha2::{Digest as _, Sha256};

/// The first line, before the version.
const HEADER: &str = "adt-bridge ledger ";
/// The version of the file that this program writes, and the newest it reads.
const VERSION: u32 = 1;
/// How many messages are remembered.
const REMEMBERED: usize = 50_000;

#[derive(Debug)]
pub(crate) struct Ledger {
    known: Mutex<Known>,
    file: Option<Arc<Mutex<File>>>,
}

#[derive(Debug, Default)]
struct Known {
    digests: HashSet<Digest>,
    order: VecDeque<Digest>,
}

/// Stands for a message, byte for byte. Control ids alone are reused by some systems; the body decides. What an
/// operator queued once more is another delivery of the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Ledger {
    /// Reads the file, when there is one.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let mut known = Known::default();
        let Some(path) = path else { return Ok(Self { known: Mutex::new(known), file: None }) };
        let mut lines = VecDeque::new();
        if path.exists() {
            for line in BufReader::new(File::open(path)?).lines() {
                // A torn line has no seven columns.
                let Ok(line) = line else { continue };
                check_version(&line)?;
                if line.split('\t').count() != 7 {
                    continue;
                }
                if lines.len() == REMEMBERED {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }
        let fresh = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        writeln!(file, "{HEADER}{VERSION}")?;
        for line in &lines {
            if let Some(digest) = line.split('\t').next().and_then(Digest::read) {
                known.insert(digest);
            }
            writeln!(file, "{line}")?;
        }
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self { known: Mutex::new(known), file: Some(Arc::new(Mutex::new(file))) })
    }

    /// Whether this very message, byte for byte, was acknowledged before.
    pub(crate) fn knows(&self, digest: &Digest) -> bool {
        self.lock().digests.contains(digest)
    }

    /// Remembers an acknowledged message; false when it was known already.
    pub(crate) fn remember(&self, digest: Digest) -> bool {
        self.lock().insert(digest)
    }

    /// The line of an acknowledged message for the file, where there is one.
    pub(crate) fn note(
        &self,
        digest: &Digest,
        control_id: &str,
        acknowledgment: Option<&Acknowledgment>,
        attempts: u32,
    ) -> Option<String> {
        self.file.as_ref()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let code = acknowledgment.map_or("", |ack| ack.code.as_str());
        let error = acknowledgment.and_then(|ack| ack.errors.first()).map(|error| error.code.to_string());
        let error = error.unwrap_or_default();
        let raw = acknowledgment.map(|ack| HEXLOWER.encode(&Sha256::digest(&ack.raw))).unwrap_or_default();
        let digest = HEXLOWER.encode(&digest.0);
        Some(format!("{digest}\t{now}\t{control_id}\t{code}\t{error}\t{attempts}\t{raw}\n"))
    }

    /// Writes lines into the file; returns once they are on disk.
    pub(crate) async fn write(&self, lines: String) -> io::Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| !lines.is_empty()) else { return Ok(()) };
        let file = Arc::clone(file);
        let write = move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        };
        tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Digest {
    pub(crate) fn of(envelope: &Envelope) -> Self {
        let mut hash = Sha256::new();
        if envelope.deduplication_id.is_once_more() {
            hash.update(envelope.deduplication_id.as_str());
        }
        hash.update(envelope.attributes.control_id.len().to_be_bytes());
        hash.update(&envelope.attributes.control_id);
        hash.update(&envelope.body);
        Self(hash.finalize().into())
    }

    /// Reads 64 hexadecimal digits.
    fn read(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        let digits = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
        if text.len() != 2 * digest.len() {
            return None;
        }
        for (byte, read) in digest.iter_mut().zip(digits) {
            *byte = read?;
        }
        Some(Self(digest))
    }
}

impl Known {
    /// False when it was there already.
    fn insert(&mut self, digest: Digest) -> bool {
        let is_new = self.digests.insert(digest);
        if is_new {
            self.order.push_back(digest);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
        is_new
    }
}

/// A file of a newer program may mean something else by its columns.
fn check_version(line: &str) -> io::Result<()> {
    match line.strip_prefix(HEADER).map(str::parse::<u32>) {
        Some(Ok(version)) if version > VERSION => Err(io::Error::other(format!(
            "the file has version {version}, this program knows versions up to {VERSION}"
        ))),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use queue::{Attributes, DeduplicationId, GroupId};

    use super::*;

    fn envelope(control_id: &str, body: &str) -> Envelope {
        Envelope {
            body: body.into(),
            group: GroupId::digest(&["a"]),
            deduplication_id: DeduplicationId::digest(&["a"]),
            attributes: Attributes { control_id: control_id.into(), ..Attributes::default() },
        }
    }

    #[tokio::test]
    async fn knows_after_a_restart_what_was_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::open(Some(&path)).unwrap();
        let note = async |ledger: &Ledger, envelope: Envelope, attempts| {
            let id = &envelope.attributes.control_id;
            let line = ledger.note(&Digest::of(&envelope), id, None, attempts).unwrap();
            ledger.write(line).await.unwrap();
        };
        note(&ledger, envelope("1", "MSH|Canary"), 2).await;
        drop(ledger);
        let mut text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("Canary"));
        text.push_str("torn");
        std::fs::write(&path, text).unwrap();
        let ledger = Ledger::open(Some(&path)).unwrap();
        let knows = |ledger: &Ledger, envelope: Envelope| ledger.knows(&Digest::of(&envelope));
        assert!(knows(&ledger, envelope("1", "MSH|Canary")));
        assert!(!knows(&ledger, envelope("1", "MSH|Other")) && !knows(&ledger, envelope("2", "MSH|Canary")));
        let resent = DeduplicationId::once_more(7);
        assert!(!knows(&ledger, Envelope { deduplication_id: resent, ..envelope("1", "MSH|Canary") }));
        note(&ledger, envelope("2", "MSH|Canary"), 1).await;
        assert!(knows(&Ledger::open(Some(&path)).unwrap(), envelope("2", "MSH|Canary")));
    }

    #[test]
    fn reads_a_file_from_before_the_header_and_refuses_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let line = "3c2a\t1767225600000\tm1\tAA\t\t1\t9f86";
        std::fs::write(&path, format!("{line}\n")).unwrap();
        drop(Ledger::open(Some(&path)).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("adt-bridge ledger 1\n{line}\n"));
        std::fs::write(&path, format!("adt-bridge ledger 2\n{line}\n")).unwrap();
        let refused = Ledger::open(Some(&path)).unwrap_err().to_string();
        assert!(refused.contains("version 2") && refused.contains("up to 1"), "{refused}");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("adt-bridge ledger 2"), "left as it is");
    }
}
