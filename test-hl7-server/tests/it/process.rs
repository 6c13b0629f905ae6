//! The server as a process: what survives its death, and what a thousand slow connections cost it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::sut::{adt, codes, exchange};

/// A child that is killed when dropped.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// With a directory store in `folder`; returns when it listens.
    fn start(folder: &Path, scenario: &str) -> Self {
        let scenario_file = folder.join("scenario.toml");
        std::fs::write(&scenario_file, scenario).unwrap();
        let config = format!(
            "[receiver]\nlisten_plain = '127.0.0.1:0'\n[receiver.faults]\nscenario = '{}'\n\
             [store]\nkind = 'directory'\npath = '{}'\n[log]\nformat = 'json'\nlevel = 'info'\n",
            scenario_file.display(),
            folder.join("store").display()
        );
        let config_file = folder.join("config.toml");
        std::fs::write(&config_file, config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_test-hl7-server"))
            .arg("--config")
            .arg(config_file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        let (found, address) = std::sync::mpsc::channel();
        // Logs go to one of the two; both are read to their end, or the child would block.
        read(child.stdout.take().unwrap(), found.clone());
        read(child.stderr.take().unwrap(), found);
        let address = address.recv_timeout(Duration::from_secs(20)).expect("a listener in time");
        Self { child, address }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.expect("a connection")
    }

    /// The exit code, once it has ended.
    async fn code(&mut self) -> Option<i32> {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status.code();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), ended).await.expect("an end in time")
    }

    /// Resident memory in KiB.
    #[cfg(target_os = "linux")]
    fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[cfg(target_os = "linux")]
    fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read(output: impl std::io::Read + Send + 'static, found: std::sync::mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let address = line.split_once("MLLP without TLS on ").map(|(_, rest)| rest);
            let address =
                address.map(|rest| rest.chars().take_while(|c| "0123456789.:".contains(*c)).collect());
            if let Some(address) = address {
                drop(found.send(address));
            }
        }
    });
}

/// Dead at every point around the store and the reply: after a restart the resend is stored once.
#[tokio::test]
async fn exits_where_the_scenario_says_and_a_resend_is_stored_once() {
    for (then, was_answered) in [
        ("[{ exit = 137 }]", false),
        ("['store', { exit = 137 }]", false),
        ("['store', 'answer', { exit = 137 }]", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start(folder.path(), &format!("[[rule]]\nthen = {then}"));
        let message = adt("C1", "A28", "p-1", "2024");
        let mut raw = process.connect().await;
        raw.write_all(format!("\x0b{message}\x1c\r").as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        drop(raw.read_to_end(&mut reply).await);
        assert_eq!(!reply.is_empty(), was_answered, "{then}");
        assert_eq!(process.code().await, Some(137), "{then}");

        let process = Process::start(folder.path(), "");
        assert_eq!(codes(&exchange(&mut process.connect().await, message.as_bytes()).await), "AA");
        let stored = std::fs::read_dir(folder.path().join("store/received")).unwrap().count();
        assert_eq!(stored, 1, "{then}");
    }
}

/// A thousand connections that trickle, stop in the middle, or say nothing, while a sender is at work: it is not kept
/// waiting, and when they are gone so is what they took. The first two hundred show what is the usual.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_thousand_slow_connections_cost_a_working_sender_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "");
    let mut sender = process.connect().await;
    let mut number = 0;
    let mut send = async |sender: &mut TcpStream| {
        number += 1;
        let started = Instant::now();
        let message = adt(&format!("C{number}"), "A31", "p-1", "2024");
        assert_eq!(codes(&exchange(sender, message.as_bytes()).await), "AA");
        started.elapsed()
    };
    for _ in 0..20 {
        send(&mut sender).await;
    }
    let files = process.open_files();
    let mut memory = Vec::new();
    for connections in [200, 1000] {
        let mut slow = Vec::new();
        let mut slowest = Duration::ZERO;
        for number in 0..connections {
            if number % 50 == 0 {
                slowest = slowest.max(send(&mut sender).await);
            }
            let mut raw = process.connect().await;
            let start: &[u8] = [&b""[..], b"\x0b", b"\x0bMSH|^~\\&|", b"M"][number % 4];
            raw.write_all(start).await.unwrap();
            slow.push(raw);
        }
        for round in 0..8 {
            slowest = slowest.max(send(&mut sender).await);
            for raw in slow.iter_mut().skip(round % 4).step_by(4) {
                // Those that had to make room are closed.
                drop(raw.try_write(b"x"));
            }
        }
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        assert!(process.open_files() < files + 80, "64 places, and no more: {}", process.open_files());
        drop(slow);
        let gone = async {
            while process.open_files() > files {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(60), gone).await.expect("slow connections leave nothing");
        memory.push(process.memory_kib());
    }
    let [first, second] = memory[..] else { panic!("two rounds") };
    assert!(second < first + 4096, "memory grew from {first} to {second} KiB");
}
