//! A scenario: which messages and connections meet which faults. Only the format; see `docs/reference/test-server.md`.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use message_store::PatientKey;
use mllp::ServerTlsConfig;
use mllp::server::Ending;
use serde::{Deserialize, Deserializer, de::Error as _};

mod check;
mod describe;

/// Faults to inject, as read from TOML. The default injects none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Decides, with a rule and a message, what `probability` means: equal seeds give equal faults.
    pub(crate) seed: u64,
    #[serde(rename = "rule")]
    pub(crate) rules: Vec<Rule>,
    #[serde(rename = "connection")]
    pub(crate) connections: Vec<ConnectionRule>,
    #[serde(rename = "outage")]
    pub(crate) outages: Vec<Outage>,
}

/// Why a scenario cannot be used. Says where, and repeats nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or not a scenario.
    #[error("line {line}: {reason}")]
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A rule makes no sense.
    #[error("{rule}: {reason}")]
    Rule {
        /// Its name or number.
        rule: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The certificate of a rule cannot be used.
    #[error("{rule}: {source}")]
    Certificate {
        /// Its name or number.
        rule: String,
        /// Why.
        source: Box<mllp::TlsConfigError>,
    },
}

/// The first rule that matches a message decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) name: Option<String>,
    #[serde(rename = "match", default)]
    pub(crate) condition: Condition,
    /// How often it is used; always when absent.
    pub(crate) times: Option<u64>,
    pub(crate) then: Vec<Action>,
}

/// What a message has to be; all of it. `nth`, `every` and `probability` look only at messages that fit the rest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Condition {
    /// A regular expression for MSH-10.
    pub(crate) control_id: Option<Pattern>,
    pub(crate) patient: Option<Patient>,
    /// What `/received` calls a group: SHA-256 of the logical id, in hex.
    pub(crate) group: Option<String>,
    /// MSH-9.2.
    pub(crate) event: Option<String>,
    /// From 1, over all listeners.
    pub(crate) connection: Option<u64>,
    /// How often this control id has come, this time included.
    pub(crate) delivery: Option<u64>,
    #[serde(flatten)]
    pub(crate) turn: Turn,
}

/// When it is a rule's turn.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Turn {
    pub(crate) nth: Option<NonZeroU64>,
    pub(crate) every: Option<NonZeroU64>,
    /// From 0 to 1.
    pub(crate) probability: Option<f64>,
    /// Since the scenario was put in place.
    pub(crate) after: Option<Span>,
    /// Since the scenario was put in place.
    pub(crate) before: Option<Span>,
}

/// One thing done about a message, in the order given.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Action {
    /// As without faults.
    Store,
    /// Tries to store, and the store fails.
    StoreError(StoreFault),
    /// Stores, and every call of the store takes so much longer.
    SlowStore(Span),
    /// Replies honestly.
    Answer,
    /// Replies as told.
    Reply(ReplyAction),
    /// Sends text as it stands, without framing.
    Send(String),
    Wait(Span),
    Close,
    Reset,
    Stall,
    /// Ends the process with this code, without any farewell.
    Exit(u8),
}

/// How the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreFault {
    Unavailable,
    Full,
}

/// An acknowledgment as it would never leave on its own.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReplyAction {
    /// MSA-1, any two letters; the honest one when absent.
    pub(crate) code: Option<String>,
    /// ERR-3.
    pub(crate) error: Option<u16>,
    /// ERR-4.
    pub(crate) severity: Option<String>,
    /// MSA-2.
    pub(crate) id: ReplyId,
    /// On a new connection to this address, without TLS.
    pub(crate) to: Option<SocketAddr>,
    /// Between two bytes.
    pub(crate) gap: Option<Span>,
    /// Only the first bytes of the block.
    pub(crate) bytes: Option<usize>,
    /// Without VT.
    pub(crate) no_start: bool,
    pub(crate) end: BlockEnd,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// Whose control id stands in MSA-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReplyId {
    #[default]
    Own,
    Blank,
    /// That of the message before, on any connection.
    Previous,
    /// One that no message has.
    Wrong,
}

/// The end of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlockEnd {
    #[default]
    FsCr,
    Fs,
    FsLf,
    Cr,
    Lf,
    None,
}

