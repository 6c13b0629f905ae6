//! `adt-bridge errors [CODE]`: what each code means, why it may have come, and what to do.
//!
//! Each entry stands in a `match` over the enum that raises its code, without a wildcard: a new variant asks for its
//! text. The list of all is made from the same lines.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::{
    exit::{Code, Failure},
    output,
};

/// The entries of an enum: a `match` that the compiler holds complete, and the list of the same lines.
macro_rules! entries {
    ($all:ident of $type:ty { $($pattern:pat => $entry:expr,)+ }) => {
        pub(super) const $all: &[$crate::errors::Entry] = &[$($entry),+];
        const _: fn($type) = |kind| match kind { $($pattern => (),)+ };
    };
    ($all:ident of $type:ty, by $name:ident { $($pattern:pat => $entry:expr,)+ }) => {
        pub(super) const $all: &[$crate::errors::Entry] = &[$($entry),+];
        pub(crate) fn $name(kind: $type) -> &'static $crate::errors::Entry {
            match kind { $($pattern => const { &$entry },)+ }
        }
    };
}

mod acknowledgments;
mod backends;
mod connection;
mod dead_letters;
mod exit_codes;
mod page;
mod rules;
mod settings;

pub(crate) use connection::connection;
pub(crate) use page::page;

#[derive(Debug, Args)]
pub(crate) struct ErrorsArgs {
    /// A code as it was shown, an exit code, an HTTP status, or a rule of the mapping; all of them without it
    code: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As it is shown.
    pub(crate) code: &'static str,
    /// What happened.
    pub(crate) title: &'static str,
    /// Why it may have, the likeliest first.
    pub(crate) causes: &'static [&'static str],
    /// What to do.
    pub(crate) remedies: &'static [&'static str],
    /// How it looks, where it is met.
    pub(crate) example: &'static str,
}

/// Where a code is met.
struct Area {
    name: &'static str,
    /// One sentence.
    met: &'static str,
    entries: fn() -> Vec<Entry>,
}

/// Every area; `docs/reference/error-codes.md` has them in this order.
const AREAS: &[Area] = &[
    Area {
        name: "Answers of the hook",
        met: "In the log as `code`, beside the HTTP status; the answer has status, issue type and text. \
              Each request that leads to one stands in [What the hook answers](errors.md).",
        entries: hook,
    },
    Area {
        name: "Dead letters",
        met: "In `adt-bridge dlq ls`, in the metric `adt_bridge_dead_lettered_total`, and in the queue.",
        entries: || dead_letters::ALL.to_vec(),
    },
    Area {
        name: "Connections to the endpoint",
        met: "In the log of the sender, and in the findings of `adt-bridge doctor`.",
        entries: || connection::ALL.to_vec(),
    },
    Area {
        name: "Acknowledgments of the endpoint",
        met: "MSA-1 (table 0008) and ERR-3 (table 0357), in the log of the sender and in `dlq ls`.",
        entries: || [acknowledgments::ALL, acknowledgments::CAUSES].concat(),
    },
    Area {
        name: "Queue and store",
        met: "In the log, and from the commands that open them.",
        entries: || [backends::ALL_QUEUE, backends::ALL_STORE].concat(),
    },
    Area {
        name: "Settings",
        met: "On standard error of a start that ends with 78, from `config validate` and `doctor`.",
        entries: || [settings::ALL, settings::ALL_FILES].concat(),
    },
    Area {
        name: "Exit codes",
        met: "What a command ends with; also as [a table](exit-codes.md).",
        entries: exit_codes::all,
    },
];

/// What acknowledgments mean, and what the sender makes of them.
pub(crate) fn acknowledgments() -> impl Iterator<Item = &'static Entry> {
    acknowledgments::ALL.iter().chain(acknowledgments::CAUSES)
}

/// What `transform` says of its answers.
fn hook() -> Vec<Entry> {
    let entry = |answer: &transform::HookAnswer| Entry {
        code: answer.code,
        title: answer.text,
        causes: answer.causes,
        remedies: answer.remedies,
        example: "",
    };
    transform::HOOK_ANSWERS.iter().map(entry).collect()
}

