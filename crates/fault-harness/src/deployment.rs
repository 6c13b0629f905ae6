//! The built binary, as one process or as one per role, started and killed at will.
//!
//! Ports and the data folder outlive every process, so that a restart is found where its predecessor was.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    aws_stub::AwsStub,
    certificates::{Authority, Validity},
    port::Port,
    power_loss::Recorder,
    process::Process,
};

/// A command of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Everything in one process, over the embedded queue.
    Up,
    /// The FHIR hook.
    Hook,
    /// The sender.
    Sender,
    /// The test HL7 server.
    Receiver,
}

/// Processes that belong together. Dropping it kills them.
#[derive(Debug)]
pub struct Deployment {
    binary: PathBuf,
    folder: TempDir,
    settings: BTreeMap<String, String>,
    /// Put before the binary: a shell that sets limits, for example.
    wrapper: Vec<String>,
    hook: Port,
    receiver: Port,
    processes: BTreeMap<Role, Process>,
    /// What processes that were killed had written.
    past: String,
}

impl Deployment {
    /// A bridge that sends to `endpoint` in the clear, with limits short enough for tests.
    ///
    /// # Errors
    /// No folder or port.
    pub fn new(binary: impl Into<PathBuf>, endpoint: SocketAddr) -> io::Result<Self> {
        let mut deployment = Self {
            binary: binary.into(),
            folder: tempfile::tempdir()?,
            settings: BTreeMap::new(),
            wrapper: Vec::new(),
            hook: Port::claim()?,
            receiver: Port::claim()?,
            processes: BTreeMap::new(),
            past: String::new(),
        };
        let listen = deployment.hook.address();
        deployment
            .set("HOOK__LISTEN", listen)
            .set("RECEIVER__LISTEN", "127.0.0.1:0")
            .set("SENDER__ENDPOINT__ADDRESS", endpoint)
            .set("SENDER__ENDPOINT__CONNECT_TIMEOUT_SECONDS", 1)
            .set("SENDER__ENDPOINT__WRITE_TIMEOUT_SECONDS", 2)
            .set("SENDER__ENDPOINT__ACKNOWLEDGMENT_TIMEOUT_SECONDS", 2)
            .set("SENDER__POLICY__RETRY_BASE", "20ms")
            .set("SENDER__POLICY__RETRY_CAP", "500ms")
            .set("SENDER__POLL_WAIT", "1s");
        Ok(deployment)
    }

