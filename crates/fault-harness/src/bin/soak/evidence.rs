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
    /// Faults injected.
    pub(crate) faults: u64,
    pub(crate) verdict: Verdict,
    pub(crate) longest_recovery: Duration,
}

impl Outcome {
    /// Nothing lost, nothing out of order. Repeats beyond the explained ones are shown, not judged: a fault may
    /// hit one message twice.
    pub(crate) fn holds(&self) -> bool {
        self.verdict.lost.is_empty() && self.verdict.out_of_order.is_empty()
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
        marks.extend(Mark::find(record.envelope.body.as_bytes()));
    }
    Ok(marks)
}

/// One line per run.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| run | seed | faults | messages | lost | out of order | duplicated | explained by faults | dead letters | longest recovery |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes {
        let verdict = &outcome.verdict;
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} s |\n",
            outcome.name,
            outcome.seed,
            outcome.faults,
            verdict.messages,
            verdict.lost.len(),
            verdict.out_of_order.len(),
            verdict.duplicates,
            verdict.ambiguous,
            verdict.dead,
            outcome.longest_recovery.as_secs_f64(),
        ));
        for mark in verdict.lost.iter().take(10) {
            text.push_str(&format!("  lost: {mark}\n"));
        }
        for (newer, older) in verdict.out_of_order.iter().take(10) {
            text.push_str(&format!("  {older} was stored after {newer}\n"));
        }
    }
    text
}
