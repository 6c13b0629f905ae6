//! A running `adt-bridge up` of a test: its addresses, its folder, requests to its hook.

use std::{
    ffi::OsString,
    future::Future,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use fault_harness::{oracle::Mark, process::Process};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Generous: the machine may be busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Bridge {
    pub(crate) process: Process,
    pub(crate) client: reqwest::Client,
    hook: String,
}

/// An answer of the persistence surface.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("the body is JSON")
    }

    pub(crate) fn resource(&self) -> Value {
        self.json()["resource"].take()
    }
}

impl Bridge {
    /// Starts on free ports, with settings from the environment given and from nowhere else.
    pub(crate) async fn start(data: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = command();
        command
            .args(["up", "--json", "--hook-listen", "127.0.0.1:0", "--mllp-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data)
            .envs(environment.iter().copied());
        credentials::install_provider();
        let process = Process::start(command, DEADLINE).await.expect("started");
        let hook = process.ready()["hook"].as_str().expect("hook").to_owned();
        Self { process, client: reqwest::Client::new(), hook }
    }

    /// The receiver's address, MLLP over TLS.
    pub(crate) fn mllp(&self) -> SocketAddr {
        self.process.ready()["mllp_tls"].as_str().expect("mllp_tls").parse().expect("an address")
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Answer> {
        request(&self.client, &self.hook, method, path, body).await
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.send(method, path, body).await.expect("an answer")
    }

    /// Can be handed to another task.
    pub(crate) fn client(&self) -> (reqwest::Client, String) {
        (self.client.clone(), self.hook.clone())
    }

    pub(crate) async fn read(&self, id: &str) -> Answer {
        self.ask(Method::GET, &format!("/persistence/Patient/{id}"), None).await
    }

    pub(crate) async fn put(&self, id: &str, patient: &Value) -> Answer {
        self.ask(Method::PUT, &format!("/persistence/Patient/{id}"), Some(patient)).await
    }
}

/// `None` when the connection failed, as it does when the process is killed.
pub(crate) async fn request(
    client: &reqwest::Client,
    hook: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Option<Answer> {
    let mut request = client.request(method, format!("{hook}{path}")).timeout(DEADLINE);
    if let Some(body) = body {
        request = request.header("content-type", "application/json;charset=utf-8").body(body.to_string());
    }
    let response = request.send().await.ok()?;
    let status = response.status();
    let text = response.text().await.ok()?;
    Some(Answer { status, text })
}

/// The built binary without the settings of whoever runs the tests.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adt-bridge"));
    let inherited: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).collect();
    for name in inherited {
        let text = name.to_string_lossy();
        if text.starts_with("ADT_BRIDGE") || text.starts_with("AWS_") || text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
    command
}

/// A synthetic patient whose family name carries the mark.
pub(crate) fn patient(id: &str, mark: Mark) -> Value {
    json!({
        "resourceType": "Patient",
        "id": id,
        "identifier": [{ "system": "urn:oid:1.2.3.4", "value": format!("n-{}", mark.group) }],
        "name": [{ "use": "official", "family": mark.to_string(), "given": ["Test"] }],
        "gender": "other",
        "birthDate": "1970-01-01"
    })
}

/// Messages the receiver stored, oldest first.
pub(crate) fn received(data: &Path) -> Vec<String> {
    stored(data, "received/*")
}

/// A patient's current message at the receiver.
pub(crate) fn current(data: &Path, id: &str) -> Option<String> {
    stored(data, &format!("Patient/{id}")).pop()
}

/// Bodies in the store of a folder, by a pattern of their keys.
fn stored(data: &Path, keys: &str) -> Vec<String> {
    let path = data.join("store/messages.db");
    if !path.exists() {
        return Vec::new();
    }
    let store = rusqlite::Connection::open(path).expect("opened");
    let sql = "SELECT CAST(body AS TEXT) FROM object WHERE key GLOB ?1 ORDER BY written_ns";
    let mut bodies = store.prepare(sql).expect("a table");
    let bodies = bodies.query_map([keys], |row| row.get(0)).expect("readable");
    bodies.collect::<Result<_, _>>().expect("text")
}

/// The trigger event of a message, `A28` for example.
pub(crate) fn event(message: &str) -> &str {
    message.split('|').nth(8).and_then(|kind| kind.split('^').nth(1)).unwrap_or_default()
}

/// Looks again until `found` gives something; panics at the deadline with `what`.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, found: impl Fn() -> F) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = found().await {
            return value;
        }
        assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
