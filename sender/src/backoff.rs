//! Delays before another try: exponential, with full jitter.

use std::time::Duration;

/// A random delay between zero and `base * 2^tries`, at most `cap` (the "full jitter" scheme: many senders do
/// not meet again after an outage). `unit` is a random number in `0.0..1.0`.
pub(crate) fn full_jitter(base: Duration, cap: Duration, tries: u32, unit: f64) -> Duration {
    let ceiling = base.saturating_mul(2_u32.saturating_pow(tries)).min(cap);
    ceiling.mul_f64(unit.clamp(0.0, 1.0))
}

/// [`full_jitter`] with this thread's random numbers.
pub(crate) fn jittered(base: Duration, cap: Duration, tries: u32) -> Duration {
    full_jitter(base, cap, tries, rand::random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let ceiling =
            |tries| full_jitter(Duration::from_secs(1), Duration::from_secs(60), tries, 1.0).as_secs();
        assert_eq!([0, 1, 2, 5, 6, 31, 32, u32::MAX].map(ceiling), [1, 2, 4, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn spreads_from_zero() {
        let delay = |unit| full_jitter(Duration::from_secs(8), Duration::from_secs(60), 0, unit).as_secs();
        assert_eq!([0.0, 0.25, 0.5].map(delay), [0, 2, 4]);
    }
}
