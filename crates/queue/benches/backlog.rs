//! The embedded queue with a backlog beside the same queue without: `cargo bench -p queue -- [messages]`.
//!
//! A cycle is send, receive, delete. Both queues have their turn in every round, and the median of the rounds' ratios
//! counts: what the disk does meanwhile, it does to both. What a process holds in memory, and how long it takes from
//! opening the file to the first message, a process of its own says. `docs/explanation/performance.md` has the goals and
//! the results.
#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::{
    error::Error,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use futures::future::join_all;
use queue::{Attributes, DeduplicationId, EmbeddedConfig, EmbeddedQueue, Envelope, GroupId, Queue, Receipt};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Messages of one batched cycle.
const BATCH: usize = 64;
/// Messages of one round of the fill: what one commit takes.
const FILL: u64 = 512;
/// The size of a body.
const BODY_BYTES: usize = 1024;
/// Tells this program to open a queue, and nothing else.
const OPEN: &str = "--open";

/// How much is measured.
struct Scale {
    messages: u64,
    rounds: u64,
    /// How long one queue works in a round, batched and single each.
    turn: Duration,
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, path] = arguments.as_slice()
        && flag == OPEN
    {
        return runtime()?.block_on(open(Path::new(path)));
    }
    // `cargo test` runs benchmarks too, and wants to know only that they run.
    let measured = arguments.iter().any(|argument| argument == "--bench");
    let messages = arguments.iter().find_map(|argument| argument.parse().ok());
    let scale = if measured {
        Scale { messages: messages.unwrap_or(1_000_000), rounds: 7, turn: Duration::from_millis(500) }
    } else {
        Scale { messages: messages.unwrap_or(2_000), rounds: 1, turn: Duration::from_millis(1) }
    };
    println!(
        "| waiting | groups | figure | empty | with the backlog | ratio |\n| --- | --- | --- | --- | --- | --- |"
    );
    for groups in [scale.messages / 10, scale.messages] {
        runtime()?.block_on(measure(&scale, groups))?;
    }
    Ok(())
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn measure(scale: &Scale, groups: u64) -> Outcome {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let paths = ["empty", "full"].map(|name| folder.path().join(name).join("queue.db"));
    let [empty, full] = &paths;
    let queues = [EmbeddedQueue::open(&config(empty)).await?, EmbeddedQueue::open(&config(full)).await?];
    let [empty_queue, full_queue] = &queues;
    let began = Instant::now();
    fill(full_queue, scale.messages, groups).await?;
    let filled = scale.messages as f64 / began.elapsed().as_secs_f64();
    let mut single: Vec<[f64; 2]> = Vec::new();
    let mut batched = Vec::new();
    for round in 0..scale.rounds {
        for (at_once, rates) in [(1, &mut single), (BATCH, &mut batched)] {
            let mut name = Names { prefix: format!("cycle-{round}-{at_once}"), next: 0, groups };
            rates.push([
                rate(empty_queue, at_once, scale.turn, &mut name).await?,
                rate(full_queue, at_once, scale.turn, &mut name).await?,
            ]);
        }
    }
    let waiting = full_queue.statistics().await?.ready;
    if waiting != scale.messages {
        return Err(format!("{waiting} messages wait, not {}", scale.messages).into());
    }
    let row = |figure: &str, empty: &str, full: &str, ratio: &str| {
        println!("| {} | {groups} | {figure} | {empty} | {full} | {ratio} |", scale.messages);
    };
    row("sends while it fills, per second", "", &format!("{filled:.0}"), "");
    for (figure, rates) in
        [("cycles, 64 at a time, per second", batched), ("cycles, one at a time, per second", single)]
    {
        let [of_empty, of_full] = [0, 1].map(|queue| median(rates.iter().map(|rates| rates[queue])));
        let ratio = median(rates.iter().map(|[empty, full]| full / empty));
        row(figure, &format!("{of_empty:.0}"), &format!("{of_full:.0}"), &format!("{ratio:.2}"));
    }
    for queue in &queues {
        queue.close().await?;
    }
    drop(queues);
    let [empty, full] = [opened(empty)?, opened(full)?];
    let mib = |kib: f64| format!("{:.1}", kib / 1024.0);
    row(
        "resident memory of a process that opened it, MiB",
        &mib(empty.resident_kib),
        &mib(full.resident_kib),
        "",
    );
    row(
        "from opening to the first message, s",
        &format!("{:.3}", empty.seconds),
        &format!("{:.3}", full.seconds),
        "",
    );
    row("file, MiB", &mib(empty.file_kib), &mib(full.file_kib), "");
    Ok(())
}

