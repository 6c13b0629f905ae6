//! From a signal to an exit code, with everything in flight settled.

use std::{fmt, future::Future, io, process::ExitCode, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a finished process reports to its caller.
pub trait Finished {
    /// Exit code, 0 when everything was settled.
    fn exit_code(&self) -> u8;
}

impl Finished for () {
    fn exit_code(&self) -> u8 {
        0
    }
}

/// A token that the first SIGTERM or SIGINT cancels; a second signal ends the process at once.
///
/// Call it once, inside a Tokio runtime.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn shutdown_on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    #[expect(clippy::disallowed_methods, reason = "lives as long as the process; nobody waits for it")]
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => EXIT_TERMINATED,
                _ = interrupt.recv() => EXIT_INTERRUPTED,
            }
        };
        next().await;
        tracing::info!("shutting down; a second signal ends at once");
        token.cancel();
        let code = next().await;
        tracing::warn!("second signal: ending without waiting");
        #[expect(clippy::disallowed_methods, reason = "the operator asked for exactly this")]
        std::process::exit(code);
    });
    Ok(shutdown)
}

/// Runs `work` to its end; once `shutdown` is cancelled it has `grace` left.
///
/// The exit code is that of the finished work, 1 when it failed or the grace ran out (both logged).
///
/// # Cancel safety
/// Dropping the returned future drops `work`.
pub async fn drain<T, E>(
    work: impl Future<Output = Result<T, E>>,
    shutdown: CancellationToken,
    grace: Duration,
) -> ExitCode
where
    T: Finished,
    E: fmt::Display,
{
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        biased;
        result = work => match result {
            Ok(finished) => ExitCode::from(finished.exit_code()),
            Err(error) => {
                tracing::error!(%error, "failed: {error}");
                ExitCode::FAILURE
            }
        },
        () = overdue => {
            tracing::warn!(grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), "not drained within the grace period");
            ExitCode::FAILURE
        }
    }
}

/// What [`drain`] is given by a service that itself drains for so long at most: that, and time for what comes after it.
/// At least 25 s, so that whatever is drained in less ends before the 30 s after which schedulers kill.
#[must_use]
pub fn grace(drained_in: Duration) -> Duration {
    LEAST_GRACE.max(drained_in.saturating_add(AFTER_DRAIN))
}

const LEAST_GRACE: Duration = Duration::from_secs(25);
/// For the last calls to queue and store.
const AFTER_DRAIN: Duration = Duration::from_secs(5);

/// 128 + SIGINT.
const EXIT_INTERRUPTED: i32 = 130;
/// 128 + SIGTERM.
const EXIT_TERMINATED: i32 = 143;

#[cfg(test)]
mod tests {
    use super::*;

    struct Left(u8);
    impl Finished for Left {
        fn exit_code(&self) -> u8 {
            self.0
        }
    }

    fn same(a: ExitCode, b: ExitCode) -> bool {
        format!("{a:?}") == format!("{b:?}")
    }

    #[tokio::test]
    async fn gives_the_code_of_the_finished_work() {
        let code =
            drain(async { Ok::<_, io::Error>(Left(3)) }, CancellationToken::new(), Duration::ZERO).await;
        assert!(same(code, ExitCode::from(3)));
    }

    #[tokio::test]
    async fn failed_work_is_a_failure() {
        let failed = async { Err::<(), _>(io::Error::other("no")) };
        assert!(same(drain(failed, CancellationToken::new(), Duration::ZERO).await, ExitCode::FAILURE));
    }

    #[test]
    fn a_long_drain_is_not_cut_short() {
        let seconds = |drained_in| grace(Duration::from_secs(drained_in)).as_secs();
        assert_eq!([0, 20, 60].map(seconds), [25, 25, 65]);
        assert_eq!(grace(Duration::MAX), Duration::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_work_within_the_grace_only() {
        for (needs, expected) in [(5, ExitCode::SUCCESS), (15, ExitCode::FAILURE)] {
            let shutdown = CancellationToken::new();
            shutdown.cancel();
            let work = async {
                tokio::time::sleep(Duration::from_secs(needs)).await;
                Ok::<_, io::Error>(())
            };
            assert!(same(drain(work, shutdown, Duration::from_secs(10)).await, expected));
        }
    }
}
