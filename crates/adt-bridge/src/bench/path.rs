//! `adt-bridge bench path`: from an HTTP write to the durable delete after its acknowledgment.
//!
//! A message counts when it left the queue for good, which is after AA with its control id. The run is good only if
//! the receiver's store holds, after it was opened anew, as many messages as writes were accepted.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use inspector::QueueStatus;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Common, PathArgs,
    child::{Left, Part, Starting},
    load::Template,
    monotonic,
    part::{Name, Settings, Told},
    progress::Progress,
    report::Report,
    syncs,
    usage::{Memory, Usage},
    writers::{Plan, Target, Writers, Written},
};
use crate::{
    admin::client::Client,
    cli::Cli,
    exit::{Code, Failure},
};

pub(super) async fn run(cli: &Cli, arguments: &PathArgs) -> Result<Report, Failure> {
    let template = Template::patient(arguments.patient.as_deref())?;
    let mut progress = Progress::new(cli.quiet);
    if let Some(url) = &arguments.url {
        return against(url, arguments, template, &mut progress).await;
    }
    let mut report = measure(arguments, &template, &mut progress).await?;
    if !arguments.common.no_syncs && syncs::can_count() {
        progress.step("once more, for the syncs to disk");
        let messages = report.messages.clamp(1, MOST_COUNTED);
        let common = Common { messages: Some(messages), warm_up: 0, ..arguments.common.clone() };
        let counted = PathArgs { common, ..arguments.clone() };
        report.syncs_per_message = count_syncs(&counted, &template, &mut progress).await?;
    }
    progress.end();
    Ok(report)
}

/// The processes of one run.
struct Stage {
    // Before the folder: its processes have to end first.
    bridge: Part,
    receiver: Part,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn start(arguments: &PathArgs, count_syncs: bool) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("adt-bridge-bench-").tempdir()?;
        let system = arguments.common.system.as_deref();
        let starting = Starting { folder: folder.path(), system, count_syncs };
        let connections = usize::try_from(arguments.connections).unwrap_or(usize::MAX);
        let settings = Settings { log: arguments.common.log.clone(), connections, ..Settings::default() };
        let mut receiver = starting.start(Name::Receiver, &settings).await?;
        receiver.begin()?;
        let settings = Settings { endpoint: receiver.ready.mllp.clone(), ..settings };
        let mut bridge = starting.start(Name::Bridge, &settings).await?;
        bridge.begin()?;
        Ok(Self { bridge, receiver, folder })
    }

    fn usage(&self) -> [(&'static str, Usage); 3] {
        [
            (BRIDGE, self.bridge.usage()),
            (RECEIVER, self.receiver.usage()),
            (LOAD, Usage::of(std::process::id())),
        ]
    }

    /// Ends both; the receiver last, as the sender waits for it.
    async fn end(self) -> Result<(Left, Left), Failure> {
        let bridge = self.bridge.end().await?;
        let receiver = self.receiver.end().await?;
        drop(self.folder);
        Ok((bridge, receiver))
    }
}

async fn measure(
    arguments: &PathArgs,
    template: &Template,
    progress: &mut Progress,
) -> Result<Report, Failure> {
    progress.step("starting");
    let mut stage = Stage::start(arguments, false).await?;
    let mut load = Load::new(arguments, template, &stage.bridge).await?;
    progress.step("warming up");
    let far = Instant::now() + WARM_UP;
    let warm = load.write(Some(arguments.common.warm_up), far, &mut stage.bridge, progress).await?;
    let before = stage.usage();
    let until = match arguments.common.messages {
        Some(_) => Instant::now() + FOREVER,
        None => Instant::now() + Duration::from_secs(arguments.common.seconds),
    };
    let run = load.write(arguments.common.messages, until, &mut stage.bridge, progress).await?;
    let after = stage.usage();
    let messages = run.written.len() as u64;
    let mut report = Report::new(
        "path",
        &[
            ("writers", arguments.writers.into()),
            ("connections", arguments.connections.into()),
            ("in flight at most", arguments.in_flight.into()),
            ("bytes of JSON", template.len() as u64),
        ],
        messages,
        run.end.saturating_sub(run.begin),
    );
    run.latencies(&mut report);
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        report.cost.insert(name, after.since(before, messages));
    }
    report.memory = BTreeMap::from([
        (BRIDGE, stage.bridge.memory()),
        (RECEIVER, stage.receiver.memory()),
        (LOAD, Memory::of(std::process::id())),
    ]);
    drop(load);
    let (bridge, receiver) = stage.end().await?;
    report.handshakes = bridge.ended.handshakes;
    let accepted = warm.written.len() as u64 + messages;
    report.checked.push(stored(&receiver, accepted)?);
    Ok(report)
}

