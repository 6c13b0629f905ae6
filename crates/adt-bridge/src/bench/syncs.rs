//! Counts the calls that make a process wait for the disk, with `strace`.
//!
//! All of them count, whoever makes them: SQLite's commits and checkpoints, files and folders. With a filter in the
//! kernel only these calls are slowed down. They are counted in a run of its own, so that the times of the other one
//! are not touched.

use std::{fs, path::Path, process::Command};

/// Calls that count.
const CALLS: [&str; 5] = ["fsync", "fdatasync", "sync_file_range", "syncfs", "msync"];

/// Whether they can be counted here.
pub(super) fn can_count() -> bool {
    let folders = ["/usr/bin", "/usr/local/bin", "/bin"];
    folders.iter().any(|folder| Path::new(folder).join("strace").exists())
}

/// `program`, counted into `trace`.
pub(super) fn counted(program: &Path, trace: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "--seccomp-bpf", "-qq", "-c", "-U", "calls,name", "-e"]);
    command.arg(format!("trace={}", CALLS.join(","))).arg("-o").arg(trace).arg(program);
    command
}

/// How many there were; `None` when `strace` wrote nothing.
pub(super) fn read(trace: &Path) -> Option<u64> {
    sum(&fs::read_to_string(trace).ok()?)
}

/// A row is `calls name`; headers, rules and the total are not.
fn sum(table: &str) -> Option<u64> {
    let rows = table.lines().filter_map(|row| {
        let mut columns = row.split_whitespace();
        let calls: u64 = columns.next()?.parse().ok()?;
        columns.next().filter(|name| CALLS.contains(name)).map(|_| calls)
    });
    table.contains("calls").then(|| rows.sum())
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn adds_up_the_calls() {
        let table = "    calls syscall\n--------- ----------------\n       31 fdatasync\n        4 fsync\n\
                     --------- ----------------\n       35 total\n";
        assert_eq!(sum(table), Some(35));
        assert_eq!(sum(""), None);
    }
}
