//! Files that are never half there.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::Value;

/// Writes what changed, each file in one step, and gives the names of the files written.
///
/// The key comes before its certificate. A reader that sees the new key with the old certificate finds that they do
/// not match, keeps what it has, and looks again.
pub(crate) fn write(directory: &Path, value: &Value) -> io::Result<Vec<String>> {
    let mut written = Vec::new();
    for (kind, pem) in value.parts() {
        let name = format!("{}.pem", kind.as_str());
        let path = directory.join(&name);
        if fs::read(&path).is_ok_and(|old| old == pem.as_bytes()) {
            continue;
        }
        replace(&path, pem.as_bytes())?;
        written.push(name);
    }
    Ok(written)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
