//! Every command, flag, variable and example, from the command line's own definition.

use clap::{Arg, Command, CommandFactory as _};

use super::cell;
use crate::cli::Cli;

pub(super) fn page() -> String {
    let mut program = Cli::command();
    program.build();
    let mut text = String::from("# The command line\n\n");
    let about = program.get_about().map(ToString::to_string).unwrap_or_default();
    text.push_str(&format!("{about}\n\n`{}`; without a command, `up`.\n\n", usage(&mut program)));
    text.push_str("## Flags of every command\n\n");
    text.push_str(&table(program.get_arguments().filter(|argument| !is_own(argument))));
    text.push_str(VARIABLES);
    text.push_str("## Commands\n\n| Command | Does |\n| --- | --- |\n");
    let commands: Vec<&Command> = shown(&program).collect();
    for command in &commands {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("| [`{0}`](#adt-bridge-{0}) | {1} |\n", command.get_name(), cell(&about)));
    }
    text.push('\n');
    for command in commands {
        describe(&mut text, command, "##");
    }
    text
}

/// One command and those below it.
fn describe(text: &mut String, command: &Command, heading: &str) {
    let mut command = command.clone();
    let name = command.get_bin_name().unwrap_or_default().to_owned();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    text.push_str(&format!("{heading} {name}\n\n{about}\n\n`{}`\n\n", usage(&mut command)));
    text.push_str(&table(command.get_arguments().filter(|argument| is_own(argument))));
    for below in shown(&command) {
        describe(text, below, &format!("{heading}#"));
    }
    if let Some(after) = command.get_after_help() {
        text.push_str(&format!("```text\n{}\n```\n\n", after.to_string().trim()));
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

/// Whether an argument belongs to the command itself: not one of every command, not help.
fn is_own(argument: &Arg) -> bool {
    let common = ["config", "verbose", "quiet", "help", "version"];
    !argument.is_hide_set() && !common.contains(&argument.get_id().as_str())
}

fn usage(command: &mut Command) -> String {
    let usage = command.render_usage().to_string();
    usage.trim_start_matches("Usage:").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn table<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let rows: String = arguments.map(row).collect();
    if rows.is_empty() { rows } else { format!("| Argument | Meaning |\n| --- | --- |\n{rows}\n") }
}

fn row(argument: &Arg) -> String {
    let mut meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}`: {}", value.get_name(), uncapitalised(&help.to_string())),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        meaning.push_str(&format!(" ({})", values.join("; ")));
    }
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        meaning.push_str(&format!(" [default: {}]", defaults.join(" ")));
    }
    format!("| `{}` | {} |\n", cell(&spelled(argument)), cell(&meaning))
}

/// As it is typed: `-n, --limit <N>`, `<FILE>`, `[WITH]`.
fn spelled(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let value = argument
        .get_value_names()
        .and_then(|names| names.first())
        .map_or_else(|| argument.get_id().to_string().to_uppercase(), ToString::to_string);
    let many = if matches!(argument.get_action(), clap::ArgAction::Append) { "..." } else { "" };
    match (names.is_empty(), argument.get_action().takes_values()) {
        (true, _) if argument.is_required_set() => format!("<{value}>{many}"),
        (true, _) => format!("[{value}]{many}"),
        (false, true) => format!("{} <{value}>{many}", names.join(", ")),
        (false, false) => names.join(", "),
    }
}

fn uncapitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + characters.as_str()
}

const VARIABLES: &str = "\
## Environment variables

A flag wins over a variable, a variable over the file, the file over the defaults.

| Variable | Meaning |
| --- | --- |
| `ADT_BRIDGE_CONFIG` | the settings file, where `--config` does not name one |
| `ADT_BRIDGE__SECTION__KEY` | one setting: `[sender] ack_timeout` is `ADT_BRIDGE__SENDER__ACK_TIMEOUT`; `config env` lists all |
| `RUST_LOG` | overrules `log.level`; other people's crates stay at `info` |
| `AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`, … | read by the AWS SDK, for `sqs`, `s3` and secrets only |

";
