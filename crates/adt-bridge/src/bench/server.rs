//! `adt-bridge bench server`: messages over MLLP into the test receiver, or into any endpoint.
//!
//! A message counts when AA with its control id came back. The bundled receiver's store is opened anew at the end and
//! has to hold every one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::try_join_all;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{
    Common, ServerArgs,
    child::{Part, Starting},
    driver::{Door, Line, Plan},
    load::Template,
    monotonic,
    part::{Name, Settings},
    progress::Progress,
    report::Report,
    syncs,
    usage::{Memory, Usage},
};
use crate::{
    cli::Cli,
    exit::{Code, Failure},
};

pub(super) async fn run(cli: &Cli, arguments: &ServerArgs) -> Result<Report, Failure> {
    let mut progress = Progress::new(cli.quiet);
    let (mut report, _) = measure(arguments, false, &mut progress).await?;
    let own = arguments.to.is_none() && !arguments.sink;
    if own && !arguments.common.no_syncs && syncs::can_count() {
        let messages = report.messages.clamp(1, MOST_COUNTED);
        let common = Common { messages: Some(messages), warm_up: 0, ..arguments.common.clone() };
        let counted = ServerArgs { common, idle: 0, ..arguments.clone() };
        let (_, syncs) = measure(&counted, true, &mut progress).await?;
        let each = |syncs: u64| BTreeMap::from([(SERVER, syncs as f64 / messages as f64)]);
        report.syncs_per_message = syncs.map(each);
    }
    progress.end();
    Ok(report)
}

async fn measure(
    arguments: &ServerArgs,
    count_syncs: bool,
    progress: &mut Progress,
) -> Result<(Report, Option<u64>), Failure> {
    let folder = tempfile::Builder::new().prefix("adt-bridge-bench-").tempdir()?;
    let part = match &arguments.to {
        Some(_) => None,
        None => {
            let system = arguments.common.system.as_deref();
            let starting = Starting { folder: folder.path(), system, count_syncs };
            let connections = usize::try_from(arguments.connections + arguments.idle).unwrap_or(usize::MAX);
            let settings = Settings { log: arguments.common.log.clone(), connections, ..Settings::default() };
            let name = if arguments.sink { Name::Sink } else { Name::Receiver };
            let mut part = starting.start(name, &settings).await?;
            part.begin()?;
            Some(part)
        }
    };
    let door = door(arguments, part.as_ref())?;
    let mut lines = try_join_all((0..arguments.connections).map(|_| door.open())).await?;
    let template = Template::message()?;
    progress.step("warming up");
    let first = arguments.common.warm_up;
    let (back, _) = send(lines, &template, (0, first), Instant::now() + FOREVER, progress).await?;
    lines = back;
    let idle = idle(&door, part.as_ref(), arguments.idle).await?;
    let before = (part.as_ref().map(Part::usage), Usage::of(std::process::id()));
    let (end, until) = match arguments.common.messages {
        Some(messages) => (first + messages, FOREVER),
        None => (u64::MAX, Duration::from_secs(arguments.common.seconds)),
    };
    let begin = monotonic::now();
    let (lines, times) = send(lines, &template, (first, end), Instant::now() + until, progress).await?;
    let took = monotonic::now() - begin;
    let messages = times.len() as u64;
    let load = [
        ("connections", arguments.connections.into()),
        ("idle connections", arguments.idle.into()),
        ("bytes of ER7", template.len() as u64),
    ];
    let mut report = Report::new("server", &load, messages, took);
    report.latency("message to AA", times);
    report.handshakes =
        (!arguments.plain).then(|| u64::from(arguments.connections) + u64::from(arguments.idle));
    report.cost.insert(LOAD, Usage::of(std::process::id()).since(&before.1, messages));
    report.memory.insert(LOAD, Memory::of(std::process::id()));
    report.idle_connection_kib = idle.as_ref().map(|(kib, _)| *kib);
    if let (Some(part), Some(before)) = (&part, &before.0) {
        report.cost.insert(SERVER, part.usage().since(before, messages));
        report.memory.insert(SERVER, part.memory());
    }
    drop((lines, idle));
    let Some(part) = part else {
        report.checked.push(format!("{messages} messages answered AA; what was stored was not looked at"));
        return Ok((report, None));
    };
    let left = part.end().await?;
    let sent = first + messages;
    match left.ended.stored {
        None => report.checked.push(format!("{sent} messages answered AA")),
        Some(stored) if stored == sent => {
            report.checked.push(format!("{sent} messages answered AA, {stored} stored"));
        }
        Some(stored) => {
            return Err(Failure::internal(format!("{sent} messages were answered AA, {stored} are stored")));
        }
    }
    Ok((report, left.syncs))
}

