//! What a run found, for people and for programs.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use super::{
    figures::Latency,
    usage::{Cost, Memory},
};

/// The result of one run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) bench: &'static str,
    /// How the load was shaped, such as `connections`.
    pub(super) load: BTreeMap<&'static str, u64>,
    /// That count: see each load for what has to be true of one.
    pub(super) messages: u64,
    pub(super) seconds: f64,
    pub(super) per_second: f64,
    /// From the start of a message's way to a step of it, in microseconds.
    pub(super) latency_us: BTreeMap<&'static str, Latency>,
    /// Of each process.
    pub(super) cost: BTreeMap<&'static str, Cost>,
    pub(super) memory: BTreeMap<&'static str, Memory>,
    /// Calls that wait for the disk, of each process; absent when they were not counted.
    pub(super) syncs_per_message: Option<BTreeMap<&'static str, f64>>,
    /// TLS handshakes of the whole run.
    pub(super) handshakes: Option<u64>,
    /// Memory of one more TLS connection that says nothing, in KiB.
    pub(super) idle_connection_kib: Option<f64>,
    /// What was checked, and what could not be.
    pub(super) checked: Vec<String>,
}

impl Report {
    pub(super) fn new(
        bench: &'static str,
        load: &[(&'static str, u64)],
        messages: u64,
        nanoseconds: u64,
    ) -> Self {
        let seconds = nanoseconds as f64 / 1e9;
        Self {
            bench,
            load: load.iter().copied().collect(),
            messages,
            seconds,
            per_second: if seconds > 0.0 { messages as f64 / seconds } else { 0.0 },
            latency_us: BTreeMap::new(),
            cost: BTreeMap::new(),
            memory: BTreeMap::new(),
            syncs_per_message: None,
            handshakes: None,
            idle_connection_kib: None,
            checked: Vec::new(),
        }
    }

    pub(super) fn latency(&mut self, step: &'static str, nanoseconds: Vec<u64>) {
        self.latency_us.extend(Latency::of(nanoseconds).map(|latency| (step, latency)));
    }

    pub(super) fn as_json(&self) -> String {
        // Maps with text keys and numbers: nothing in it can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn as_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).ok();
        text.truncate(text.trim_end().len());
        text
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        write!(to, "{}", self.bench)?;
        for (name, value) in &self.load {
            write!(to, "   {value} {name}")?;
        }
        writeln!(to, "\n\n  {:<28}{:>10}", "messages", self.messages)?;
        writeln!(to, "  {:<28}{:>10.2}", "seconds", self.seconds)?;
        writeln!(to, "  {:<28}{:>10.0}\n", "messages per second", self.per_second)?;
        writeln!(to, "  {:<28}{:>10}{:>10}{:>10}{:>10}", "latency, ms", "p50", "p99", "p99.9", "max")?;
        for (step, latency) in &self.latency_us {
            let [p50, p99, p99_9, max] =
                [latency.p50, latency.p99, latency.p99_9, latency.max].map(|time| time / 1_000.0);
            writeln!(to, "    {step:<26}{p50:>10.3}{p99:>10.3}{p99_9:>10.3}{max:>10.3}")?;
        }
        if !self.cost.is_empty() {
            writeln!(to, "\n  {:<28}{:>10}{:>10}{:>10}", "each process", "CPU µs", "MiB now", "MiB peak")?;
            writeln!(to, "  {:<28}{:>10}", "", "/message")?;
        }
        for (process, cost) in &self.cost {
            let memory = self.memory.get(process).copied().unwrap_or_default();
            let [now, peak] = [memory.resident_kib, memory.peak_kib].map(|kib| kib as f64 / 1024.0);
            writeln!(to, "    {process:<26}{:>10.1}{now:>10.1}{peak:>10.1}", cost.cpu_us)?;
            for (thread, cpu) in cost.threads.iter().filter(|(_, cpu)| **cpu >= 0.05) {
                writeln!(to, "      thread {thread:<17}{cpu:>10.1}")?;
            }
        }
        writeln!(to)?;
        match &self.syncs_per_message {
            None => writeln!(to, "  {:<28}{:>10}", "syncs to disk per message", "-")?,
            Some(processes) => {
                for (process, syncs) in processes {
                    writeln!(to, "  {:<28}{syncs:>10.3}", format!("syncs per message, {process}"))?;
                }
            }
        }
        if let Some(handshakes) = self.handshakes {
            writeln!(to, "  {:<28}{handshakes:>10}", "TLS handshakes in all")?;
        }
        if let Some(kib) = self.idle_connection_kib {
            writeln!(to, "  {:<28}{kib:>10.1}", "KiB per idle connection")?;
        }
        writeln!(to)?;
        self.checked.iter().try_for_each(|line| writeln!(to, "  {line}"))
    }
}
