//! The three services in one process, as `up` and `demo` run them.

use std::{fmt, io, net::SocketAddr, path::Path, sync::Arc, time::SystemTime};

use clock::Clock;
use message_store::MessageStore;
use queue::{Queue, QueueError};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{BUNDLED, Config},
    development_ca::{DevelopmentCa, Made},
    exit::{Code, Failure},
    inspection::{Audience, Opened},
};

/// Listening and connected, not yet serving.
pub(crate) struct Stack {
    pub(crate) config: Config,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) store: Arc<dyn MessageStore>,
    pub(crate) hook: SocketAddr,
    pub(crate) mllp_tls: SocketAddr,
    pub(crate) mllp_plain: Option<SocketAddr>,
    pub(crate) inspector: Option<Opened>,
    /// Where the hook reads `[message]` again.
    pub(crate) message: Option<transform::FollowedMessage>,
    pub(crate) ca: DevelopmentCa,
    /// What had to be made at this start.
    pub(crate) made: Made,
    hook_listener: TcpListener,
    receiver_listeners: test_hl7_server::Listeners,
}

/// Addresses to listen on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listen {
    pub(crate) hook: SocketAddr,
    pub(crate) mllp_tls: SocketAddr,
    pub(crate) mllp_plain: Option<SocketAddr>,
    /// Whether to look on, and where the inspector listens if that is said.
    pub(crate) inspector: Option<Option<SocketAddr>>,
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    /// Deliveries whose outcome is unknown; they stay queued and are sent again.
    ambiguous: u64,
    /// Connections that the sender made.
    pub(crate) connections: u64,
}

impl service::Finished for Settled {
    fn exit_code(&self) -> u8 {
        if self.ambiguous == 0 { 0 } else { EXIT_AMBIGUOUS }
    }
}

impl Stack {
    /// Opens queue and store (which takes the folder's lock), makes certificates, binds.
    pub(crate) async fn prepare(mut config: Config, data: &Path, listen: Listen) -> Result<Self, Failure> {
        let ca = DevelopmentCa::in_folder(&data.join("tls"));
        let bundled = config.sender.endpoint.address == BUNDLED;
        if bundled {
            config.sender.endpoint.tls = ca.client();
        }
        config.sender.validate()?;
        config.receiver.validate()?;
        let queue = config.queue.connect().await.map_err(|error| queue_failure(&error, data))?;
        let store = config.store.connect().await.map_err(|error| {
            Failure::new(Code::CannotConnect, chain("the store cannot be opened", &error))
        })?;
        let made = ca.ensure(SystemTime::now()).map_err(|error| Failure::internal(chain("tls", &error)))?;

        let hook_listener = bind("hook", listen.hook).await?;
        let tls_listener = bind("mllp", listen.mllp_tls).await?;
        let plain_listener = match listen.mllp_plain {
            Some(address) => Some(bind("mllp-plain", address).await?),
            None => None,
        };
        let inspector = match listen.inspector {
            Some(listen) => {
                let audience = Audience { listen, is_local: bundled };
                Some(Opened::open(&config, data, audience, Arc::clone(&store)).await?)
            }
            None => None,
        };
        let mllp_tls = tls_listener.local_addr()?;
        if bundled {
            config.sender.endpoint.address = loopback(mllp_tls).to_string();
        }
        Ok(Self {
            hook: hook_listener.local_addr()?,
            mllp_tls,
            mllp_plain: plain_listener.as_ref().map(TcpListener::local_addr).transpose()?,
            receiver_listeners: test_hl7_server::Listeners { tls: Some(tls_listener), plain: plain_listener },
            inspector,
            message: None,
            config,
            queue,
            store,
            ca,
            made,
            hook_listener,
        })
    }

