//! `tail` and `wait`: what happens from now on.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{LOOK, Row, Where, listed, pairs, print, rows};
use crate::{
    admin::client::Client,
    exit::{Code, Failure},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    at: Where,
    /// End after so many lines
    #[arg(long, short = 'n', value_name = "LINES")]
    lines: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    #[command(flatten)]
    at: Where,
    /// Id or control id of a message, or a search; the newest message when nothing is said
    what: Vec<String>,
    /// How long, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

/// Each change of a message on a line, until the process that is watched ends.
pub(crate) async fn tail(arguments: &TailArgs) -> Result<ExitCode, Failure> {
    let at = &arguments.at;
    let parameters = at.mask();
    let mut stream = at.client()?.stream(&["events"], &pairs(&parameters)).await?;
    let (mut buffer, mut printed) = (Vec::new(), 0_u64);
    while let Some(part) = stream.chunk().await.map_err(|_| gone())? {
        buffer.extend_from_slice(&part);
        while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = buffer.drain(..end + 2).collect();
            for row in changed(&event)? {
                if at.json {
                    output::line(&row)?;
                } else {
                    output::line(print::line(&serde_json::from_value(row).map_err(Failure::internal)?))?;
                }
                printed += 1;
                if arguments.lines.is_some_and(|most| printed >= most) {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The rows of a `rows` event.
fn changed(event: &[u8]) -> Result<Vec<Value>, Failure> {
    let text = String::from_utf8_lossy(event);
    let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: ")) else { return Ok(Vec::new()) };
    let mut read: Value = serde_json::from_str(data).map_err(Failure::internal)?;
    Ok(match read["rows"].take() {
        Value::Array(rows) => rows,
        _ => Vec::new(),
    })
}

/// Until a message has come to an end. Exits 6 when it was not accepted, 7 when it took too long.
pub(crate) async fn wait(arguments: &WaitArgs) -> Result<ExitCode, Failure> {
    let at = &arguments.at;
    let client = at.client()?;
    let end = Instant::now() + Duration::from_secs(arguments.timeout);
    let query = arguments.what.join(" ");
    loop {
        let row = look(&client, at, &query).await?;
        if let Some(row) = &row
            && !matches!(row.state.as_str(), "queued" | "sending")
        {
            output::line(print::line(row))?;
            let accepted = matches!(row.state.as_str(), "delivered" | "stored");
            return Ok(if accepted { ExitCode::SUCCESS } else { ExitCode::from(Code::Rejected as u8) });
        }
        if Instant::now() >= end {
            let state =
                row.map_or_else(|| "no such message".to_owned(), |row| format!("still {}", row.state));
            return Err(Failure::new(Code::TimedOut, format!("{state} after {} s", arguments.timeout)));
        }
        sleep(LOOK).await;
    }
}

/// The message of that name, else the newest that fits.
async fn look(client: &Client, at: &Where, query: &str) -> Result<Option<Row>, Failure> {
    let is_name = !query.is_empty() && !query.contains([' ', ':', '/']);
    if is_name {
        let parameters = at.mask();
        match client.get::<Value>(&["messages", query], &pairs(&parameters)).await {
            Ok(mut found) => {
                return serde_json::from_value(found["message"].take()).map(Some).map_err(Failure::internal);
            }
            Err(failure) if failure.code() == Code::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(rows(&listed(client, at, query, 1).await?)?.into_iter().next())
}

fn gone() -> Failure {
    Failure::new(Code::CannotConnect, "the connection to the inspector was lost")
}
