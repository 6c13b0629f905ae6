//! A part in a process of its own, seen by who started it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use super::{
    part::{Ended, Name, Ready, Settings, Told},
    syncs,
    usage::{Memory, Usage},
};
use crate::exit::{Code, Failure};

/// A running part.
pub(super) struct Part {
    name: Name,
    pub(super) ready: Ready,
    process: Running,
    input: ChildStdin,
    /// Its standard output, closed at its end.
    output: UnboundedReceiver<String>,
    folder: PathBuf,
    /// Where `strace` writes, when the syncs are counted.
    trace: Option<PathBuf>,
}

/// Ends the process when it is let go of.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, which is all that is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a part left behind.
pub(super) struct Left {
    pub(super) ended: Ended,
    pub(super) syncs: Option<u64>,
}

/// How parts are started.
pub(super) struct Starting<'a> {
    /// Each part gets a folder below.
    pub(super) folder: &'a Path,
    /// Another program than this one.
    pub(super) system: Option<&'a Path>,
    pub(super) count_syncs: bool,
}

impl Starting<'_> {
    /// Starts a part and waits until it is ready.
    pub(super) async fn start(&self, name: Name, settings: &Settings) -> Result<Part, Failure> {
        let folder = self.folder.join(name.as_str());
        fs::create_dir_all(&folder)?;
        let program = match self.system {
            Some(system) => system.to_owned(),
            None => std::env::current_exe()?,
        };
        let trace = self.count_syncs.then(|| folder.join("strace"));
        let mut command = match &trace {
            None => Command::new(program),
            Some(trace) => syncs::counted(&program, trace),
        };
        command.args(["bench", "part", name.as_str()]).arg(&folder);
        command.arg(serde_json::to_string(settings).map_err(Failure::internal)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(fs::File::create(folder.join("log"))?);
        let mut process = Running(command.spawn()?);
        let (Some(input), Some(stdout)) = (process.0.stdin.take(), process.0.stdout.take()) else {
            return Err(Failure::internal("a process without standard input and output"));
        };
        let (line, output) = unbounded_channel();
        std::thread::Builder::new().name("part".to_owned()).spawn(move || {
            let lines = BufReader::with_capacity(64 * 1024, stdout).lines();
            // Until the part ends, or nobody listens.
            lines.map_while(Result::ok).try_for_each(|text| line.send(text)).ok();
        })?;
        let mut part = Part { name, ready: Ready::default(), process, input, output, folder, trace };
        let Ok(Some(line)) = timeout(START, part.output.recv()).await else { return Err(part.failure()) };
        part.ready = serde_json::from_str(&line).map_err(Failure::internal)?;
        Ok(part)
    }
}

impl Part {
    /// Lets it begin.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        Ok(self.input.write_all(b"\n")?)
    }

    /// What became of the next message.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn told(&mut self) -> Result<Told, Failure> {
        let Some(line) = self.output.recv().await else { return Err(self.failure()) };
        parse(&line).ok_or_else(|| Failure::internal(format!("the {} said {line:?}", self.name.as_str())))
    }

    pub(super) fn usage(&self) -> Usage {
        Usage::of(self.ready.pid)
    }

    pub(super) fn memory(&self) -> Memory {
        Memory::of(self.ready.pid)
    }

    /// Lets it end in good order.
    pub(super) async fn end(self) -> Result<Left, Failure> {
        let Self { name, mut process, input, mut output, folder, trace, .. } = self;
        drop(input);
        let mut last = String::new();
        let ended = timeout(END, async {
            while let Some(line) = output.recv().await {
                last = line;
            }
        });
        // Standard output ends with the process.
        if ended.await.is_err() || !process.0.wait()?.success() {
            return Err(failure(name, &folder));
        }
        let ended = serde_json::from_str(&last).map_err(Failure::internal)?;
        Ok(Left { ended, syncs: trace.and_then(|trace| syncs::read(&trace)) })
    }

    fn failure(&self) -> Failure {
        failure(self.name, &self.folder)
    }
}

/// With the last lines of its log.
fn failure(name: Name, folder: &Path) -> Failure {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n");
    Failure::new(Code::Internal, format!("the {} ended or does not answer\n{last}", name.as_str()))
}

fn parse(line: &str) -> Option<Told> {
    if line == "dead" {
        return Some(Told::GivenUp);
    }
    let mut numbers = line.split(' ').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Told::Delivered { number: next()?, acknowledged: next()?, deleted: next()? })
}

/// Filling a queue with a million messages takes its time.
const START: Duration = Duration::from_secs(120);
const END: Duration = Duration::from_secs(60);
const LOG_LINES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_parts_tell() {
        let delivered = Told::Delivered { number: 7, acknowledged: 100, deleted: 200 };
        assert_eq!(parse("7 100 200"), Some(delivered));
        assert_eq!(parse("dead"), Some(Told::GivenUp));
        assert_eq!(parse("7 100"), None);
    }
}
