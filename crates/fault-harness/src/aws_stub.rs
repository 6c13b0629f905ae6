//! SQS and S3 as far as this system uses them, over HTTP, failing on demand.
//!
//! The real SDK clients talk to it through their endpoint URL. SQS speaks the JSON protocol and keeps FIFO queues
//! in memory: group lock, visibility, receive count, five minutes of deduplication, and, unlike some emulators,
//! an expired receipt handle is refused. S3 keeps objects with metadata and conditional writes. Signatures are
//! not looked at.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! use fault_harness::aws_stub::{AwsStub, Fault, FaultKind};
//!
//! let stub = AwsStub::start().await?;
//! let url = stub.create_queue("orders.fifo");
//! stub.fail(Fault::always("DeleteMessage", FaultKind::Status(500, "InternalError")));
//! # assert!(url.starts_with(&stub.url())); Ok(()) }
//! ```

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{port::Port, watched::Watched};

mod fault;
mod http;
mod s3;
mod sqs;

pub use fault::{Fault, FaultKind};

use http::{Request, Response};

/// A running stub. Dropping it resets its connections.
#[derive(Debug)]
pub struct AwsStub {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

/// One call that arrived.
#[derive(Debug, Clone)]
pub struct Call {
    /// Name of the operation.
    pub operation: String,
    /// When its last byte was read.
    pub at: Instant,
    /// The HTTP status, `None` when there was no answer.
    pub status: Option<u16>,
    /// The receipt handles it named.
    pub receipts: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    calls: Vec<Call>,
    /// `None` until somebody asked for them.
    heads: Option<Vec<String>>,
    sqs: sqs::Service,
    s3: s3::Service,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    state: Watched<State>,
    down: watch::Sender<bool>,
}

impl AwsStub {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// No port could be bound.
    pub async fn start() -> io::Result<Self> {
        let port = Port::claim()?;
        let address = port.address();
        let shared = Arc::new(Shared { address, state: Watched::default(), down: watch::Sender::default() });
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let listener = port.listen()?;
        tracker.spawn(accept(port, listener, Arc::clone(&shared), stop.clone(), tracker.clone()));
        Ok(Self { address, shared, stop })
    }

    /// The endpoint URL for the SDK.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an empty FIFO queue and gives its URL.
    pub fn create_queue(&self, name: &str) -> String {
        self.shared.state.change(|state| state.sqs.create(name));
        format!("{}/000000000000/{name}", self.url())
    }

    /// The bodies waiting in a queue, those in flight included, in order.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        self.shared.state.lock().sqs.bodies(queue)
    }

    /// Makes all leases of a queue end now, as if their visibility time had passed.
    pub fn lapse(&self, queue: &str) {
        self.shared.state.change(|state| state.sqs.lapse(queue));
    }

    /// Keys of the objects in a bucket, sorted.
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        self.shared.state.lock().s3.keys(bucket)
    }

    /// The bodies of all writes below a prefix that were taken, in order.
    pub fn writes(&self, bucket: &str, prefix: &str) -> Vec<Vec<u8>> {
        self.shared.state.lock().s3.writes(bucket, prefix)
    }

    /// How many writes below a prefix were taken.
    pub fn write_count(&self, bucket: &str, prefix: &str) -> u64 {
        self.shared.state.lock().s3.write_count(bucket, prefix)
    }

    /// Keeps the heads of all requests from now on.
    pub fn keep_heads(&self) {
        self.shared.state.change(|state| state.heads = Some(Vec::new()));
    }

    /// What requests said beside the bodies of messages and objects, since [`keep_heads`](Self::keep_heads): method,
    /// path, query and headers, and of SQS the parameters: groups, ids, attributes.
    pub fn heads(&self) -> Vec<String> {
        self.shared.state.lock().heads.clone().unwrap_or_default()
    }

    /// Adds a fault; the first that fits a call is used.
    pub fn fail(&self, fault: Fault) {
        self.shared.state.change(|state| state.faults.push(fault));
    }

    /// Removes all faults; hanging calls stay unanswered.
    pub fn heal(&self) {
        self.shared.state.change(|state| state.faults.clear());
    }

    /// Resets all connections and refuses new ones.
    pub fn down(&self) {
        self.shared.down.send_replace(true);
    }

    /// Listens again.
    pub fn up(&self) {
        self.shared.down.send_replace(false);
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state.lock().calls.clone()
    }

    /// How many calls of an operation arrived.
    pub fn count(&self, operation: &str) -> usize {
        self.shared.state.lock().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// How many messages somebody asked to delete, one at a time or in batches, answered or not.
    pub fn deletes_asked(&self) -> usize {
        let state = self.shared.state.lock();
        let deletes = state.calls.iter().filter(|call| call.operation.starts_with("DeleteMessage"));
        deletes.flat_map(|call| &call.receipts).collect::<BTreeSet<_>>().len()
    }

    /// Waits until `condition` holds for the stub; false when the deadline passed before.
    pub async fn wait_until(&self, deadline: Duration, mut condition: impl FnMut(&Self) -> bool) -> bool {
        self.shared.state.wait_until(deadline, || condition(self)).await
    }
}

