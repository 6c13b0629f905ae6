//! `adt-bridge queue` and `adt-bridge dlq`: the operator's side of a running process, or of the queue alone.

use std::{
    collections::HashSet,
    fmt::Write as _,
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use inspector::{DeadLetterFull, DeadLetterLine, DeadLetters, Parked, QueueStatus};
use reqwest::Method;

use crate::{
    admin::client::Client,
    cli::Cli,
    exit::{Code, Failure},
    output,
};

/// How many lines one request brings.
const PAGE: &str = "500";

#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    /// Folder of the running `up` or `sender`; without one the queue of the settings is opened
    #[arg(long, global = true, value_name = "DIR", default_value = ".adt-bridge")]
    data_dir: PathBuf,
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// How many messages stand where
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the groups that are withheld
    Parked,
    /// Withhold a group: nothing of it is delivered until `unpark`
    Park { group: String },
    /// Let a withheld group flow again
    Unpark { group: String },
}

#[derive(Debug, Args)]
pub(crate) struct DeadLetterArgs {
    /// Folder of the running `up` or `sender`; without one the queue of the settings is opened
    #[arg(long, global = true, value_name = "DIR", default_value = ".adt-bridge")]
    data_dir: PathBuf,
    #[command(subcommand)]
    command: DeadLetterCommand,
}

