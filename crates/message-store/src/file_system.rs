//! What the stores on a local file system share.

use std::{fs::DirBuilder, fs::File, io, os::unix::fs::DirBuilderExt, path::Path};

use crate::StoreError;

/// Makes the folder and its parents with mode 0700. Leaves the mode of one that is there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes the name of a file or folder safe from a power failure, and those of the folders above it.
pub(crate) fn sync_folders(path: &Path) -> io::Result<()> {
    for folder in path.canonicalize()?.ancestors().skip(1) {
        match File::open(folder) {
            Ok(folder) => folder.sync_all()?,
            // Not made by us.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Runs work that waits for the disk off the async threads. It goes on when the caller stops waiting.
pub(crate) async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::unavailable(operation, error)),
    }
}

/// `std::io::Error` from calls on files names no path.
pub(crate) fn failure(operation: &'static str, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::unavailable(operation, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart() {
        assert!(matches!(failure("x", io::ErrorKind::StorageFull.into()), StoreError::Full));
        assert!(matches!(failure("x", io::ErrorKind::QuotaExceeded.into()), StoreError::Full));
        assert!(matches!(
            failure("x", io::ErrorKind::PermissionDenied.into()),
            StoreError::Unavailable { operation: "x", .. }
        ));
    }
}
