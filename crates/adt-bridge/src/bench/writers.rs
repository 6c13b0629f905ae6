//! Writers of Patients over HTTP: each has a connection and one request on its way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::Semaphore, task::JoinHandle, time::Instant};
use tokio_util::task::TaskTracker;

use super::{load::Template, monotonic};
use crate::exit::{Code, Failure};

/// Where to write to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// `host:port`.
    pub(super) authority: String,
    /// Such as `/persistence/Patient`.
    pub(super) path: String,
}

/// What is written in one go.
pub(super) struct Plan {
    pub(super) template: Template,
    /// The next number.
    pub(super) next: AtomicU64,
    /// No number from here on.
    pub(super) end: u64,
    pub(super) until: Instant,
    /// A permit for each message that may be under way; the one who sees its delivery gives it back.
    pub(super) room: Option<Arc<Semaphore>>,
}

/// A write that was answered with 2xx; times of `CLOCK_MONOTONIC` in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) number: u64,
    pub(super) began: u64,
    pub(super) answered: u64,
}

/// Open connections.
pub(super) struct Writers {
    writers: Vec<Writer>,
    target: Target,
    tasks: TaskTracker,
}

struct Writer(SendRequest<Full<Bytes>>);

impl Target {
    /// Of a URL such as `http://127.0.0.1:8080`.
    pub(super) fn of(url: &str) -> Result<Self, Failure> {
        let invalid = || Failure::new(Code::Usage, "--url has to look like http://127.0.0.1:8080");
        let url = reqwest::Url::parse(url).map_err(|_| invalid())?;
        if url.scheme() != "http" {
            return Err(invalid());
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(invalid());
        };
        let path = format!("{}/persistence/Patient", url.path().trim_end_matches('/'));
        Ok(Self { authority: format!("{host}:{port}"), path })
    }
}

impl Writers {
    pub(super) async fn connect(target: &Target, count: u32) -> Result<Self, Failure> {
        let tasks = TaskTracker::new();
        let writers = try_join_all((0..count).map(|_| Writer::connect(&target.authority, &tasks))).await?;
        Ok(Self { writers, target: target.clone(), tasks })
    }

    /// Begins to write what is planned; the task ends with the writers and what they wrote.
    pub(super) fn write(self, plan: Plan) -> JoinHandle<Result<(Self, Vec<Written>), Failure>> {
        let plan = Arc::new(plan);
        let tasks = self.tasks.clone();
        let Self { writers, target, tasks: own } = self;
        tasks.spawn(async move {
            let each = writers.into_iter().map(|writer| {
                let work = writer.write_all(Arc::clone(&plan), target.clone());
                let task = own.spawn(work);
                async move { task.await.map_err(Failure::internal)? }
            });
            let mut all = Vec::new();
            let mut writers = Vec::new();
            for (writer, written) in try_join_all(each).await? {
                writers.push(writer);
                all.extend(written);
            }
            Ok((Self { writers, target, tasks: own }, all))
        })
    }
}

impl Writer {
    async fn connect(authority: &str, tasks: &TaskTracker) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(Code::CannotConnect, format!("cannot reach the hook at {authority}: {error}"))
        };
        let stream = TcpStream::connect(authority).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // What goes wrong on it is told to the request.
        tasks.spawn(async move { drop(connection.await) });
        Ok(Self(sender))
    }

    async fn write_all(mut self, plan: Arc<Plan>, target: Target) -> Result<(Self, Vec<Written>), Failure> {
        let mut written = Vec::new();
        loop {
            if let Some(room) = &plan.room {
                match tokio::time::timeout_at(plan.until, room.acquire()).await {
                    Ok(permit) => permit.map_err(Failure::internal)?.forget(),
                    Err(_) => return Ok((self, written)),
                }
            }
            let number = plan.next.fetch_add(1, Ordering::Relaxed);
            if number >= plan.end || Instant::now() >= plan.until {
                // The permit that was taken goes back: the next plan has its own count.
                plan.room.iter().for_each(|room| room.add_permits(1));
                return Ok((self, written));
            }
            let body = plan.template.numbered(number);
            let began = monotonic::now();
            tokio::time::timeout(ANSWER, self.write_one(&target, body)).await.map_err(|_| {
                Failure::new(Code::TimedOut, format!("a write was not answered within {ANSWER:?}"))
            })??;
            written.push(Written { number, began, answered: monotonic::now() });
        }
    }

    async fn write_one(&mut self, target: &Target, body: Vec<u8>) -> Result<(), Failure> {
        let request = Request::post(&target.path)
            .header(header::HOST, &target.authority)
            .header(header::CONTENT_TYPE, "application/fhir+json")
            .body(Full::new(Bytes::from(body)))
            .map_err(Failure::internal)?;
        let lost = |error: hyper::Error| Failure::new(Code::CannotConnect, format!("the hook: {error}"));
        self.0.ready().await.map_err(lost)?;
        let response = self.0.send_request(request).await.map_err(lost)?;
        let status = response.status();
        response.into_body().collect().await.map_err(lost)?;
        if status.is_success() {
            return Ok(());
        }
        Err(Failure::new(Code::Rejected, format!("the hook answered {status} to a write")))
    }
}

const ANSWER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_url_names_where_to_write() {
        let target = Target::of("http://127.0.0.1:8080/base/").unwrap();
        assert_eq!(target.authority, "127.0.0.1:8080");
        assert_eq!(target.path, "/base/persistence/Patient");
        assert!(Target::of("https://127.0.0.1").is_err());
    }
}