#[derive(Debug, Subcommand)]
enum DeadLetterCommand {
    /// List the messages that were given up, without any patient data
    Ls {
        /// Of one group only
        #[arg(long)]
        group: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one with its message and the acknowledgment: patient data
    Show {
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send messages again, the same bytes; refuses what would roll a patient back
    Redrive {
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All of them, oldest first
        #[arg(long)]
        all: bool,
        /// Even when a newer message of the patient was delivered
        #[arg(long)]
        force_stale: bool,
    },
    /// Let messages go for good
    Skip {
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Write all of them with their messages, one JSON object per line: patient data
    Export {
        /// A new file, readable by its owner only; - for standard output
        file: PathBuf,
    },
}

pub(crate) async fn queue(cli: &Cli, arguments: &QueueArgs) -> Result<ExitCode, Failure> {
    let client = Client::reach(cli, &arguments.data_dir).await?;
    let result = look_at_queue(&client, &arguments.command).await;
    client.close().await?;
    result
}

async fn look_at_queue(client: &Client, command: &QueueCommand) -> Result<ExitCode, Failure> {
    let changes = matches!(command, QueueCommand::Park { .. } | QueueCommand::Unpark { .. });
    if changes && client.is_beside_the_sender() {
        tracing::warn!("a sender that runs learns of this when it starts the next time");
    }
    match command {
        QueueCommand::Status { json } => {
            let status: QueueStatus = client.get(&["queue"], &[]).await?;
            output::line(if *json { as_json(&status)? } else { status_text(&status) })?;
        }
        QueueCommand::Parked => {
            let parked: Parked = client.get(&["parked"], &[]).await?;
            parked.groups.iter().try_for_each(output::line)?;
        }
        QueueCommand::Park { group } => client.change(Method::PUT, &["parked", group], &[]).await?,
        QueueCommand::Unpark { group } => client.change(Method::DELETE, &["parked", group], &[]).await?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn dead_letters(cli: &Cli, arguments: &DeadLetterArgs) -> Result<ExitCode, Failure> {
    let client = Client::reach(cli, &arguments.data_dir).await?;
    let result = look_at_letters(&client, &arguments.command).await;
    client.close().await?;
    result
}

async fn look_at_letters(client: &Client, command: &DeadLetterCommand) -> Result<ExitCode, Failure> {
    match command {
        DeadLetterCommand::Ls { group, json } => {
            let lines = all(client, group.as_deref()).await?;
            if *json {
                output::line(as_json(&DeadLetters { dead_letters: lines })?)?;
            } else {
                output::line(table(&lines))?;
            }
        }
        DeadLetterCommand::Show { id, json } => {
            let full: DeadLetterFull = client.get(&["dead-letters", id], &[]).await?;
            output::line(if *json { as_json(&full)? } else { full_text(&full) })?;
        }
        DeadLetterCommand::Redrive { ids, all: everything, force_stale } => {
            let ids = if *everything { self::ids(client).await? } else { ids.clone() };
            let query = if *force_stale { &[("force_stale", "true")][..] } else { &[] };
            let withheld = withheld(client).await?;
            let mut refusals = Refusals::default();
            for id in &ids {
                if withheld.contains(id) {
                    let text = "its group is parked, and only the sender's process can put it first";
                    refusals.note(id, Err(Failure::new(Code::Rejected, text)), "sent again")?;
                    continue;
                }
                let done = client.change(Method::POST, &["dead-letters", id, "redrive"], query).await;
                refusals.note(id, done, "sent again")?;
            }
            return refusals
                .end(ids.len(), "a patient's newer state is kept; look with `dlq show`, then --force-stale");
        }
        DeadLetterCommand::Skip { ids } => {
            let mut refusals = Refusals::default();
            for id in ids {
                refusals.note(
                    id,
                    client.change(Method::DELETE, &["dead-letters", id], &[]).await,
                    "let go",
                )?;
            }
            return refusals.end(ids.len(), "adt-bridge dlq ls");
        }
        DeadLetterCommand::Export { file } => export(client, file).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What was refused of several; the first refusal decides how the command ends.
#[derive(Default)]
struct Refusals {
    count: usize,
    first: Option<Failure>,
}

impl Refusals {
    /// Prints one line per id. What is about the connection ends the command at once.
    fn note(&mut self, id: &str, result: Result<(), Failure>, done: &str) -> Result<(), Failure> {
        match result {
            Ok(()) => output::line(format_args!("{id}  {done}"))?,
            Err(failure) if matches!(failure.code(), Code::NotFound | Code::Rejected) => {
                output::line(format_args!("{id}  refused: {}", failure.text()))?;
                self.count += 1;
                self.first.get_or_insert(failure);
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    fn end(self, of: usize, hint: &str) -> Result<ExitCode, Failure> {
        match self.first {
            None => Ok(ExitCode::SUCCESS),
            Some(first) => {
                Err(Failure::new(first.code(), format!("{} of {of} refused", self.count)).hint(hint))
            }
        }
    }
}

/// Dead letters that only the sender's process can redrive: it hands them out itself, ahead of what waits.
async fn withheld(client: &Client) -> Result<HashSet<String>, Failure> {
    if !client.is_beside_the_sender() {
        return Ok(HashSet::new());
    }
    let parked: Parked = client.get(&["parked"], &[]).await?;
    let lines = all(client, None).await?.into_iter();
    Ok(lines.filter(|line| parked.groups.contains(&line.group)).map(|line| line.id).collect())
}

/// Every line, page by page.
async fn all(client: &Client, group: Option<&str>) -> Result<Vec<DeadLetterLine>, Failure> {
    let mut lines: Vec<DeadLetterLine> = Vec::new();
    loop {
        let mut query = vec![("limit", PAGE)];
        query.extend(group.map(|group| ("group", group)));
        query.extend(lines.last().map(|last| ("after", last.id.as_str())));
        let page: DeadLetters = client.get(&["dead-letters"], &query).await?;
        if page.dead_letters.is_empty() {
            return Ok(lines);
        }
        lines.extend(page.dead_letters);
    }
}

async fn ids(client: &Client) -> Result<Vec<String>, Failure> {
    Ok(all(client, None).await?.into_iter().map(|line| line.id).collect())
}

async fn export(client: &Client, file: &Path) -> Result<(), Failure> {
    let to_stdout = file == Path::new("-");
    let mut written = None;
    if !to_stdout {
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        let cannot = |error| Failure::new(Code::Usage, format!("{}: {error}", file.display()));
        written = Some(created.map_err(cannot)?);
    }
    for id in ids(client).await? {
        let full: DeadLetterFull = match client.get(&["dead-letters", &id], &[]).await {
            Ok(full) => full,
            // Redriven or let go meanwhile.
            Err(failure) if failure.code() == Code::NotFound => continue,
            Err(failure) => return Err(failure),
        };
        let line = as_json(&full)?;
        match &mut written {
            Some(file) => writeln!(file, "{line}")?,
            None => output::line(line)?,
        }
    }
    written.map_or(Ok(()), |file| file.sync_all())?;
    Ok(())
}

fn as_json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(Failure::internal)
}

fn status_text(status: &QueueStatus) -> String {
    let oldest = status.oldest_age_seconds.map_or_else(|| "-".to_owned(), |age| format!("{age} s"));
    let dead = if status.dead > 0 { "   see adt-bridge dlq ls" } else { "" };
    format!(
        "ready      {}\nin flight  {}\nparked     {}   in {} groups\ndead       {}{dead}\noldest     {oldest}",
        status.ready, status.in_flight, status.parked, status.parked_groups, status.dead,
    )
}

fn table(lines: &[DeadLetterLine]) -> String {
    if lines.is_empty() {
        return "no dead letters".to_owned();
    }
    let width =
        |text: fn(&DeadLetterLine) -> &str| lines.iter().map(|line| text(line).len()).max().unwrap_or(0);
    let (id, control_id) = (width(|line| &line.id).max(2), width(|line| &line.control_id).max(10));
    let mut text = format!(
        "{:id$}  {:20}  {:8}  {:23}  {:8}  {:control_id$}  GROUP",
        "ID", "SINCE", "EVENT", "REASON", "ANSWER", "CONTROL ID"
    );
    for line in lines {
        let answer =
            [&line.ack_code, &line.error_code].map(|code| code.as_deref().unwrap_or_default()).join(" ");
        let superseded = if line.superseded { "  superseded" } else { "" };
        // Writing to a String does not fail.
        write!(
            text,
            "\n{:id$}  {:20}  {:8}  {:23}  {answer:8}  {:control_id$}  {}{superseded}",
            line.id, line.dead_since, line.event, line.reason, line.control_id, line.group,
        )
        .ok();
    }
    text
}

fn full_text(full: &DeadLetterFull) -> String {
    let line = &full.line;
    let answer = [&line.ack_code, &line.error_code].map(|code| code.as_deref().unwrap_or_default()).join(" ");
    let mut text = format!(
        "id          {}\ncontrol id  {}\nevent       {}\nreason      {}\nanswer      {answer}\nattempts    {}\n\
         accepted    {}\ngiven up    {}\ngroup       {}\nsuperseded  {}\n\nmessage\n{}",
        line.id,
        line.control_id,
        line.event,
        line.reason,
        full.attempts,
        line.enqueued_at,
        line.dead_since,
        line.group,
        if line.superseded { "yes: a newer message of this patient was delivered" } else { "no" },
        output::segments(&full.body),
    );
    if let Some(acknowledgment) = &full.acknowledgment {
        text.push_str("\n\nacknowledgment\n");
        text.push_str(&output::segments(acknowledgment));
    }
    text
}
