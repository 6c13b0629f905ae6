//! From a finished run to a line of the table.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use fault_harness::oracle::{Evidence, Mark, Verdict};
use queue::{EmbeddedConfig, EmbeddedQueue, Queue};

/// One run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    /// Rounds of kills, or faults injected.
    pub(crate) faults: u64,
    pub(crate) verdict: Verdict,
    pub(crate) longest_recovery: Duration,
    /// How long the load lasted.
    pub(crate) loaded: Duration,
}

impl Outcome {
    /// Nothing lost, nothing out of order, and no more repeats than the injected faults left deliveries unclear.
    pub(crate) fn holds(&self) -> bool {
        self.verdict.holds()
    }
}

/// Asks again and again until nothing accepted is missing. A backlog may take its time, so the patience starts
/// anew whenever something arrives; what then has not arrived is stuck, which is no better than lost.
pub(crate) async fn settled(patience: Duration, evidence: impl Fn() -> Evidence) -> Verdict {
    let (mut progress, mut missing) = (Instant::now(), usize::MAX);
    loop {
        let verdict = evidence().judge();
        if verdict.lost.len() < missing {
            (progress, missing) = (Instant::now(), verdict.lost.len());
            eprintln!("settling: {missing} of {} have not arrived yet", verdict.messages);
        }
        if missing == 0 || progress.elapsed() > patience {
            return verdict;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Marks in the dead letters of an embedded queue whose process has ended.
pub(crate) async fn dead_letters(file: &Path) -> io::Result<Vec<Mark>> {
    let config = EmbeddedConfig { path: file.to_owned(), ..EmbeddedConfig::default() };
    let queue = EmbeddedQueue::open(&config).await.map_err(io::Error::other)?;
    let Some(letters) = queue.dead_letters() else { return Ok(Vec::new()) };
    let mut marks = Vec::new();
    for summary in letters.list(None, None, u32::MAX).await.map_err(io::Error::other)? {
        let record = letters.show(&summary.id).await.map_err(io::Error::other)?;
        eprintln!("dead letter after {} attempts: {}", record.letter.attempts, record.letter.reason.as_str());
        marks.extend(Mark::find(record.envelope.body.as_bytes()));
    }
    Ok(marks)
}

/// One line per run, and one for all of them.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| run | seed | faults | messages | msg/s | lost | duplicated | ambiguous events | out of order | dead letters | longest recovery |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes {
        let (name, seed) = (outcome.name, outcome.seed.to_string());
        text.push_str(&line(name, &seed, std::slice::from_ref(outcome)));
    }
    text.push_str(&line(&format!("all, {} runs", outcomes.len()), "", outcomes));
    for verdict in outcomes.iter().map(|outcome| &outcome.verdict) {
        for mark in verdict.lost.iter().take(10) {
            text.push_str(&format!("lost: {mark}\n"));
        }
        for (newer, older) in verdict.out_of_order.iter().take(10) {
            text.push_str(&format!("{older} was stored after {newer}\n"));
        }
    }
    text
}

/// The runs of `outcomes` together.
fn line(name: &str, seed: &str, outcomes: &[Outcome]) -> String {
    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let messages = sum(|outcome| outcome.verdict.messages as u64);
    let loaded: f64 = outcomes.iter().map(|outcome| outcome.loaded.as_secs_f64()).sum();
    let recovery = outcomes.iter().map(|outcome| outcome.longest_recovery).max().unwrap_or_default();
    format!(
        "| {name} | {seed} | {} | {messages} | {:.0} | {} | {} | {} | {} | {} | {:.2} s |\n",
        sum(|outcome| outcome.faults),
        messages as f64 / loaded.max(1.0),
        sum(|outcome| outcome.verdict.lost.len() as u64),
        sum(|outcome| outcome.verdict.duplicates),
        sum(|outcome| outcome.verdict.ambiguous),
        sum(|outcome| outcome.verdict.out_of_order.len() as u64),
        sum(|outcome| outcome.verdict.dead as u64),
        recovery.as_secs_f64(),
    )
}