fn door(arguments: &ServerArgs, part: Option<&Part>) -> Result<Door, Failure> {
    match (&arguments.to, part.and_then(|part| part.ready.mllp.as_ref())) {
        (Some(address), _) => {
            let tls = credentials::ClientTlsConfig {
                enabled: !arguments.plain,
                ca_file: arguments.ca.clone(),
                server_name: arguments.server_name.clone(),
                cert_file: arguments.cert.clone(),
                key_file: arguments.key.clone(),
            };
            Door::new(address, &tls)
        }
        (None, Some(endpoint)) => {
            let ca_file = Some(endpoint.ca.clone());
            let tls = credentials::ClientTlsConfig { enabled: true, ca_file, ..Default::default() };
            Door::new(&endpoint.address, &tls)
        }
        (None, None) => Err(Failure::internal("no endpoint")),
    }
}

/// Sends on all lines; the times of the messages, and the lines for the next go.
async fn send(
    lines: Vec<Line>,
    template: &Template,
    (next, end): (u64, u64),
    until: Instant,
    progress: &mut Progress,
) -> Result<(Vec<Line>, Vec<u64>), Failure> {
    let plan = Arc::new(Plan {
        template: template.clone(),
        next: AtomicU64::new(next),
        end,
        until,
        done: AtomicU64::new(0),
    });
    let waiting = lines.len() as u64;
    let tasks = TaskTracker::new();
    let sending = lines.into_iter().map(|line| {
        let task = tasks.spawn(line.send_all(Arc::clone(&plan)));
        async move { task.await.map_err(Failure::internal)? }
    });
    let mut sending = std::pin::pin!(try_join_all(sending));
    let mut still = (Instant::now(), 0);
    let all = loop {
        tokio::select! {
            all = &mut sending => break all?,
            () = tokio::time::sleep(LOOK) => {}
        }
        let done = plan.done.load(Ordering::Relaxed);
        progress.messages(done, waiting);
        if done > still.1 {
            still = (Instant::now(), done);
        } else if still.0.elapsed() > STILL {
            return Err(Failure::new(Code::TimedOut, format!("no answer came in {STILL:?}")));
        }
    };
    let (mut lines, mut times) = (Vec::new(), Vec::new());
    for (line, each) in all {
        lines.push(line);
        times.extend(each);
    }
    Ok((lines, times))
}

/// Opens connections that say nothing, and asks how much larger the endpoint is afterwards.
async fn idle(door: &Door, part: Option<&Part>, count: u32) -> Result<Option<(f64, Vec<Line>)>, Failure> {
    let Some(part) = part.filter(|_| count > 0) else { return Ok(None) };
    let before = part.memory().resident_kib;
    let mut lines = Vec::new();
    for _ in 0..count {
        lines.push(door.open().await?);
    }
    // The endpoint's side of the last handshake may still be under way.
    tokio::time::sleep(SETTLE).await;
    let more = part.memory().resident_kib.saturating_sub(before);
    Ok(Some((more as f64 / f64::from(count), lines)))
}

const SERVER: &str = "endpoint";
const LOAD: &str = "load driver";
const MOST_COUNTED: u64 = 10_000;
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);
/// So long without an answer is a failure.
const STILL: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
const SETTLE: Duration = Duration::from_millis(300);
