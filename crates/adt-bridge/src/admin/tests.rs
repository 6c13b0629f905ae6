use clap::Parser as _;
use queue::{MemoryConfig, MemoryQueue};
use reqwest::Method;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::cli::Cli;
use crate::operated::Operated;
use inspector::{Parked, QueueStatus};

struct Running {
    data: tempfile::TempDir,
    address: SocketAddr,
    token: String,
    _task: AbortOnDropHandle<()>,
}

fn pipeline() -> Arc<dyn Pipeline> {
    Arc::new(Operated::new(Arc::new(MemoryQueue::new(MemoryConfig::default())), "endpoint".to_owned()))
}

async fn start() -> Running {
    let data = tempfile::tempdir().unwrap();
    let admin = Admin::bind("127.0.0.1:0".parse().unwrap(), data.path()).await.unwrap();
    let (address, token) = (admin.listener.local_addr().unwrap(), admin.token.as_str().to_owned());
    let pipeline = pipeline();
    let tracker = tokio_util::task::TaskTracker::new();
    let task = AbortOnDropHandle::new(tracker.spawn(admin.serve(pipeline, CancellationToken::new())));
    Running { data, address, token, _task: task }
}

impl Running {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> u16 {
        credentials::install_provider();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.request(method, format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn nothing_is_told_without_the_token() {
    let running = start().await;
    let bearer = format!("Bearer {}", running.token);
    let wrong = format!("Bearer {}0", running.token);
    for (path, method) in [
        ("/api/v1/queue", Method::GET),
        ("/api/v1/dead-letters/1", Method::GET),
        ("/api/v1/dead-letters/1/redrive", Method::POST),
        ("/api/v1/dead-letters/1", Method::DELETE),
        ("/nothing", Method::GET),
    ] {
        for headers in [&[][..], &[("authorization", "Bearer ")], &[("authorization", wrong.as_str())]] {
            assert_eq!(running.ask(method.clone(), path, headers).await, 401, "{path}");
        }
    }
    assert_eq!(running.ask(Method::GET, "/api/v1/queue", &[("authorization", &bearer)]).await, 200);
    assert_eq!(running.ask(Method::GET, "/nothing", &[("authorization", &bearer)]).await, 404);
}

#[tokio::test]
async fn web_pages_and_foreign_names_are_refused_even_with_the_token() {
    let running = start().await;
    let bearer = ("authorization", &*format!("Bearer {}", running.token));
    for header in [
        ("host", "rebound.example:80"),
        ("host", "127.0.0.1.example"),
        ("origin", "http://127.0.0.1"),
        ("sec-fetch-site", "cross-site"),
    ] {
        assert_eq!(running.ask(Method::GET, "/api/v1/queue", &[bearer, header]).await, 403, "{header:?}");
    }
    assert_eq!(running.ask(Method::GET, "/api/v1/queue", &[bearer, ("host", "localhost:1")]).await, 200);
}

#[tokio::test]
async fn problems_have_their_status() {
    let running = start().await;
    let bearer = [("authorization", &*format!("Bearer {}", running.token))];
    assert_eq!(running.ask(Method::GET, "/api/v1/dead-letters/77", &bearer).await, 404);
    assert_eq!(running.ask(Method::DELETE, "/api/v1/dead-letters/x", &bearer).await, 404);
    assert_eq!(running.ask(Method::PUT, "/api/v1/parked/no%20group", &bearer).await, 400);
    assert_eq!(running.ask(Method::GET, "/api/v1/dead-letters?nonsense=1", &bearer).await, 400);
    assert_eq!(running.ask(Method::POST, "/api/v1/queue", &bearer).await, 405);
}

#[tokio::test]
async fn the_file_is_private_and_goes_with_the_server() {
    use std::os::unix::fs::PermissionsExt as _;
    let data = tempfile::tempdir().unwrap();
    let admin = Admin::bind("127.0.0.1:0".parse().unwrap(), data.path()).await.unwrap();
    let file = data.path().join("admin.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!format!("{admin:?}").contains(admin.token.as_str()));
    let stop = CancellationToken::new();
    stop.cancel();
    admin.serve(pipeline(), stop).await;
    assert!(!file.exists());
}

#[tokio::test]
async fn listens_on_this_machine_only() {
    let data = tempfile::tempdir().unwrap();
    assert!(Admin::bind("0.0.0.0:0".parse().unwrap(), data.path()).await.is_err());
}

#[tokio::test]
async fn the_client_finds_the_server_by_the_folder() {
    let running = start().await;
    let client = client::Client::reach(&Cli::parse_from(["adt-bridge"]), running.data.path()).await.unwrap();
    let status: QueueStatus = client.get(&["queue"], &[]).await.unwrap();
    assert_eq!((status.ready, status.dead), (0, 0));
    client.change(Method::PUT, &["parked", "g1"], &[]).await.unwrap();
    let parked: Parked = client.get(&["parked"], &[]).await.unwrap();
    assert_eq!(parked.groups, ["g1"]);
}