async fn count_syncs(
    arguments: &PathArgs,
    template: &Template,
    progress: &mut Progress,
) -> Result<Option<BTreeMap<&'static str, f64>>, Failure> {
    let mut stage = Stage::start(arguments, true).await?;
    let mut load = Load::new(arguments, template, &stage.bridge).await?;
    let until = Instant::now() + FOREVER;
    let run = load.write(arguments.common.messages, until, &mut stage.bridge, progress).await?;
    drop(load);
    let (bridge, receiver) = stage.end().await?;
    let accepted = run.written.len() as u64;
    stored(&receiver, accepted)?;
    let each = |left: &Left| left.syncs.map(|syncs| syncs as f64 / accepted.max(1) as f64);
    Ok(match (each(&bridge), each(&receiver)) {
        (Some(bridge), Some(receiver)) => Some(BTreeMap::from([(BRIDGE, bridge), (RECEIVER, receiver)])),
        _ => None,
    })
}

fn stored(receiver: &Left, accepted: u64) -> Result<String, Failure> {
    let stored = receiver.ended.stored.unwrap_or_default();
    if stored == accepted {
        return Ok(format!(
            "{accepted} writes accepted, {accepted} acknowledged and deleted, {stored} stored"
        ));
    }
    Err(Failure::internal(format!("{accepted} writes were accepted, the receiver stored {stored}")))
}

/// Writers, and the numbers they have used.
struct Load {
    writers: Option<Writers>,
    template: Template,
    next: u64,
    room: Arc<Semaphore>,
}

/// What one go came to.
struct Run {
    written: Vec<Written>,
    /// Number, acknowledged, deleted.
    delivered: Vec<(u64, u64, u64)>,
    begin: u64,
    end: u64,
}

impl Load {
    async fn new(arguments: &PathArgs, template: &Template, bridge: &Part) -> Result<Self, Failure> {
        let authority = bridge.ready.http.clone().ok_or_else(|| Failure::internal("no hook"))?;
        let target = Target { authority, path: "/persistence/Patient".to_owned() };
        let room = usize::try_from(arguments.in_flight).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Ok(Self {
            writers: Some(Writers::connect(&target, arguments.writers).await?),
            template: template.clone(),
            next: 0,
            room: Arc::new(Semaphore::new(room)),
        })
    }

    /// Writes, and waits until everything that was accepted is delivered.
    async fn write(
        &mut self,
        messages: Option<u64>,
        until: Instant,
        bridge: &mut Part,
        progress: &mut Progress,
    ) -> Result<Run, Failure> {
        let writers = self.writers.take().ok_or_else(|| Failure::internal("the writers are gone"))?;
        let first = self.next;
        let plan = Plan {
            template: self.template.clone(),
            next: AtomicU64::new(first),
            end: messages.map_or(u64::MAX, |messages| first + messages),
            until,
            room: Some(Arc::clone(&self.room)),
        };
        let begin = monotonic::now();
        let (mut writing, mut written) = (writers.write(plan), None);
        let mut delivered = Vec::new();
        while written.as_ref().is_none_or(|written: &Vec<Written>| delivered.len() < written.len()) {
            tokio::select! {
                done = &mut writing, if written.is_none() => {
                    let (writers, all) = done.map_err(Failure::internal)??;
                    self.writers = Some(writers);
                    written = Some(all);
                }
                told = tokio::time::timeout(STILL, bridge.told()) => match told {
                    Ok(Ok(Told::Delivered { number, acknowledged, deleted })) => {
                        self.room.add_permits(1);
                        delivered.push((number, acknowledged, deleted));
                    }
                    Ok(Ok(Told::GivenUp)) => {
                        return Err(Failure::new(Code::Rejected, "a message became a dead letter"));
                    }
                    Ok(Err(failure)) => return Err(failure),
                    Err(_) => {
                        return Err(Failure::new(Code::TimedOut, format!("nothing was delivered in {STILL:?}")));
                    }
                },
            }
            let done = delivered.len() as u64;
            progress.messages(done, written.as_ref().map_or(0, |written| written.len() as u64 - done));
        }
        let written = written.unwrap_or_default();
        self.next = written.iter().map(|written| written.number + 1).max().unwrap_or(first).max(first);
        let end = delivered.iter().map(|(_, _, deleted)| *deleted).max().unwrap_or(begin);
        let run = Run { written, delivered, begin, end };
        run.each_once()?;
        Ok(run)
    }
}

