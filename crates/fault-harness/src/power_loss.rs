//! Power loss: every state that a disk may be in when the machine stops, rebuilt from what a process did.
//!
//! [`Recorder`] puts `strace` before a real process. [`Recorder::finish`] reads its log, and [`Recording::replay`]
//! runs the calls on a disk of which only synced data is safe ([`Luck`]). At each [`Moment`] the caller opens what
//! is left, with the code that would open it after the failure, and compares it with what the process had told
//! its peers by then ([`Talk`]).
//!
//! A change to a file that this model does not know (a writable mapping, a copy inside the kernel) is an error, for
//! it would be missing from the states. The one exception is SQLite's `-shm`, which holds nothing after a failure.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

mod disk;
mod replay;
mod syscalls;

pub use disk::{Luck, Remains};
pub use replay::Moment;

use syscalls::Call;

/// A process whose calls are written down.
#[derive(Debug)]
pub struct Recorder {
    log: PathBuf,
    root: PathBuf,
}

/// What a process did, in order.
#[derive(Debug)]
pub struct Recording {
    root: PathBuf,
    calls: Vec<Call>,
}

/// Bytes between the process and a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// Names the connection.
    pub socket: PathBuf,
    /// Whether the process sent them; a promise counts from the moment its call begins.
    pub sent: bool,
    /// The bytes of one call.
    pub bytes: Vec<u8>,
}

impl Recorder {
    /// Records changes below `root` into `log`. Put [`command`](Self::command) before the command to record.
    pub fn new(root: &Path, log: &Path) -> Self {
        Self { log: log.to_owned(), root: root.to_owned() }
    }

    /// The words before the command. The tracer is not the parent, so that signals reach the command itself.
    ///
    /// # Errors
    /// There is no `strace`.
    pub fn command(&self) -> io::Result<Vec<String>> {
        let version = std::process::Command::new("strace").arg("--version").output();
        if !version.is_ok_and(|output| output.status.success()) {
            return Err(io::Error::other("strace is not installed: apt-get install strace"));
        }
        let words = ["strace", "-D", "-f", "-y", "-xx", "-s", "16777216", "--seccomp-bpf", "-qq"];
        let mut command: Vec<String> = words.map(str::to_owned).to_vec();
        command.extend(["-e".into(), format!("trace={}", TRACED.join(",")), "-o".into()]);
        command.push(self.log.to_string_lossy().into_owned());
        Ok(command)
    }

    /// Reads the log of a process that has ended.
    ///
    /// # Errors
    /// The log does not come to its end before `deadline`, or cannot be read.
    pub async fn finish(self, deadline: Duration) -> io::Result<Recording> {
        let started = Instant::now();
        let log = loop {
            let log = fs::read_to_string(&self.log)?;
            if ended(&log) {
                break log;
            }
            if started.elapsed() > deadline {
                return Err(io::Error::other("the log of strace does not end"));
            }
            tokio::time::sleep(LOOK).await;
        };
        let calls = syscalls::read(&log).map_err(io::Error::other)?;
        Ok(Recording { root: self.root, calls })
    }
}

/// Whether the first thread, which is the process, has come to its end.
fn ended(log: &str) -> bool {
    let process = log.split_whitespace().next();
    log.ends_with('\n')
        && log.lines().rev().take(LAST_LINES).any(|line| {
            line.split_whitespace().next() == process
                && (line.contains(" +++ killed") || line.contains(" +++ exited"))
        })
}

/// Everything that changes a file or says something to a peer.
const TRACED: &[&str] = &[
    "open",
    "openat",
    "creat",
    "read",
    "recvfrom",
    "recvmsg",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "sendto",
    "sendmsg",
    "fsync",
    "fdatasync",
    "ftruncate",
    "truncate",
    "fallocate",
    "lseek",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "mmap",
    "copy_file_range",
    "sendfile",
    "splice",
];

/// Threads end in any order.
const LAST_LINES: usize = 200;
const LOOK: Duration = Duration::from_millis(10);
