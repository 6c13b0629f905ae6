//! `ls`, `search`, `get`, `explain`, `diff`, `tail` and `wait`: the inspector's API on the command line.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    admin::client::Client,
    exit::{Code, Failure},
    output,
};

mod follow;
mod print;

pub(crate) use follow::{TailArgs, WaitArgs, tail, wait};

/// Which running process, and how much of it is shown.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// Folder of the running `up` or `receiver`
    #[arg(long, value_name = "DIR", default_value = ".adt-bridge")]
    data_dir: PathBuf,
    /// Show values of patients where they are hidden
    #[arg(long)]
    show: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    at: Where,
    /// How many, newest first
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    at: Where,
    /// Words, and event: type: name: mrn: ids: ack: error: state: from: to: id:
    #[arg(required = true)]
    query: Vec<String>,
    /// How many, newest first
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    at: Where,
    /// Id or control id of the message
    id: String,
    /// Which side of it
    #[arg(long, value_enum, default_value_t = Side::Message)]
    side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// The message, one segment per line
    Message,
    /// What it says, as a FHIR Patient
    Fhir,
    /// The answer to it
    Ack,
    /// What happened to it
    Timeline,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    at: Where,
    /// Id or control id of the message
    id: String,
    /// Only this segment or field, such as PID or PID-5
    #[arg(long, value_name = "PLACE")]
    only: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    at: Where,
    /// Id or control id of the later message
    id: String,
    /// The message to compare with [default: the previous one of the same patient]
    with: Option<String>,
    /// Places that are not compared [default: MSH-7,MSH-10,EVN-2,EVN-6]
    #[arg(long, value_name = "PLACES")]
    ignore: Option<String>,
    /// Only this segment or field, such as PID or PID-11
    #[arg(long, value_name = "PLACE")]
    only: Option<String>,
}

/// A message in a listing, as far as the command line prints it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) event: String,
    pub(crate) name: String,
    pub(crate) mrn: String,
    pub(crate) control_id: String,
    pub(crate) state: String,
    pub(crate) ack_code: String,
    pub(crate) error_code: String,
    pub(crate) attempts: u64,
    pub(crate) end_to_end_ms: Option<u64>,
}

impl Where {
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Client::of(&self.data_dir)
    }

    /// What every call that shows a message takes.
    pub(crate) fn mask(&self) -> Vec<(&'static str, String)> {
        if self.show { vec![("mask", "false".to_owned())] } else { Vec::new() }
    }
}

pub(crate) async fn ls(arguments: &LsArgs) -> Result<ExitCode, Failure> {
    list(&arguments.at, "", arguments.limit).await
}

pub(crate) async fn search(arguments: &SearchArgs) -> Result<ExitCode, Failure> {
    list(&arguments.at, &arguments.query.join(" "), arguments.limit).await
}

/// Exits 8 when a search finds nothing.
async fn list(at: &Where, query: &str, limit: u32) -> Result<ExitCode, Failure> {
    let listed = listed(&at.client()?, at, query, limit).await?;
    if at.json {
        output::line(listed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = rows(&listed)?;
    if rows.is_empty() && !query.is_empty() {
        return Err(Failure::new(Code::NotFound, "nothing fits"));
    }
    output::line(print::table(&rows))?;
    Ok(ExitCode::SUCCESS)
}

async fn listed(client: &Client, at: &Where, query: &str, limit: u32) -> Result<Value, Failure> {
    let mut parameters = at.mask();
    parameters.extend([("q", query.to_owned()), ("limit", limit.to_string())]);
    client.get(&["messages"], &pairs(&parameters)).await
}

fn rows(listed: &Value) -> Result<Vec<Row>, Failure> {
    Deserialize::deserialize(&listed["messages"]).map_err(Failure::internal)
}

pub(crate) async fn get(arguments: &GetArgs) -> Result<ExitCode, Failure> {
    let (client, at) = (arguments.at.client()?, &arguments.at);
    let parameters = at.mask();
    let parameters = pairs(&parameters);
    let id = arguments.id.as_str();
    match arguments.side {
        Side::Message => {
            let text = client.text(&["messages", id, "raw"], &parameters).await?;
            if at.json {
                output::line(serde_json::json!({ "id": id, "er7": text }))?;
            } else {
                output::line(output::lines(&text))?;
            }
        }
        Side::Fhir => {
            let found: Value = client.get(&["messages", id, "fhir"], &parameters).await?;
            match (&found["patient"], &found["reason"]) {
                (Value::Null, reason) if !at.json => {
                    let reason = reason.as_str().unwrap_or("there is no Patient").to_owned();
                    return Err(Failure::new(Code::NotFound, reason));
                }
                (patient, _) => {
                    let shown = if at.json { &found } else { patient };
                    output::line(serde_json::to_string_pretty(shown).map_err(Failure::internal)?)?;
                }
            }
        }
        Side::Ack => {
            let found: Value = client.get(&["messages", id, "ack"], &parameters).await?;
            let text = found["er7"].as_str().unwrap_or_default();
            output::line(if at.json { found.to_string() } else { output::lines(text) })?;
        }
        Side::Timeline => {
            let found: Value = client.get(&["messages", id, "timeline"], &[]).await?;
            output::line(if at.json { found.to_string() } else { print::timeline(&found) })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn explain(arguments: &ExplainArgs) -> Result<ExitCode, Failure> {
    let at = &arguments.at;
    let parameters = at.mask();
    let found: Value = at.client()?.get(&["messages", &arguments.id, "explain"], &pairs(&parameters)).await?;
    let text = if at.json { found.to_string() } else { print::explained(&found, arguments.only.as_deref()) };
    if text.is_empty() {
        return Err(Failure::new(Code::NotFound, "the message has no such place"));
    }
    output::line(text)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn diff(arguments: &DiffArgs) -> Result<ExitCode, Failure> {
    let at = &arguments.at;
    let mut parameters = at.mask();
    parameters.extend(arguments.with.clone().map(|with| ("with", with)));
    parameters.extend(arguments.ignore.clone().map(|ignore| ("ignore", ignore)));
    let found: Value = at.client()?.get(&["messages", &arguments.id, "changes"], &pairs(&parameters)).await?;
    output::line(if at.json {
        found.to_string()
    } else {
        print::changes(&found, arguments.only.as_deref())
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn pairs<'a>(parameters: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    parameters.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Between two looks at a message that is waited for.
const LOOK: Duration = Duration::from_millis(50);
