//! The folders that services write to: they can, and there is room.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{Examined, Finding, Report};

const CHECK: &str = "disk";
/// A queue takes no more below this: it keeps its reserve for deletes.
const LEAST_BYTES: u64 = 64 * 1024 * 1024;
const FEW_BYTES: u64 = 1024 * 1024 * 1024;

pub(super) fn examine(examined: &Examined, report: &mut Report) {
    let mut folders: BTreeMap<PathBuf, Vec<&str>> = BTreeMap::new();
    for (setting, folder) in named(examined) {
        folders.entry(folder).or_default().push(setting);
    }
    for (folder, settings) in folders {
        let whose = format!("{} ({})", folder.display(), settings.join(", "));
        for finding in look(&folder, &whose) {
            report.add(finding);
        }
    }
}

/// The folders of the settings, each with the setting that names it.
fn named(examined: &Examined) -> Vec<(&'static str, PathBuf)> {
    let Examined { config, role, .. } = examined;
    let mut named = Vec::new();
    let parent = |file: &Path| match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    if (role.is_hook() || role.is_sender())
        && let queue::Config::Embedded(embedded) = &config.queue
    {
        named.push(("queue.path", parent(&embedded.path)));
    }
    if role.is_hook() || role.is_receiver() {
        match &config.store {
            message_store::Config::Embedded(embedded) => named.push(("store.path", parent(&embedded.path))),
            message_store::Config::Directory(directory) => named.push(("store.path", directory.path.clone())),
            message_store::Config::S3(_) | message_store::Config::Memory {} => {}
        }
    }
    if role.is_sender() {
        let files = [
            ("sender.ledger", &config.sender.ledger),
            ("sender.single_active", &config.sender.single_active),
        ];
        named.extend(
            files.into_iter().filter_map(|(setting, file)| Some((setting, parent(file.as_deref()?)))),
        );
    }
    if role.is_receiver()
        && let Some(index) = &config.inspector.index
    {
        named.push(("inspector.index", parent(index)));
    }
    named
}

fn look(folder: &Path, whose: &str) -> Vec<Finding> {
    // A start makes what is missing, in the first folder above that is there.
    let there =
        folder.ancestors().find(|above| above.as_os_str().is_empty() || above.symlink_metadata().is_ok());
    let there = there.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let state = if there == folder { "can be written to" } else { "can be made" };
    let written = match try_to_write(there) {
        Ok(()) => Finding::ok(CHECK, format!("{whose} {state}")),
        Err(error) => cannot_write(whose, there, &error),
    };
    vec![written, room(there, whose)]
}

/// A file that is written, synced and gone.
fn try_to_write(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let mut file = tempfile::Builder::new().prefix(".doctor-").tempfile_in(folder)?;
    file.write_all(&[0; 4096])?;
    file.as_file().sync_all()?;
    file.close()
}

fn cannot_write(whose: &str, there: &Path, error: &io::Error) -> Finding {
    let finding = Finding::failed(CHECK, format!("{whose} cannot be written to: {error}"));
    let there = there.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => finding
            .because(format!("the user of this process may not make files in {there}"))
            .fix(format!("chown {there} to the user of the service; run doctor as that user")),
        io::ErrorKind::ReadOnlyFilesystem => finding
            .because(format!("{there} is on a file system that is mounted read-only"))
            .fix("mount it writable: an error of the disk may have made it read-only, the kernel's log says so"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => finding
            .because("there is no room for four kilobytes")
            .fix("make room, or give the file system more; the hook answers 503 until then, nothing is lost"),
        io::ErrorKind::NotADirectory => {
            finding.because(format!("{there} is no folder")).fix("another path, or take that file away")
        }
        _ => finding
            .because(format!("making a file in {there} failed"))
            .fix("the kernel's log may say why; put the folder on another file system if its disk is broken"),
    }
}

fn room(there: &Path, whose: &str) -> Finding {
    match rustix::fs::statvfs(there) {
        Ok(system) => {
            let free = system.f_bavail.saturating_mul(system.f_frsize);
            let files = (system.f_files > 0).then_some(system.f_favail);
            enough(whose, free, files)
        }
        Err(error) => Finding::warning(CHECK, format!("{whose}: the free space is not known: {error}")),
    }
}

fn enough(whose: &str, free: u64, files: Option<u64>) -> Finding {
    let megabytes = free / (1024 * 1024);
    let fix = "make room, or give the file system more";
    if files == Some(0) {
        return Finding::failed(CHECK, format!("{whose}: the file system takes no more files"))
            .because("it has no inode left, whatever room there is")
            .fix("remove small files, or move the folder to another file system");
    }
    match free {
        0..LEAST_BYTES => {
            Finding::failed(CHECK, format!("{whose}: the disk is full, {megabytes} MiB are left"))
                .because("the hook answers 503 and the receiver AE 207 until there is room; nothing is lost")
                .fix(fix)
        }
        LEAST_BYTES..FEW_BYTES => Finding::warning(CHECK, format!("{whose}: {megabytes} MiB are left"))
            .because("it fills up")
            .fix(fix),
        _ => Finding::ok(CHECK, format!("{whose}: {megabytes} MiB are free")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    #[test]
    fn tells_little_room_from_none() {
        for (free, files, expected) in [
            (0, Some(1), Severity::Failed),
            (LEAST_BYTES - 1, None, Severity::Failed),
            (LEAST_BYTES, Some(7), Severity::Warning),
            (FEW_BYTES, Some(7), Severity::Ok),
            (FEW_BYTES, None, Severity::Ok),
            (FEW_BYTES, Some(0), Severity::Failed),
        ] {
            let mut report = Report::default();
            report.add(enough("it", free, files));
            assert_eq!(report.worst(), expected, "{free} {files:?}");
        }
    }

    #[test]
    fn leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(folder.path(), "it").len(), 2);
        look(&folder.path().join("a/b"), "it");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
