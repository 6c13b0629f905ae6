//! The command line's side of the admin API.

use std::{path::Path, sync::Arc, time::Duration};

use queue::{Config as QueueConfig, Queue, QueueError};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Admin, access::Address};
use crate::{
    cli::Cli,
    config::Config,
    exit::{Code, Failure},
    operated::Operated,
    stack::chain,
};

/// Long enough to look through the dead letters of an SQS queue.
const LIMIT: Duration = Duration::from_secs(120);

/// Talks to the running process of a data folder, or over an API of its own to the queue of the settings.
#[derive(Debug)]
pub(crate) struct Client {
    address: Address,
    http: reqwest::Client,
    own: Option<Own>,
}

/// The API while this process serves it to itself.
#[derive(Debug)]
struct Own {
    queue: Arc<dyn Queue>,
    stop: CancellationToken,
    serving: TaskTracker,
    in_sqs: bool,
}

impl Client {
    /// The running process: only that one has an inspector.
    pub(crate) fn of(data: &Path) -> Result<Self, Failure> {
        let address = Address::read(data).map_err(|_| not_running(data))?;
        let http = reqwest::Client::builder().no_proxy().build();
        Ok(Self { address, http: http.map_err(Failure::internal)?, own: None })
    }

    /// The running process when it answers; otherwise the queue itself, if it is there.
    pub(crate) async fn reach(cli: &Cli, data: &Path) -> Result<Self, Failure> {
        // A proxy is of no use on the way to this machine.
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.map_err(Failure::internal)?;
        if let Ok(address) = Address::read(data)
            && answers(&address).await
        {
            return Ok(Self { address, http, own: None });
        }
        let mut config = Config::load(cli, data)?;
        let in_sqs = match &config.queue {
            QueueConfig::Embedded(embedded) if embedded.path.exists() => false,
            QueueConfig::Sqs(_) => true,
            // Opening it would make a new one.
            QueueConfig::Embedded(_) | QueueConfig::Memory(_) => return Err(not_running(data)),
        };
        if !cli.verbose {
            // What an operator changes stays in the log, the rest is for a service.
            config.log.level = "warn,adt_bridge=info".into();
        }
        service::telemetry::init(&config.log, "adt-bridge");
        let queue = config.queue.connect().await.map_err(|error| cannot_open(&error))?;
        let admin = Admin::bind_private().await?;
        let address =
            Address { url: format!("http://{}", admin.listener.local_addr()?), token: admin.token.clone() };
        let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
        let operated = Operated::new(Arc::clone(&queue), config.sender.endpoint.address.clone());
        serving.spawn(admin.serve(Arc::new(operated), stop.clone()));
        serving.close();
        Ok(Self { address, http, own: Some(Own { queue, stop, serving, in_sqs }) })
    }

    /// Whether this is SQS without the process that sends: what that one keeps in memory is out of reach.
    pub(crate) fn is_beside_the_sender(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.in_sqs)
    }

    /// Lets go of a queue that was opened.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let Some(own) = self.own else { return Ok(()) };
        own.stop.cancel();
        own.serving.wait().await;
        own.queue.close().await.map_err(Failure::internal)
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let response = self.send(Method::GET, path, query).await?;
        response.json().await.map_err(|_| Failure::internal("the answer of the admin API cannot be read"))
    }

    /// A body that is no JSON.
    pub(crate) async fn text(&self, path: &[&str], query: &[(&str, &str)]) -> Result<String, Failure> {
        let response = self.send(Method::GET, path, query).await?;
        let bytes = response.bytes().await.map_err(|_| Failure::internal("the answer was cut off"))?;
        Ok(String::from_utf8(bytes.to_vec())
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// An answer that comes piece by piece, for as long as it likes.
    pub(crate) async fn stream(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<reqwest::Response, Failure> {
        self.send_within(Method::GET, path, query, None).await
    }

    pub(crate) async fn change(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(), Failure> {
        self.send(method, path, query).await.map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<reqwest::Response, Failure> {
        self.send_within(method, path, query, Some(LIMIT)).await
    }

    async fn send_within(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        limit: Option<Duration>,
    ) -> Result<reqwest::Response, Failure> {
        let mut url = reqwest::Url::parse(&self.address.url).map_err(Failure::internal)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(["api", "v1"]).extend(path);
        }
        let mut request =
            self.http.request(method, url).query(query).bearer_auth(self.address.token.as_str());
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        let response = request.send().await.map_err(|error| {
            if error.is_timeout() {
                Failure::new(Code::TimedOut, "the admin API did not answer in time")
            } else {
                Failure::new(Code::CannotConnect, format!("nothing answers at {}", self.address.url))
                    .hint("adt-bridge up; it was killed or runs with another --data-dir")
            }
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem: Value = response.json().await.unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("no reason given").to_owned();
        Err(Failure::new(code(status), detail))
    }
}

fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::CONFLICT => Code::Rejected,
        StatusCode::BAD_REQUEST => Code::Usage,
        StatusCode::SERVICE_UNAVAILABLE => Code::CannotConnect,
        _ => Code::Internal,
    }
}

/// A process that was killed leaves its address behind.
async fn answers(address: &Address) -> bool {
    let host = address.url.strip_prefix("http://").unwrap_or(&address.url);
    TcpStream::connect(host).await.is_ok()
}

fn cannot_open(error: &QueueError) -> Failure {
    let failure = Failure::new(Code::CannotConnect, chain("the queue cannot be opened", error));
    match error {
        QueueError::Owned => failure.hint("--data-dir with the folder of the process that owns it"),
        _ => failure,
    }
}

fn not_running(data: &Path) -> Failure {
    Failure::new(Code::CannotConnect, format!("no adt-bridge runs on {}", data.display()))
        .hint("adt-bridge up, --data-dir with the folder of the one that runs, or --config with its queue")
}