fn config(path: &Path) -> EmbeddedConfig {
    EmbeddedConfig { path: PathBuf::from(path), ..EmbeddedConfig::default() }
}

/// Messages that no other has been.
struct Names {
    prefix: String,
    next: u64,
    groups: u64,
}

impl Names {
    fn next(&mut self) -> Envelope {
        let number = self.next;
        self.next += 1;
        let id = format!("{}-{number}", self.prefix);
        Envelope {
            body: "x".repeat(BODY_BYTES),
            group: GroupId::digest(&[&(number % self.groups).to_string()]),
            deduplication_id: DeduplicationId::digest(&[&id]),
            attributes: Attributes { control_id: id, event: "ADT^A31".into(), ..Attributes::default() },
        }
    }
}

async fn fill(queue: &EmbeddedQueue, messages: u64, groups: u64) -> Outcome {
    let mut names = Names { prefix: "fill".into(), next: 0, groups };
    while names.next < messages {
        let part = FILL.min(messages - names.next);
        let sends: Vec<_> = (0..part).map(|_| queue.send(names.next())).collect();
        join_all(sends).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    Ok(())
}

/// Cycles per second, `at_once` messages at a time.
async fn rate(queue: &EmbeddedQueue, at_once: usize, turn: Duration, names: &mut Names) -> Outcome<f64> {
    let (began, mut count) = (Instant::now(), 0);
    let max = NonZeroUsize::new(at_once).ok_or("nothing at once")?;
    while count == 0 || began.elapsed() < turn {
        let sends: Vec<_> = (0..at_once).map(|_| queue.send(names.next())).collect();
        join_all(sends).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        // Of a group only one message is on lease at a time: as many come as there are groups.
        let mut left = at_once;
        while left > 0 {
            let deliveries = queue.receive(max, Duration::from_secs(5)).await?;
            let receipts: Vec<Receipt> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
            if receipts.is_empty() {
                return Err("a message that was sent does not come".into());
            }
            left = left.saturating_sub(receipts.len());
            queue.delete_all(&receipts).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        count += at_once;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// What a process says that opened a queue.
struct Opened {
    seconds: f64,
    resident_kib: f64,
    file_kib: f64,
}

fn opened(path: &Path) -> Outcome<Opened> {
    let output = Command::new(std::env::current_exe()?).arg(OPEN).arg(path).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.split_whitespace();
    let mut next =
        || words.next().ok_or("a figure is missing")?.parse::<f64>().map_err(Box::<dyn Error>::from);
    Ok(Opened {
        seconds: next()?,
        resident_kib: next()?,
        file_kib: fs::metadata(path)?.len() as f64 / 1024.0,
    })
}

/// Opens the queue, receives one message if there is one, and says how long that took and what it holds in memory.
async fn open(path: &Path) -> Outcome {
    let began = Instant::now();
    let queue = EmbeddedQueue::open(&config(path)).await?;
    queue.receive(NonZeroUsize::MIN, Duration::ZERO).await?;
    let seconds = began.elapsed().as_secs_f64();
    println!("{seconds} {}", resident_kib());
    Ok(())
}

/// What this process holds in memory. Elsewhere than on Linux nothing is known, and nothing said.
fn resident_kib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(f64::NAN)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
