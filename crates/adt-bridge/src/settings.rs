//! `adt-bridge config show | validate | env | init`: the settings in use, where each of them comes from, and all there are.

pub(crate) mod init;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::json;
use service::config::{ConfigError, Origin, Origins, Problem, Setting};

use crate::{
    cli::Cli,
    config::{BUNDLED, Config},
    exit::Failure,
    output,
};

use init::InitArgs;

#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// Folder that the defaults point into
    #[arg(long, value_name = "DIR", default_value = ".adt-bridge", global = true)]
    data_dir: PathBuf,
    #[command(subcommand)]
    command: SettingsCommand,
}

#[derive(Debug, Subcommand)]
enum SettingsCommand {
    /// Print every setting in use; a secret shows as its length
    Show {
        /// Say of each setting who decided it: the defaults, a line of the file, a variable
        #[arg(long)]
        origin: bool,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Check file and environment, and list everything that is wrong
    Validate,
    /// Print the environment variable of every setting, with its value in use
    Env,
    /// Write a settings file with every key: what it does, its default, its variable
    Init(InitArgs),
}

pub(crate) fn run(cli: &Cli, arguments: &SettingsArgs) -> Result<ExitCode, Failure> {
    if let SettingsCommand::Init(init) = &arguments.command {
        return init::run(init, &arguments.data_dir);
    }
    let (config, origins) = Config::load_with_origins(cli, &arguments.data_dir)?;
    let settings = origins.settings(&config).map_err(Failure::internal)?;
    match arguments.command {
        SettingsCommand::Show { json: true, .. } => output::line(as_json(&settings))?,
        SettingsCommand::Show { origin, json: false } => output::line(as_text(&settings, origin).trim_end())?,
        SettingsCommand::Validate => {
            config.check(&origins)?;
            output::line("the configuration is valid")?;
        }
        SettingsCommand::Env => output::line(as_variables(&settings).trim_end())?,
        SettingsCommand::Init(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// As a settings file, a section a paragraph; a comment says where a setting is from.
fn as_text(settings: &[Setting], origin: bool) -> String {
    let mut text = String::new();
    let mut open: Option<&[String]> = None;
    for setting in ordered(settings) {
        let Some((key, section)) = setting.path.split_last() else { continue };
        if open != Some(section) {
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}[{}]\n", section.iter().map(quoted).collect::<Vec<_>>().join(".")));
            open = Some(section);
        }
        let line = format!("{} = {}", quoted(key), setting.value);
        match (&setting.origin, origin) {
            (_, false) | (Origin::Default, true) => text.push_str(&line),
            (origin, true) => text.push_str(&format!("{line:<48} # {origin}")),
        }
        text.push('\n');
    }
    text
}

/// Keys of a section before its sub-sections, as TOML wants them.
fn ordered(settings: &[Setting]) -> Vec<&Setting> {
    let mut ordered: Vec<&Setting> = settings.iter().collect();
    ordered.sort_by_key(|setting| setting.path.split_last().map(|(_, section)| section.to_vec()));
    ordered
}

fn quoted(key: &String) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !key.is_empty() && key.bytes().all(plain) { key.clone() } else { format!("{key:?}") }
}

fn as_variables(settings: &[Setting]) -> String {
    settings.iter().map(|setting| format!("{}={}\n", setting.variable(), in_a_variable(setting))).collect()
}

/// Text stands as it is; lists and tables are written in TOML.
fn in_a_variable(setting: &Setting) -> String {
    setting.value.as_str().map_or_else(|| setting.value.to_string(), str::to_owned)
}

fn as_json(settings: &[Setting]) -> String {
    let settings: Vec<_> = settings
        .iter()
        .map(|setting| {
            json!({
                "name": setting.name(),
                "value": setting.value,
                "variable": setting.variable(),
                "origin": match &setting.origin {
                    Origin::Default => json!({ "kind": "default" }),
                    Origin::File { name, line } => json!({ "kind": "file", "file": name, "line": line }),
                    Origin::Variable { name } => json!({ "kind": "environment", "variable": name }),
                },
            })
        })
        .collect();
    serde_json::Value::from(settings).to_string()
}

impl Config {
    /// What serde cannot check: the rules of every section, all at once.
    fn check(&self, origins: &Origins) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        if let Err(error) = self.hook.check() {
            problems.push(Problem::new("[hook]", error.to_string()));
        }
        problems.extend(transform::message_problems(&self.message, origins));
        let mut sender = self.sender.clone();
        if sender.endpoint.address == BUNDLED {
            // `up` puts the address of its own receiver here.
            sender.endpoint.address = self.receiver.listen.clone();
        }
        for checked in [
            sender.validate(),
            self.receiver.validate(),
            self.health.validate(),
            self.metrics.validate(),
            self.traces.validate(),
        ] {
            problems.extend(checked.err().iter().flat_map(|error| error.problems().iter().cloned()));
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(path: &[&str], value: impl Into<toml::Value>, origin: Origin) -> Setting {
        Setting { path: path.iter().map(|&key| key.to_owned()).collect(), value: value.into(), origin }
    }

    #[test]
    fn what_is_shown_is_a_settings_file() {
        let settings = [
            setting(&["a", "b", "x"], 1, Origin::Default),
            setting(&["a", "y"], "two words", Origin::Variable { name: "A__Y".to_owned() }),
            setting(&["a", "odd key", "z"], true, Origin::Default),
        ];
        let text = as_text(&settings, true);
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["a"]["b"]["x"].as_integer(), Some(1));
        assert_eq!(table["a"]["y"].as_str(), Some("two words"));
        assert_eq!(table["a"]["odd key"]["z"].as_bool(), Some(true));
        assert!(text.contains("# environment variable A__Y"), "{text}");
    }
}
