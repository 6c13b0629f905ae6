//! Every section of every service in one file, over defaults for one machine.

use std::path::Path;

use serde::{Deserialize, Serialize};
use service::config::{ConfigError, Origins, Source};
use toml::{Table, Value};

use crate::{cli::Cli, development_ca::DevelopmentCa, exit::Failure};

/// Stands for the bundled test receiver in `sender.endpoint.address`.
pub(crate) const BUNDLED: &str = "bundled";

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) hook: transform::HookConfig,
    pub(crate) message: fhir_adt::MappingConfig,
    pub(crate) queue: queue::Config,
    pub(crate) store: message_store::Config,
    pub(crate) sender: sender::Config,
    pub(crate) receiver: test_hl7_server::Config,
    pub(crate) inspector: inspector::Config,
    pub(crate) health: service::health::Config,
    pub(crate) metrics: service::metrics::Config,
    pub(crate) traces: service::traces::Config,
    pub(crate) log: service::telemetry::Config,
}

impl Config {
    /// Defaults, file, environment; `data` is the folder that the defaults point into.
    pub(crate) fn load(cli: &Cli, data: &Path) -> Result<Self, Failure> {
        Ok(Self::load_with_origins(cli, data)?.0)
    }

    /// As [`load`](Self::load), and remembers where each setting came from.
    pub(crate) fn load_with_origins(cli: &Cli, data: &Path) -> Result<(Self, Origins), Failure> {
        Ok(Self::read(cli, data)?)
    }

    /// As [`load_with_origins`](Self::load_with_origins), with each problem on its own.
    pub(crate) fn read(cli: &Cli, data: &Path) -> Result<(Self, Origins), ConfigError> {
        let (mut config, origins): (Self, _) = source(cli, data).load()?;
        if cli.verbose {
            config.log.level = "debug".into();
        } else if cli.quiet {
            config.log.level = "warn".into();
        }
        Ok((config, origins))
    }

    /// As [`load`](Self::load), for a process that runs a hook: its `[message]` section is usable, and follows its file
    /// where there is one.
    pub(crate) fn load_for_hook(
        cli: &Cli,
        data: &Path,
    ) -> Result<(Self, Option<transform::FollowedMessage>), Failure> {
        let (config, origins) = Self::read(cli, data)?;
        usable_message(&config, &origins)?;
        let source = source(cli, data);
        let followed = source.file().map(Path::to_owned).map(|file| {
            transform::FollowedMessage::new(file, move || {
                let (config, origins): (Self, _) = source.load()?;
                usable_message(&config, &origins)?;
                Ok(config.message)
            })
        });
        Ok((config, followed))
    }

    /// The defaults alone, with nothing from file or environment.
    pub(crate) fn private(data: &Path) -> Result<Self, Failure> {
        Ok(service::config::load_with(&defaults(data), None, [])?)
    }
}

impl Default for Config {
    /// Only fills sections that a file leaves out; [`defaults`] has the rest.
    fn default() -> Self {
        Self {
            hook: transform::HookConfig::default(),
            message: fhir_adt::MappingConfig::default(),
            queue: queue::Config::default(),
            store: message_store::Config::Memory {},
            sender: sender::Config::default(),
            receiver: test_hl7_server::Config::default(),
            inspector: inspector::Config::default(),
            health: service::health::Config::default(),
            metrics: service::metrics::Config::default(),
            traces: service::traces::Config::default(),
            log: service::telemetry::Config::default(),
        }
    }
}

fn source(cli: &Cli, data: &Path) -> Source {
    Source::new(defaults(data), cli.config.as_deref())
}

fn usable_message(config: &Config, origins: &Origins) -> Result<(), ConfigError> {
    let problems = transform::message_problems(&config.message, origins);
    if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
}

/// The lowest layer, as TOML: everything on this machine, below `data`.
fn defaults(data: &Path) -> String {
    let text = |path: &Path| Value::String(path.display().to_string());
    let table = |entries: Vec<(&str, Value)>| -> Table {
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    };
    let ca = DevelopmentCa::in_folder(&data.join("tls"));
    let endpoint = table(vec![("address", BUNDLED.into())]);
    let tls = table(vec![("cert_file", text(&ca.cert_file)), ("key_file", text(&ca.key_file))]);
    let queue = table(vec![("kind", "embedded".into()), ("path", text(&data.join("queue/queue.db")))]);
    let folder = data.join("store");
    // An earlier version kept one file per message there: it stays in use, so that nothing is out of sight.
    let store = if folder.join("format").is_file() {
        vec![("kind", "directory".into()), ("path", text(&folder))]
    } else {
        vec![("kind", "embedded".into()), ("path", text(&folder.join("messages.db")))]
    };
    table(vec![
        ("queue", queue.into()),
        ("store", table(store).into()),
        ("sender", table(vec![("endpoint", endpoint.into())]).into()),
        ("inspector", table(vec![("index", text(&data.join("inspector/index.db")))]).into()),
        ("receiver", table(vec![("tls", tls.into())]).into()),
    ])
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_stay_below_the_folder_whatever_its_name() {
        let folder = Path::new("/tmp/a \"b\" \\c'd");
        let config = Config::private(folder).unwrap();
        assert_eq!(config.sender.endpoint.address, BUNDLED);
        let message_store::Config::Embedded(store) = config.store else { panic!("embedded") };
        assert_eq!(store.path, folder.join("store/messages.db"));
        let queue::Config::Embedded(queue) = config.queue else { panic!("embedded") };
        assert_eq!(queue.path, folder.join("queue/queue.db"));
        assert!(config.receiver.tls.unwrap().key_file.starts_with(folder));
    }

    #[tokio::test]
    async fn a_folder_with_one_file_per_message_stays_in_use() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        let old = message_store::DirectoryConfig { path };
        message_store::Config::Directory(old.clone()).connect().await.unwrap();
        let config = Config::private(data.path()).unwrap();
        assert_eq!(config.store, message_store::Config::Directory(old));
    }
}