    /// How the hook is spoken to.
    pub(crate) fn hook_scheme(&self) -> &'static str {
        if self.config.hook.tls.is_some() { "https" } else { "http" }
    }

    /// Serves until `shutdown`: hook and sender settle what is in flight, then the test server ends.
    ///
    /// A service that ends before is a failure, and ends the others.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Settled, Failure> {
        let Self { config, queue, store, inspector, message, hook_listener, receiver_listeners, .. } = self;
        let (inspection, queue, door) = match inspector {
            Some(opened) => {
                let observed = opened.observe(queue, config.sender.endpoint.address.clone());
                let (inspection, door) = opened.into_parts();
                (Some(inspection), observed, Some(door))
            }
            None => (None, queue, None),
        };
        let tasks = TaskTracker::new();
        // The test server ends last: the sender still waits for its acknowledgments.
        let receiver_stop = CancellationToken::new();
        let receiver = tasks.spawn(ends_all(
            &shutdown,
            test_hl7_server::run_with(
                config.receiver,
                test_hl7_server::Dependencies { store: Arc::clone(&store) },
                receiver_listeners,
                // The inspector ends with it: what is in flight can be looked at until it is settled.
                test_hl7_server::Equipment { inspection, ..Default::default() },
                receiver_stop.clone(),
            ),
        ));
        let hook = tasks.spawn(ends_all(
            &shutdown,
            transform::run_following(
                transform::Config { hook: config.hook, message: config.message },
                message,
                transform::Dependencies { queue: Arc::clone(&queue), store, clock: Clock::system() },
                hook_listener,
                shutdown.clone(),
            ),
        ));
        let sender = tasks.spawn(ends_all(
            &shutdown,
            sender::run(
                config.sender,
                sender::Dependencies { queue: Arc::clone(&queue), clock: Clock::system() },
                shutdown.clone(),
            ),
        ));
        let (hook, sender) = tokio::join!(hook, sender);
        receiver_stop.cancel();
        let receiver = receiver.await;
        drop(door);
        let closed = queue.close().await;

        named("hook", hook)?;
        let summary = named("sender", sender)?;
        named("receiver", receiver)?;
        closed.map_err(|error| Failure::internal(chain("the queue did not close", &error)))?;
        Ok(Settled { ambiguous: summary.ambiguous, connections: summary.connections })
    }
}

/// Cancels `shutdown` when `service` ends, for whatever reason, a panic too.
fn ends_all<F: Future>(shutdown: &CancellationToken, service: F) -> impl Future<Output = F::Output> + use<F> {
    let guard = shutdown.clone().drop_guard();
    async move {
        let _guard = guard;
        service.await
    }
}

fn named<T, E: std::error::Error>(
    service: &str,
    joined: Result<Result<T, E>, tokio::task::JoinError>,
) -> Result<T, Failure> {
    match joined {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::internal(chain(&format!("the {service} failed"), &error))),
        Err(_) => Err(Failure::internal(format!("the {service} panicked; the log says where"))),
    }
}

async fn bind(what: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let failure = Failure::new(Code::CannotConnect, format!("cannot listen on {address}: {error}"));
        if error.kind() == io::ErrorKind::AddrInUse {
            failure.hint(format!("--{what}-listen 127.0.0.1:0 takes a free port"))
        } else {
            failure
        }
    })
}

/// The address to reach a listener at, from this machine.
fn loopback(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

fn queue_failure(error: &QueueError, data: &Path) -> Failure {
    match error {
        QueueError::Owned => {
            Failure::new(Code::CannotConnect, format!("{} is in use by another process", data.display()))
                .hint("stop it, or choose another folder with --data-dir")
        }
        other => Failure::new(Code::CannotConnect, chain("the queue cannot be opened", other)),
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("{what}: {error}");
    let mut next = error.source();
    while let Some(source) = next {
        // Some errors repeat their source in their own text.
        let source_text = source.to_string();
        if !text.ends_with(&source_text) {
            text.push_str(": ");
            text.push_str(&source_text);
        }
        next = source.source();
    }
    text
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("hook", &self.hook)
            .field("mllp_tls", &self.mllp_tls)
            .finish_non_exhaustive()
    }
}

/// Stopped in good order, with deliveries whose outcome is unknown.
const EXIT_AMBIGUOUS: u8 = 3;
