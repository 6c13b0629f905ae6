//! Equipment of the benchmarks: operations that take turns, so that whatever else a shared machine does meets all of
//! them, and the processor time of each.

use std::{
    fs,
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Rounds of each operation, in turns; the median of them counts.
const ROUNDS: usize = 7;

/// How long one round of one operation takes. The kernel counts a thread's time in steps of some milliseconds.
const ROUND: Duration = Duration::from_millis(200);

/// Seconds of one call of each operation: the median over rounds in which every operation has its turn.
pub fn medians<const N: usize>(operations: &[&dyn Fn(); N]) -> [f64; N] {
    let calls = operations.map(calls_per_round);
    let mut rounds: [Vec<f64>; N] = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for ((operation, calls), times) in operations.iter().zip(calls).zip(&mut rounds) {
            let start = cpu_time();
            (0..calls).for_each(|_| operation());
            times.push((cpu_time() - start) / f64::from(calls));
        }
    }
    rounds.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    })
}

/// Seconds that this thread has run: other processes of a shared machine do not count. Elsewhere than on Linux, the
/// seconds of a clock.
fn cpu_time() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let schedule = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split(' ').next().and_then(|time| time.parse::<f64>().ok());
    nanoseconds.map_or_else(|| START.elapsed().as_secs_f64(), |time| time / 1e9)
}

fn calls_per_round(operation: &dyn Fn()) -> u32 {
    let mut calls = 1;
    loop {
        let start = cpu_time();
        (0..calls).for_each(|_| operation());
        if cpu_time() - start >= ROUND.as_secs_f64() / 2.0 {
            return calls;
        }
        calls *= 2;
    }
}
