//! One of several senders is active: the one that holds the lock of a file they share.
//!
//! The kernel keeps the lock for a process that is stopped, whatever its leases say, and frees it when the process
//! ends, however it ends. So nobody goes on while the active one may still wake up and write. No time limit could
//! promise that.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

/// How often a waiting sender tries again.
const AGAIN: Duration = Duration::from_secs(1);

/// Waits until this sender is the active one, which it is until the file is dropped; `None` at shutdown.
///
/// # Errors
/// The file cannot be opened or locked.
pub(crate) async fn take(path: &Path, shutdown: &CancellationToken) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let mut waiting = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if waiting => {}
            Err(TryLockError::WouldBlock) => {
                tracing::info!("another sender is active, waiting for it to end");
                waiting = true;
            }
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(AGAIN)).await.is_none() {
            return Ok(None);
        }
    }
}
