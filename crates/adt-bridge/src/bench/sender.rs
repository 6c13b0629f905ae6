//! `adt-bridge bench sender`: a full queue into an endpoint that only acknowledges.
//!
//! A message counts when it left the queue for good.

use std::{collections::BTreeMap, time::Duration};

use super::{
    SenderArgs,
    child::{Left, Starting},
    load::Template,
    monotonic,
    part::{Name, Settings, Told},
    progress::Progress,
    report::Report,
    syncs,
};
use crate::{
    cli::Cli,
    exit::{Code, Failure},
};

pub(super) async fn run(cli: &Cli, arguments: &SenderArgs) -> Result<Report, Failure> {
    let mut progress = Progress::new(cli.quiet);
    let (mut report, _) = measure(arguments, false, &mut progress).await?;
    if !arguments.no_syncs && syncs::can_count() {
        let fewer = SenderArgs { messages: arguments.messages.min(MOST_COUNTED), ..arguments.clone() };
        let (_, left) = measure(&fewer, true, &mut progress).await?;
        report.syncs_per_message = left.syncs.map(|syncs| {
            // Filling the queue is not the sender's doing, but cannot be told apart: it is one commit for many.
            BTreeMap::from([(SENDER, syncs as f64 / fewer.messages as f64)])
        });
    }
    progress.end();
    Ok(report)
}

async fn measure(
    arguments: &SenderArgs,
    count_syncs: bool,
    progress: &mut Progress,
) -> Result<(Report, Left), Failure> {
    let folder = tempfile::Builder::new().prefix("adt-bridge-bench-").tempdir()?;
    let starting = Starting { folder: folder.path(), system: None, count_syncs: false };
    let settings = Settings { log: arguments.log.clone(), ..Settings::default() };
    progress.step("filling the queue");
    let mut sink = starting.start(Name::Sink, &settings).await?;
    sink.begin()?;
    let settings = Settings {
        endpoint: sink.ready.mllp.clone(),
        connections: usize::try_from(arguments.connections).unwrap_or(usize::MAX),
        messages: arguments.messages,
        ..settings
    };
    let mut sender = Starting { count_syncs, ..starting }.start(Name::Sender, &settings).await?;
    let before = [(SENDER, sender.usage()), (SINK, sink.usage())];
    let begin = monotonic::now();
    progress.step("sending");
    sender.begin()?;
    let (mut end, mut done) = (begin, 0);
    while done < arguments.messages {
        match tokio::time::timeout(STILL, sender.told()).await {
            Ok(Ok(Told::Delivered { deleted, .. })) => {
                done += 1;
                end = end.max(deleted);
                progress.messages(done, arguments.messages - done);
            }
            Ok(Ok(Told::GivenUp)) => {
                return Err(Failure::new(Code::Rejected, "a message became a dead letter"));
            }
            Ok(Err(failure)) => return Err(failure),
            Err(_) => {
                return Err(Failure::new(Code::TimedOut, format!("nothing was delivered in {STILL:?}")));
            }
        }
    }
    let after = [sender.usage(), sink.usage()];
    let load =
        [("connections", arguments.connections.into()), ("bytes of ER7", Template::message()?.len() as u64)];
    let mut report = Report::new("sender", &load, done, end - begin);
    for ((name, before), after) in before.iter().zip(&after) {
        report.cost.insert(name, after.since(before, done));
    }
    report.memory = BTreeMap::from([(SENDER, sender.memory()), (SINK, sink.memory())]);
    let left = sender.end().await?;
    let sink = sink.end().await?;
    report.handshakes = sink.ended.handshakes;
    report.checked.push(format!("{done} messages acknowledged and deleted, the queue is empty"));
    Ok((report, left))
}

const SENDER: &str = "queue, sender";
const SINK: &str = "endpoint";
const MOST_COUNTED: u64 = 10_000;
/// So long without a delivery is a failure.
const STILL: Duration = Duration::from_secs(60);