/// The first rule that matches a new connection decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionRule {
    pub(crate) name: Option<String>,
    #[serde(rename = "match", default)]
    pub(crate) condition: ConnectionCondition,
    pub(crate) times: Option<u64>,
    pub(crate) then: Vec<ConnectionAction>,
}

/// What a connection has to be; all of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConnectionCondition {
    /// From 1, over all listeners.
    pub(crate) connection: Option<u64>,
    #[serde(flatten)]
    pub(crate) turn: Turn,
}

/// One thing about a connection.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ConnectionAction {
    Close,
    Reset,
    /// Reads nothing and says nothing, ever.
    Stall,
    /// Reads the first bytes of the handshake and says nothing, ever.
    StallHandshake,
    /// Reads the first bytes of the handshake and resets.
    AbortHandshake,
    /// Answers the handshake as a server that knows nothing newer than TLS 1.1.
    OldTls,
    /// Other TLS files, such as an expired certificate, or an authority that clients must be of.
    Certificate(CertificateFiles),
    ReadBytesPerSecond(NonZeroU32),
    EndAfter(EndAfter),
}

/// TLS files; relative paths start at the scenario's folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateFiles {
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
    pub(crate) client_ca_file: Option<PathBuf>,
}

/// The end of a connection, somewhere in the bytes of its messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndAfter {
    pub(crate) bytes: u64,
    #[serde(rename = "with", deserialize_with = "ending", default = "close")]
    pub(crate) ending: Ending,
}

/// A time during which connections are refused, and those there are closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Outage {
    pub(crate) after: Option<Span>,
    pub(crate) before: Option<Span>,
}

/// A duration such as `"500ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Span(#[serde(with = "service::config::duration")] pub(crate) Duration);

/// A logical id, kept as its hash: a scenario may be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patient(pub(crate) String);

#[derive(Debug, Clone)]
pub(crate) struct Pattern(pub(crate) regex_lite::Regex);

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ScenarioError`] says where the mistake is.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let unreadable = |source| ScenarioError::Unreadable { path: path.to_owned(), source };
        let mut scenario = Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)?;
        scenario.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(scenario)
    }

    /// Reads TOML.
    ///
    /// # Errors
    /// [`ScenarioError`] says where the mistake is.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
            ScenarioError::Syntax { line, reason: reason(error.message()) }
        })?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Whether a rule ends the process.
    pub(crate) fn exits(&self) -> bool {
        self.rules.iter().flat_map(|rule| &rule.then).any(|action| matches!(action, Action::Exit(_)))
    }

    /// Makes paths relative to `folder`.
    fn resolve(&mut self, folder: &Path) {
        for action in self.connections.iter_mut().flat_map(|rule| &mut rule.then) {
            if let ConnectionAction::Certificate(files) = action {
                let paths = [&mut files.cert_file, &mut files.key_file].into_iter();
                for path in paths.chain(files.client_ca_file.as_mut()) {
                    *path = folder.join(&path);
                }
            }
        }
    }
}

impl Rule {
    pub(crate) fn name(&self, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("rule {}", index + 1))
    }
}

impl ConnectionRule {
    pub(crate) fn name(&self, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("connection rule {}", index + 1))
    }
}

/// The parser's words, without the value that it quotes between "invalid type" or "invalid value" and what it expected.
fn reason(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    match (line.split_once(": "), line.rsplit_once(", expected ")) {
        (Some((what @ ("invalid type" | "invalid value"), _)), Some((_, expected))) => {
            format!("{what}, expected {expected}")
        }
        _ => line.to_owned(),
    }
}

impl From<&CertificateFiles> for ServerTlsConfig {
    fn from(files: &CertificateFiles) -> Self {
        let CertificateFiles { cert_file, key_file, client_ca_file } = files.clone();
        Self { cert_file, key_file, client_ca_file }
    }
}

fn close() -> Ending {
    Ending::Close
}

fn ending<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ending, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "close" => Ok(Ending::Close),
        "reset" => Ok(Ending::Reset),
        "stall" => Ok(Ending::Stall),
        _ => Err(D::Error::custom("expected close, reset or stall")),
    }
}

impl<'de> Deserialize<'de> for Patient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        PatientKey::new(&id).map(|key| Self(key.digest())).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        regex_lite::Regex::new(&text).map(Self).map_err(|_| D::Error::custom("not a regular expression"))
    }
}