    /// Puts queue and store into `stub` (queues `bridge.fifo` and `bridge-dead.fifo`, bucket `bridge`), so that
    /// hook, sender and receiver can run as processes of their own.
    ///
    /// # Errors
    /// The receiver's certificate cannot be written.
    pub fn apart(mut self, stub: &AwsStub) -> io::Result<Self> {
        let receiver = self.receiver.address();
        let identity = Authority::new("deployment").issue(&["localhost", "127.0.0.1"], Validity::Now);
        let files = identity.write(self.folder.path(), "receiver")?;
        self.set("QUEUE__KIND", "sqs")
            .set("QUEUE__URL", stub.create_queue("bridge.fifo"))
            .set("QUEUE__DEAD_LETTER_URL", stub.create_queue("bridge-dead.fifo"))
            .set("QUEUE__VISIBILITY_SECONDS", 12)
            .set("QUEUE__OPERATION_TIMEOUT_SECONDS", 1)
            .set("STORE__KIND", "s3")
            .set("STORE__BUCKET", "bridge")
            .set("STORE__ATTEMPT_TIMEOUT_SECONDS", 1)
            .set("STORE__OPERATION_TIMEOUT_SECONDS", 2)
            .set("RECEIVER__TLS__CERT_FILE", files.certificate.display())
            .set("RECEIVER__TLS__KEY_FILE", files.key.display())
            .set("RECEIVER__LISTEN_PLAIN", receiver);
        let environment = [
            ("AWS_ENDPOINT_URL", stub.url()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ];
        self.settings.extend(environment.map(|(name, value)| (name.to_owned(), value)));
        Ok(self)
    }

    /// Sets `ADT_BRIDGE__<setting>` for processes started from now on.
    pub fn set(&mut self, setting: &str, value: impl ToString) -> &mut Self {
        self.settings.insert(format!("ADT_BRIDGE__{setting}"), value.to_string());
        self
    }

    /// Runs the binary through a shell that first runs `prelude`, such as `ulimit -n 64`.
    pub fn through_shell(&mut self, prelude: &str) -> &mut Self {
        self.wrapper = vec!["sh".into(), "-c".into(), format!("{prelude}; exec \"$0\" \"$@\"")];
        self
    }

    /// Writes down what processes started from now on do below [`data`](Self::data).
    ///
    /// # Errors
    /// There is no `strace`.
    pub fn record(&mut self, log: &Path) -> io::Result<Recorder> {
        // As `strace` names it.
        let recorder = Recorder::new(&self.folder.path().canonicalize()?, log);
        self.wrapper = recorder.command()?;
        Ok(recorder)
    }

    /// Base URL of the hook's persistence surface.
    pub fn hook_url(&self) -> String {
        format!("http://{}/persistence", self.hook.address())
    }

    /// Where the hook listens.
    pub fn hook_address(&self) -> SocketAddr {
        self.hook.address()
    }

    /// Where a [`Role::Receiver`] listens, in the clear.
    pub fn receiver_address(&self) -> SocketAddr {
        self.receiver.address()
    }

    /// The data folder of [`Role::Up`].
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a process and waits until it serves.
    ///
    /// # Errors
    /// It ends or does not serve in time; the text holds what it wrote.
    pub async fn start(&mut self, role: Role) -> io::Result<()> {
        let mut process = match role {
            Role::Up => Process::start(self.command(role), START).await?,
            Role::Hook | Role::Sender | Role::Receiver => Process::spawn(self.command(role))?,
        };
        let port = match role {
            Role::Hook => Some(self.hook.address()),
            Role::Receiver => Some(self.receiver.address()),
            Role::Up | Role::Sender => None,
        };
        if let Some(address) = port {
            let started = Instant::now();
            while TcpStream::connect(address).await.is_err() {
                if process.ended() || started.elapsed() > START {
                    return Err(io::Error::other(format!("{role:?} does not listen:\n{}", process.output())));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        // One that ended by itself is replaced like one that was killed.
        self.kill(role);
        self.processes.insert(role, process);
        Ok(())
    }

    /// A run of the binary with these arguments and the settings of the processes.
    pub fn command_line(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare_command();
        command.args(arguments);
        command
    }

    fn command(&self, role: Role) -> Command {
        let mut command = self.bare_command();
        match role {
            Role::Up => command
                .args(["up", "--json", "--mllp-listen", "127.0.0.1:0", "--data-dir"])
                .arg(self.folder.path().join("data")),
            Role::Hook => command.arg("hook"),
            Role::Sender => command.arg("sender"),
            Role::Receiver => command.arg("receiver"),
        };
        command
    }

    fn bare_command(&self) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&self.binary),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&self.binary);
                command
            }
        };
        // Nothing of whoever runs the tests.
        let inherited: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).collect();
        for name in inherited {
            let text = name.to_string_lossy();
            if text.starts_with("ADT_BRIDGE") || text.starts_with("AWS_") || text == "RUST_LOG" {
                command.env_remove(&name);
            }
        }
        command.envs(&self.settings).current_dir(self.folder.path());
        command
    }

    /// A running process.
    pub fn process(&mut self, role: Role) -> Option<&mut Process> {
        self.processes.get_mut(&role)
    }

    /// SIGKILL; true when it was running.
    pub fn kill(&mut self, role: Role) -> bool {
        let Some(mut process) = self.processes.remove(&role) else { return false };
        if process.kill().is_err() {
            // It ended before.
        }
        self.past.push_str(&process.output());
        true
    }

    /// Everything that any of the processes has written to standard output and standard error.
    pub fn output(&self) -> String {
        self.processes.values().fold(self.past.clone(), |all, process| all + &process.output())
    }
}

/// Generous: the machine may be busy.
const START: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);
