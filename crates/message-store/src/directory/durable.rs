//! Files that are whole or not there: temporary, synced, renamed; folder syncs shared; locks between processes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::{
    StoreError,
    file_system::{failure, make_folder},
};

/// A folder whose entries are made durable together.
#[derive(Debug)]
pub(super) struct SyncedFolder {
    path: PathBuf,
    handle: File,
    progress: Mutex<Progress>,
    changed: Condvar,
}

/// Requests are numbered; a sync covers every request made before it began.
#[derive(Debug, Default)]
struct Progress {
    requested: u64,
    synced: u64,
    running: bool,
    failed: bool,
}

impl SyncedFolder {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        make_folder(&path)?;
        let handle = File::open(&path)?;
        Ok(Self { path, handle, progress: Mutex::default(), changed: Condvar::new() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns once every rename made before the call is durable. The first of several callers syncs for all.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.requested += 1;
        let mine = progress.requested;
        loop {
            if progress.failed {
                return Err(sync_failed());
            }
            if progress.synced >= mine {
                return Ok(());
            }
            if progress.running {
                progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            progress.running = true;
            let covers = progress.requested;
            drop(progress);
            let result = self.handle.sync_all();
            progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.running = false;
            match result {
                Ok(()) => progress.synced = covers,
                Err(_) => progress.failed = true,
            }
            self.changed.notify_all();
        }
    }

    /// Whether an earlier sync failed.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.failed { Err(sync_failed()) } else { Ok(()) }
    }
}

fn sync_failed() -> StoreError {
    StoreError::unavailable("sync", "a folder could not be synced; restart after the disk was checked")
}

/// Where files are before they get their name.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    next: AtomicU64,
    newest: AtomicU64,
    /// Held as long as the process lives: says that `folder` is in use.
    _owner: File,
}

impl Scratch {
    /// Takes a folder of its own below `parent` and removes those of dead owners. The caller holds a lock that keeps
    /// other processes from doing the same at once.
    pub(super) fn open(parent: &Path) -> io::Result<Self> {
        make_folder(parent)?;
        for entry in fs::read_dir(parent)? {
            let path = entry?.path();
            let alive = match File::open(path.join(OWNER)) {
                Ok(owner) => owner.try_lock().is_err(),
                Err(_) => false,
            };
            if !alive {
                fs::remove_dir_all(&path)?;
            }
        }
        let folder = parent.join(format!("{:016x}", rand::random::<u64>()));
        make_folder(&folder)?;
        let owner = create(&folder.join(OWNER))?;
        owner.lock()?;
        Ok(Self { folder, next: AtomicU64::new(0), newest: AtomicU64::new(0), _owner: owner })
    }

    /// Writes and syncs a file without a name of its own yet. Its modification time is the time of the call, later than
    /// that of every file written before by this process.
    pub(super) fn write(&self, content: &[u8]) -> Result<Unplaced, StoreError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let file = Unplaced { path: self.folder.join(number.to_string()) };
        let write = || -> io::Result<()> {
            let mut handle = create(&file.path)?;
            handle.write_all(content)?;
            handle.set_modified(self.now())?;
            handle.sync_all()
        };
        write().map_err(|error| failure("write", error))?;
        Ok(file)
    }

    /// Whether a file can be made at all.
    pub(super) fn probe(&self) -> Result<(), StoreError> {
        let path = self.folder.join("probe");
        let probe = || -> io::Result<()> {
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&path)?
                .write_all(b"probe")
        };
        probe().map_err(|error| failure("ready", error))
    }

    fn now(&self) -> SystemTime {
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let clock = u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX);
        let before = self.newest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |newest| {
            Some(clock.max(newest.saturating_add(1)))
        });
        let newest = clock.max(before.unwrap_or_default().saturating_add(1));
        SystemTime::UNIX_EPOCH + Duration::from_nanos(newest)
    }
}

/// A synced file that still waits for its name; removed when it never gets one.
#[derive(Debug)]
pub(super) struct Unplaced {
    path: PathBuf,
}

impl Unplaced {
    /// Gives the file its name, replacing what is there. The folder is not synced yet.
    pub(super) fn place(self, target: &Path) -> Result<(), StoreError> {
        fs::rename(&self.path, target).map_err(|error| failure("rename", error))
    }
}

impl Drop for Unplaced {
    fn drop(&mut self) {
        // After `place` there is nothing under this path; a leftover is removed at the next start.
        drop(fs::remove_file(&self.path));
    }
}

/// One lock file for each of 64 groups of keys.
#[derive(Debug)]
pub(super) struct Locks {
    folder: PathBuf,
}

/// Unlocks when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Locks {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        make_folder(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Waits for the lock of `name`'s group: the group of a hex digest, or a name of its own.
    pub(super) fn exclusive(&self, name: &str) -> Result<Lock, StoreError> {
        self.take(name, File::lock)
    }

    /// As [`Locks::exclusive`], beside other shared holders.
    pub(super) fn shared(&self, name: &str) -> Result<Lock, StoreError> {
        self.take(name, File::lock_shared)
    }

    fn take(&self, name: &str, lock: fn(&File) -> io::Result<()>) -> Result<Lock, StoreError> {
        let group = name.get(..2).and_then(|prefix| u8::from_str_radix(prefix, 16).ok());
        let path =
            self.folder.join(group.map_or_else(|| name.to_owned(), |byte| format!("{:02x}", byte % 64)));
        // Opened anew each time: such a lock also holds between two threads of one process.
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let take = |file: File| lock(&file).map(|()| Lock { _file: file });
        open.and_then(take).map_err(|error| failure("lock", error))
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

const OWNER: &str = "owner";

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn one_sync_serves_many_and_none_returns_early() {
        let folder = tempfile::tempdir().unwrap();
        let synced = Arc::new(SyncedFolder::open(folder.path().to_owned()).unwrap());
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let synced = Arc::clone(&synced);
                thread::spawn(move || synced.sync().unwrap())
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let progress = synced.progress.lock().unwrap();
        assert_eq!((progress.requested, progress.synced, progress.running), (16, 16, false));
    }

    #[test]
    fn a_failed_sync_stays_failed() {
        let folder = tempfile::tempdir().unwrap();
        let synced = SyncedFolder::open(folder.path().to_owned()).unwrap();
        synced.progress.lock().unwrap().failed = true;
        assert!(synced.sync().is_err());
        assert!(synced.check().is_err());
    }

    #[test]
    fn removes_only_what_dead_owners_left() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path().join("tmp");
        let alive = Scratch::open(&parent).unwrap();
        let kept = alive.write(b"mine").unwrap();
        fs::create_dir(parent.join("dead")).unwrap();
        fs::write(parent.join("dead/owner"), b"").unwrap();
        fs::write(parent.join("dead/7"), b"half").unwrap();
        let _second = Scratch::open(&parent).unwrap();
        assert!(kept.path.exists());
        assert!(!parent.join("dead").exists());
    }

    #[test]
    fn an_unplaced_file_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::open(folder.path()).unwrap();
        let file = scratch.write(b"x").unwrap();
        let path = file.path.clone();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn modification_times_rise() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::open(folder.path()).unwrap();
        let times: Vec<_> = (0..50)
            .map(|_| fs::metadata(&scratch.write(b"x").unwrap().path).unwrap().modified().unwrap())
            .collect();
        assert!(times.is_sorted_by(|a, b| a < b));
    }
}
