//! `transform health` asks a hook that serves TLS.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use tokio::time::Instant;

use crate::pki::Pki;

const DEADLINE: Duration = Duration::from_secs(20);

/// A child that is killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn transform(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_transform"));
    command.args(arguments).env("ADT_BRIDGE_CONFIG", config).stdin(Stdio::null());
    command
}

fn asked(config: &Path, arguments: &[&str]) -> Output {
    transform(config, arguments).output().unwrap()
}

/// A file of settings for a hook that serves TLS.
fn settings(pki: &Pki, name: &str, health: &str) -> PathBuf {
    pki.issue("server");
    let mut text =
        format!("[hook]\nlisten = '127.0.0.1:0'\n[queue]\npath = '{}'\n", pki.path("queue.db").display());
    let (certificate, key) = (pki.path("server.pem"), pki.path("server.key"));
    writeln!(text, "[hook.tls]\ncert_file = '{}'\nkey_file = '{}'", certificate.display(), key.display())
        .unwrap();
    writeln!(text, "[store]\npath = '{}'\n{health}", pki.path("store").display()).unwrap();
    let path = pki.path(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_hook_with_tls_tells_its_health_in_plain_where_that_is_set() {
    let pki = Pki::new();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let config = settings(&pki, "hook.toml", &format!("[health]\nlisten = '127.0.0.1:{port}'"));
    assert!(!asked(&config, &["health"]).status.success(), "nobody is there yet");
    let process = transform(&config, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut process = Process(process);
    let until = Instant::now() + DEADLINE;
    while !asked(&config, &["health", "--ready"]).status.success() {
        assert!(process.0.try_wait().unwrap().is_none(), "it ended");
        assert!(Instant::now() < until, "never ready");
    }
    assert!(asked(&config, &["health"]).status.success());
}

#[test]
fn without_an_address_it_says_what_to_set() {
    let pki = Pki::new();
    let config = settings(&pki, "hook.toml", "");
    let output = asked(&config, &["health"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("TLS") && told.contains("health.listen") && told.contains("is not set"), "{told}");
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let pki = Pki::new();
    let config = settings(&pki, "hook.toml", "[health]\nlisten = '0.0.0.0:0'");
    let output = asked(&config, &[]);
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("health.listen: must be a loopback address"), "{told}");
}
