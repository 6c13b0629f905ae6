//! Logs: text on a terminal, JSON lines otherwise, to standard error.
//!
//! Third-party code never logs below `info`, whatever `RUST_LOG` says: a dependency's debug line may print
//! a whole payload. Panics are logged with their place and without their text, for the same reason.

use std::io::IsTerminal;

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, LevelFilter, Targets},
    fmt::{MakeWriter, format::JsonFields},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

mod json_line;

use json_line::JsonLine;

/// The settings of `[log]` with their defaults and what they mean, as TOML.
pub const MANUAL: &str = include_str!("log.toml");

/// The `[log]` section.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How lines look.
    pub format: Format,
    /// What is logged: a level or directives as in `RUST_LOG`, which overrules this.
    pub level: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Auto, level: "info".into() }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text when standard error is a terminal, JSON otherwise.
    Auto,
    /// One readable line per event.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging for this process, which is a `role` such as `sender`; later calls change nothing.
pub fn init(config: &Config, role: &str) {
    let rust_log = std::env::var_os("RUST_LOG").and_then(|value| value.into_string().ok());
    let directives = rust_log.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| config.level.clone());
    let terminal = std::io::stderr().is_terminal();
    let json = match config.format {
        Format::Auto => !terminal,
        Format::Text => false,
        Format::Json => true,
    };
    let layer = layer(&directives, json.then_some(role), terminal, std::io::stderr);
    if tracing_subscriber::registry().with(layer).try_init().is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
            tracing::error!(panic.location = %place, "panicked at {place}");
        }));
    }
}

/// JSON lines of a role, or text.
fn layer<W>(
    directives: &str,
    json: Option<&str>,
    colour: bool,
    writer: W,
) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let asked = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(directives);
    let allowed = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_targets(OWN_CRATES.iter().map(|name| (*name, LevelFilter::TRACE)));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match json {
        Some(role) => lines.fmt_fields(JsonFields::new()).event_format(JsonLine::of(role)).boxed(),
        None => lines.with_ansi(colour).boxed(),
    };
    lines.with_filter(asked.and(allowed)).boxed()
}

/// Targets that may log below `info`. A test of the repository's checks keeps it equal to the workspace.
const OWN_CRATES: [&str; 16] = [
    "adt_bridge",
    "clock",
    "credentials",
    "fhir_adt",
    "group_commit",
    "hl7v2",
    "inspector",
    "instruments",
    "message_store",
    "mllp",
    "queue",
    "secret_files",
    "sender",
    "service",
    "test_hl7_server",
    "transform",
];

#[cfg(test)]
mod tests;