impl Drop for AwsStub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    /// Does a call, or the fault meant for it. `None`: the connection is to be reset.
    async fn call(&self, request: &Request) -> Option<Response> {
        let (operation, receipts) = if request.header("x-amz-target").is_some() {
            (sqs::operation(request), sqs::receipts(&request.body))
        } else {
            (s3::operation(request), Vec::new())
        };
        let (index, fault) = self.state.change(|state| {
            state.calls.push(Call {
                operation: operation.clone(),
                at: Instant::now(),
                status: None,
                receipts,
            });
            if let Some(heads) = &mut state.heads {
                heads.push(head(request));
            }
            (state.calls.len() - 1, state.take_fault(&operation))
        });
        let (before, after) = match fault {
            Some(kind @ (FaultKind::Status(..) | FaultKind::FailEntries(_) | FaultKind::ExpiredReceipt)) => {
                (Some(refuse(request, kind)), None)
            }
            Some(FaultKind::Hang) => std::future::pending().await,
            Some(FaultKind::ResetBefore) => return None,
            Some(kind @ (FaultKind::Slow(_) | FaultKind::ResetAfter)) => (None, Some(kind)),
            None => (None, None),
        };
        let response = match before {
            Some(response) => response,
            None if request.header("x-amz-target").is_some() => self.sqs(&operation, request).await,
            None => self.state.change(|state| state.s3.call(&operation, request)),
        };
        match after {
            Some(FaultKind::ResetAfter) => return None,
            Some(FaultKind::Slow(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        self.state.change(|state| {
            if let Some(call) = state.calls.get_mut(index) {
                call.status = Some(response.status);
            }
        });
        Some(response)
    }

    /// Receive waits for a message; everything else answers at once.
    async fn sqs(&self, operation: &str, request: &Request) -> Response {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let wait = body["WaitTimeSeconds"].as_u64().filter(|_| operation == "ReceiveMessage").unwrap_or(0);
        let deadline = Instant::now() + Duration::from_secs(wait);
        let mut version = self.state.subscribe();
        loop {
            version.borrow_and_update();
            let (response, empty) = {
                let mut state = self.state.lock();
                state.sqs.call(operation, &body, self.address)
            };
            if !empty || Instant::now() >= deadline {
                // A receive is a change too, but must not wake the other long polls for ever.
                if !empty {
                    self.state.touch();
                }
                return response;
            }
            // A lease may lapse without any call, hence the second limit.
            let until = deadline.min(Instant::now() + Duration::from_millis(50));
            if tokio::time::timeout_at(until.into(), version.changed()).await.is_err() {
                // Look again.
            }
        }
    }
}

impl State {
    fn take_fault(&mut self, operation: &str) -> Option<FaultKind> {
        let fits = |fault: &&mut Fault| {
            (fault.operation == "*" || fault.operation == operation) && fault.times != Some(0)
        };
        let fault = self.faults.iter_mut().find(fits)?;
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        Some(fault.kind)
    }
}

/// All of a request but the bodies of messages and objects.
fn head(request: &Request) -> String {
    let Request { method, target, headers, body } = request;
    let mut head = format!("{method} {target}");
    for (name, value) in headers {
        head.push_str(&format!("\n{name}: {value}"));
    }
    if request.header("x-amz-target").is_some() {
        head.push('\n');
        head.push_str(&sqs::parameters(body));
    }
    head
}

fn refuse(request: &Request, kind: FaultKind) -> Response {
    let sqs = request.header("x-amz-target").is_some();
    match kind {
        FaultKind::FailEntries(code) => sqs::fail_entries(request, code),
        FaultKind::ExpiredReceipt => sqs::expired(),
        FaultKind::Status(status, code) if sqs => sqs::error(status, code, "injected"),
        FaultKind::Status(status, code) => s3::error(status, code),
        FaultKind::Hang | FaultKind::Slow(_) | FaultKind::ResetBefore | FaultKind::ResetAfter => {
            s3::error(500, "InternalError")
        }
    }
}

async fn accept(
    port: Port,
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tracker: TaskTracker,
) {
    let mut listener = Some(listener);
    let mut down = shared.down.subscribe();
    loop {
        let is_down = *down.borrow_and_update();
        if is_down {
            listener = None;
        } else if listener.is_none() {
            listener = port.listen().ok();
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await.ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = down.changed() => {}
            accepted = accepted => if let Some((stream, _)) = accepted {
                tracker.spawn(serve(stream, Arc::clone(&shared), stop.clone()));
            },
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, stop: CancellationToken) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut stream = http::Stream::new(stream);
    let mut down = shared.down.subscribe();
    let interrupted = async {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = down.wait_for(|down| *down) => {}
        }
    };
    let served = async {
        while let Ok(Some(request)) = Request::read(&mut stream).await {
            match shared.call(&request).await {
                None => return true,
                Some(response) => {
                    if response.write(&mut stream, request.method == "HEAD").await.is_err() {
                        return false;
                    }
                }
            }
        }
        false
    };
    let reset = tokio::select! {
        biased;
        () = interrupted => true,
        reset = served => reset,
    };
    if reset && stream.get_ref().set_zero_linger().is_err() {
        // Already closed by the peer.
    }
}

#[cfg(test)]
mod tests;