pub(crate) fn run(arguments: &ErrorsArgs) -> Result<ExitCode, Failure> {
    match &arguments.code {
        None if arguments.json => output::line(as_json(&all()))?,
        None => output::line(list().trim_end())?,
        Some(code) => {
            let found = find(code);
            if found.is_empty() {
                return explain_rule(code, arguments.json);
            }
            if arguments.json {
                output::line(as_json(&found))?;
            } else {
                output::line(found.iter().map(long).collect::<Vec<_>>().join("\n\n"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn all() -> Vec<Entry> {
    AREAS.iter().flat_map(|area| (area.entries)()).collect()
}

/// The entries of a code; an HTTP status or a FHIR issue type has those of every answer with it.
fn find(code: &str) -> Vec<Entry> {
    let code = code.trim();
    let exact: Vec<Entry> = all().into_iter().filter(|entry| entry.code.eq_ignore_ascii_case(code)).collect();
    if !exact.is_empty() {
        return exact;
    }
    if let Ok(number) = code.parse::<u16>() {
        let exit = format!("exit-{number}");
        let found: Vec<Entry> = all().into_iter().filter(|entry| entry.code == exit).collect();
        if !found.is_empty() {
            return found;
        }
    }
    let answers: Vec<&str> = transform::HOOK_ANSWERS
        .iter()
        .filter(|answer| answer.status.to_string() == code || answer.issue_type == code)
        .map(|answer| answer.code)
        .collect();
    hook().into_iter().filter(|entry| answers.contains(&entry.code)).collect()
}

/// A rule of the mapping, or the nearest code there is.
fn explain_rule(code: &str, json: bool) -> Result<ExitCode, Failure> {
    if let Some(rule) = rules::find(code) {
        if json {
            output::line(json!([{ "code": code.to_uppercase(), "rule": rule }]))?;
        } else {
            output::line(format_args!(
                "{}: a rule of the mapping (docs/reference/mapping.md)\n\n  {rule}",
                code.to_uppercase()
            ))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let failure = Failure::new(Code::NotFound, format!("there is no code {code:?}"));
    Err(match nearest(code) {
        Some(near) => failure.hint(format!("adt-bridge errors {near}")),
        None => failure.hint("adt-bridge errors lists all"),
    })
}

fn nearest(code: &str) -> Option<String> {
    let wanted = code.to_lowercase();
    let rules = rules::names().map(str::to_owned);
    let known: Vec<(String, String)> = all()
        .iter()
        .map(|entry| entry.code.to_owned())
        .chain(rules)
        .map(|name| (name.to_lowercase(), name))
        .collect();
    let near = service::config::nearest(&wanted, known.iter().map(|(lower, _)| lower.as_str()))?;
    known.iter().find(|(lower, _)| lower == near).map(|(_, name)| name.clone())
}

fn list() -> String {
    let mut text = String::new();
    for area in AREAS {
        text.push_str(&format!("{}\n", area.name));
        for entry in (area.entries)() {
            text.push_str(&format!("  {:<34} {}\n", entry.code, entry.title));
        }
        text.push('\n');
    }
    text + "adt-bridge errors CODE says why and what to do; rules of the mapping (TEL-8) are codes too"
}

/// The long form of one.
fn long(entry: &Entry) -> String {
    let mut text = format!("{}: {}\n", entry.code, entry.title);
    if let Some(answer) = transform::HOOK_ANSWERS.iter().find(|answer| answer.code == entry.code) {
        text.push_str(&format!("\n  HTTP {} with issue type {}\n", answer.status, answer.issue_type));
    }
    for (heading, lines) in [("Why it may be", entry.causes), ("What to do", entry.remedies)] {
        text.push_str(&format!("\n{heading}\n"));
        for line in lines {
            text.push_str(&format!("  - {line}\n"));
        }
    }
    if !entry.example.is_empty() {
        text.push_str(&format!("\nHow it looks\n  {}\n", entry.example));
    }
    text.trim_end().to_owned()
}

fn as_json(entries: &[Entry]) -> serde_json::Value {
    let entries = entries.iter().map(|entry| {
        json!({
            "code": entry.code,
            "title": entry.title,
            "causes": entry.causes,
            "remedies": entry.remedies,
            "example": Some(entry.example).filter(|example| !example.is_empty()),
        })
    });
    entries.collect()
}

#[cfg(test)]
mod tests;
