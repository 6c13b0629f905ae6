//! Processor time and memory of a process, as Linux tells them below `/proc`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::Serialize;

/// What a process has used so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    /// Nanoseconds on a processor, by thread name, of the threads that are alive.
    threads: BTreeMap<String, u64>,
    /// Nanoseconds of the whole process, in steps of a clock tick.
    whole: u64,
}

/// What a process used between two looks, for one message.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Cost {
    /// All threads, those that ended too, in microseconds.
    pub(super) cpu_us: f64,
    /// By thread name, in microseconds.
    pub(super) threads: BTreeMap<String, f64>,
}

/// Memory of a process in KiB.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Memory {
    /// Now.
    pub(super) resident_kib: u64,
    /// The most so far.
    pub(super) peak_kib: u64,
}

impl Usage {
    /// Of process `pid`; zero where the system does not tell.
    pub(super) fn of(pid: u32) -> Self {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(folder.join("task")).into_iter().flatten().flatten() {
            let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let ran = read("schedstat").split(' ').next().and_then(|text| text.parse().ok());
            *threads.entry(read("comm").trim().to_owned()).or_default() += ran.unwrap_or(0_u64);
        }
        let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
        // After the name in brackets, which may hold spaces: utime and stime are the 12th and 13th.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks: u64 =
            after.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
        Self { threads, whole: ticks * NANOSECONDS_PER_TICK }
    }

    /// Between `before` and now, over `messages`.
    pub(super) fn since(&self, before: &Self, messages: u64) -> Cost {
        let each = |nanoseconds: u64| nanoseconds as f64 / 1_000.0 / messages.max(1) as f64;
        let threads: BTreeMap<_, _> = self
            .threads
            .iter()
            .map(|(name, now)| {
                (name.clone(), each(now.saturating_sub(before.threads.get(name).copied().unwrap_or(0))))
            })
            .collect();
        // The finer count of the threads that live, or the coarser one of all where threads have ended.
        let alive: f64 = threads.values().sum();
        Cost { cpu_us: alive.max(each(self.whole.saturating_sub(before.whole))), threads }
    }
}

impl Memory {
    pub(super) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let row = |name: &str| {
            let row = status.lines().find_map(|line| line.strip_prefix(name))?;
            row.split_whitespace().next()?.parse().ok()
        };
        Self { resident_kib: row("VmRSS:").unwrap_or_default(), peak_kib: row("VmHWM:").unwrap_or_default() }
    }
}

/// `USER_HZ` is 100 on every architecture that Linux tells ticks of in `/proc`.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_its_own_work_and_memory() {
        let own = std::process::id();
        let before = Usage::of(own);
        let until = std::time::Instant::now() + std::time::Duration::from_millis(60);
        while std::time::Instant::now() < until {}
        let cost = Usage::of(own).since(&before, 10);
        assert!(cost.cpu_us > 1_000.0, "{cost:?}");
        assert!(Memory::of(own).resident_kib > 100);
    }
}
