//! A binary of ours as a child process: its start-up line, its signals, its end.

use std::{
    fs, io,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, kill_process, setrlimit};
use serde_json::Value;
use tokio::sync::oneshot;

pub use rustix::process::Signal;

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    ready: Value,
    output: Arc<Mutex<String>>,
    /// They end with the pipes of the child, and of whoever it has left them to.
    collectors: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts the command and waits for its start-up line: the first line of its standard output, a JSON object.
    ///
    /// # Errors
    /// The command cannot be started, ends before the line, or does not print one before `deadline`; the text
    /// then holds what it wrote to standard error.
    pub async fn start(command: Command, deadline: Duration) -> io::Result<Self> {
        let (line, first_line) = oneshot::channel();
        let mut process = Self::launch(command, Some(line))?;
        let line = tokio::time::timeout(deadline, first_line).await;
        let ready = line.ok().and_then(Result::ok).and_then(|line| serde_json::from_str(&line).ok());
        match ready {
            Some(ready) => process.ready = ready,
            None => {
                process.kill()?;
                return Err(io::Error::other(format!("no start-up line:\n{}", process.output())));
            }
        }
        Ok(process)
    }

    /// Starts a command that has no start-up line.
    ///
    /// # Errors
    /// The command cannot be started.
    pub fn spawn(command: Command) -> io::Result<Self> {
        Self::launch(command, None)
    }

    fn launch(mut command: Command, line: Option<oneshot::Sender<String>>) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let output = Arc::new(Mutex::new(String::new()));
        let stdout = child.stdout.take().map(|stdout| collect(stdout, Arc::clone(&output), line));
        let stderr = child.stderr.take().map(|stderr| collect(stderr, Arc::clone(&output), None));
        let collectors = stdout.into_iter().chain(stderr).collect();
        Ok(Self { child, ready: Value::Null, output, collectors })
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The start-up line; null after [`spawn`](Self::spawn).
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// Everything written to standard output and standard error so far; all of it after [`wait`](Self::wait) or
    /// [`kill`](Self::kill), unless a child of the process still has its pipes.
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `Signal::TERM`, `Signal::STOP`, `Signal::CONT` and so on.
    ///
    /// # Errors
    /// The process is gone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(pid, signal)?)
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> io::Result<()> {
        self.end()?;
        let ended = Instant::now();
        while self.is_writing() && ended.elapsed() < LAST_WORDS {
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Whether there may be output that is not collected yet.
    fn is_writing(&self) -> bool {
        self.collectors.iter().any(|collector| !collector.is_finished())
    }

    /// Waits for the end by itself.
    ///
    /// # Errors
    /// `TimedOut` when the process still runs at the deadline.
    pub async fn wait(&mut self, deadline: Duration) -> io::Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                let ended = Instant::now();
                while self.is_writing() && ended.elapsed() < LAST_WORDS {
                    tokio::time::sleep(POLL).await;
                }
                return Ok(status);
            }
            if started.elapsed() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Resident memory, from `/proc`; `None` where there is none.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// Open file descriptors, from `/proc`; `None` where there is none.
    pub fn open_files(&self) -> Option<usize> {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok().map(Iterator::count)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.end().is_err() {
            // It ended before: nothing is left to kill.
        }
    }
}

/// Lets this process, and those it starts from now on, open so many files, as far as the system allows it.
///
/// # Errors
/// The system refuses.
pub fn raise_open_files(wanted: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    Ok(setrlimit(Resource::Nofile, Rlimit { current, ..limit })?)
}

/// Reads a pipe on a thread of its own, so that the child never blocks on it.
fn collect(
    pipe: impl io::Read + Send + 'static,
    output: Arc<Mutex<String>>,
    mut first: Option<oneshot::Sender<String>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            {
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                output.push_str(&line);
                output.push('\n');
            }
            if let Some(first) = first.take() {
                // The starter may have given up already.
                first.send(line).ok();
            }
        }
    })
}

/// How long what an ended child has written may take to be collected, where nobody else holds its pipes.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often the end of a child is looked for.
const POLL: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn reads_the_line_and_terminates() {
        let script = r#"trap 'exit 3' TERM; echo '{"port": 7}'; echo more >&2; while :; do sleep 0.01; done"#;
        let mut process = Process::start(shell(script), DEADLINE).await.expect("started");
        assert_eq!(process.ready()["port"], 7);
        assert!(process.resident_bytes() > Some(0) && process.open_files() > Some(0));
        process.wait(Duration::ZERO).await.expect_err("still running");
        process.signal(Signal::TERM).expect("sent");
        assert_eq!(process.wait(DEADLINE).await.expect("ended").code(), Some(3));
    }

    #[tokio::test]
    async fn an_ended_process_has_said_everything() {
        let script = "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; echo last >&2";
        for _ in 0..10 {
            let mut process = Process::spawn(shell(script)).expect("started");
            assert!(process.wait(DEADLINE).await.expect("ended").success());
            assert_eq!(process.output().lines().count(), 5001);
        }
    }

    #[tokio::test]
    async fn says_what_a_failed_start_wrote() {
        let error =
            Process::start(shell("echo 'no such port' >&2; exit 78"), DEADLINE).await.expect_err("ended");
        assert!(error.to_string().starts_with("no start-up line"), "{error}");
    }

    #[tokio::test]
    async fn kills_what_never_ends() {
        let mut process = Process::start(shell("echo '{}'; while :; do sleep 0.01; done"), DEADLINE)
            .await
            .expect("started");
        process.kill().expect("killed");
        assert_eq!(process.wait(DEADLINE).await.expect("ended").code(), None);
    }
}