impl Run {
    /// Every accepted write was delivered, and none twice.
    fn each_once(&self) -> Result<(), Failure> {
        let mut written: Vec<_> = self.written.iter().map(|written| written.number).collect();
        let mut delivered: Vec<_> = self.delivered.iter().map(|(number, ..)| *number).collect();
        written.sort_unstable();
        delivered.sort_unstable();
        if written == delivered {
            return Ok(());
        }
        Err(Failure::internal("what was delivered is not what was accepted, each once"))
    }

    fn latencies(&self, report: &mut Report) {
        let first = self.written.iter().map(|written| written.number).min().unwrap_or_default();
        let place = |number: u64| usize::try_from(number - first).unwrap_or(usize::MAX);
        let mut began = vec![0; self.written.iter().map(|w| place(w.number) + 1).max().unwrap_or_default()];
        for written in &self.written {
            if let Some(slot) = began.get_mut(place(written.number)) {
                *slot = written.began;
            }
        }
        let since =
            |number: u64, time: u64| time.saturating_sub(began.get(place(number)).copied().unwrap_or(time));
        let answered = self.written.iter().map(|written| written.answered - written.began);
        report.latency("1 POST to 2xx", answered.collect());
        let acknowledged = self.delivered.iter().map(|(number, time, _)| since(*number, *time));
        report.latency("2 POST to AA", acknowledged.collect());
        let deleted = self.delivered.iter().map(|(number, _, time)| since(*number, *time));
        report.latency("3 POST to durable delete", deleted.collect());
    }
}

/// A bridge that runs already: its queue is looked at, its receiver is not.
async fn against(
    url: &str,
    arguments: &PathArgs,
    template: Template,
    progress: &mut Progress,
) -> Result<Report, Failure> {
    let target = Target::of(url)?;
    let client = Client::of(&arguments.data_dir)?;
    let status = async || client.get::<QueueStatus>(&["queue"], &[]).await;
    let before = status().await?;
    if before.ready + before.in_flight > 0 {
        return Err(Failure::new(Code::Usage, "the queue of that bridge is not empty"));
    }
    let writers = Writers::connect(&target, arguments.writers).await?;
    let bytes = template.len() as u64;
    let plan = Plan {
        template,
        next: AtomicU64::new(0),
        end: arguments.common.messages.unwrap_or(u64::MAX),
        until: Instant::now()
            + arguments.common.messages.map_or(Duration::from_secs(arguments.common.seconds), |_| FOREVER),
        room: None,
    };
    let (own, begin) = (Usage::of(std::process::id()), monotonic::now());
    progress.step("writing");
    let written = writers.write(plan).await.map_err(Failure::internal)??.1;
    loop {
        let now = status().await?;
        if now.dead > before.dead {
            return Err(Failure::new(Code::Rejected, "a message became a dead letter"));
        }
        let waiting = now.ready + now.in_flight;
        if waiting == 0 {
            break;
        }
        progress.messages((written.len() as u64).saturating_sub(waiting), waiting);
        tokio::time::sleep(LOOK).await;
    }
    let end = monotonic::now();
    progress.end();
    let messages = written.len() as u64;
    let load = [("writers", arguments.writers.into()), ("bytes of JSON", bytes)];
    let mut report = Report::new("path", &load, messages, end - begin);
    report.cost.insert(LOAD, Usage::of(std::process::id()).since(&own, messages));
    report.memory.insert(LOAD, Memory::of(std::process::id()));
    let answered = written.iter().map(|written| written.answered - written.began);
    report.latency("1 POST to 2xx", answered.collect());
    report.checked.push(format!("{messages} writes accepted, the queue is empty, no new dead letter"));
    report.checked.push("what the receiver stored was not looked at".to_owned());
    Ok(report)
}

const BRIDGE: &str = "hook, queue, sender";
const RECEIVER: &str = "receiver";
const LOAD: &str = "load driver";
/// The most messages of the run that counts syncs.
const MOST_COUNTED: u64 = 10_000;
const WARM_UP: Duration = Duration::from_secs(60);
/// A run by number ends by its number.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);
/// So long without a delivery is a failure.
const STILL: Duration = Duration::from_secs(60);
/// Between two looks at the queue of a bridge that runs already.
const LOOK: Duration = Duration::from_millis(20);
