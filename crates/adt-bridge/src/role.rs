//! `adt-bridge hook | sender | receiver`: one service in this process, configured from the common file.

use std::{path::Path, pin::Pin, process::ExitCode, sync::Arc, time::SystemTime};

use clock::Clock;
use service::{health::Health, traces::Traces};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin::{ADMIN_GRACE, Admin, FREE_ON_LOOPBACK},
    cli::{Cli, ReceiverArgs, SenderArgs},
    config::{BUNDLED, Config},
    development_ca::DevelopmentCa,
    exit::{Code, Failure},
    inspection::{Audience, Opened},
    metrics,
    operated::Operated,
    output,
    stack::chain,
};

pub(crate) async fn hook(cli: &Cli) -> Result<ExitCode, Failure> {
    let (config, message) = Config::load_for_hook(cli, Path::new(DATA))?;
    begin(&config, "transform");
    config.hook.check()?;
    let traces = Traces::start(&config.traces, "transform")?;
    let shutdown = service::shutdown_on_signal()?;
    let dependencies = transform::Dependencies {
        queue: queue(&config).await?,
        store: store(&config).await?,
        clock: Clock::system(),
    };
    let listen = config.hook.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| Failure::new(Code::CannotConnect, format!("cannot listen on {listen}: {error}")))?;
    tracing::info!(listen = %listener.local_addr()?, "the hook listens");
    let queue = dependencies.queue.clone();
    let health =
        Health::new().check("queue", ready_queue(&queue)).check("store", ready_store(&dependencies.store));
    let grace = service::grace(config.hook.drain_timeout);
    let work = async {
        let told = config.health;
        let config = transform::Config { hook: config.hook, message: config.message };
        let serving = transform::run_following(config, message, dependencies, listener, shutdown.clone());
        let result = told.serve_while(health, serving).await.map_err(anyhow::Error::from);
        close(queue).await;
        result?.map_err(anyhow::Error::from)
    };
    let code = service::drain(work, shutdown.clone(), grace).await;
    traces.end().await;
    Ok(code)
}

pub(crate) async fn sender(cli: &Cli, arguments: &SenderArgs) -> Result<ExitCode, Failure> {
    let config = load(cli, "sender")?;
    if config.sender.endpoint.address == BUNDLED {
        let text = "sender.endpoint.address is not set: a sender alone has no bundled test server";
        return Err(Failure::new(Code::ConfigInvalid, text)
            .hint("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS=host:port, or [sender.endpoint] in the file"));
    }
    config.sender.validate()?;
    let traces = Traces::start(&config.traces, "sender")?;
    let shutdown = service::shutdown_on_signal()?;
    let queue = queue(&config).await?;
    let admin = match &arguments.data_dir {
        None => None,
        Some(data) => {
            std::fs::create_dir_all(data)?;
            Some(Admin::bind(FREE_ON_LOOPBACK, data).await?)
        }
    };
    let (tasks, settled) = (TaskTracker::new(), CancellationToken::new());
    if let Some(admin) = admin {
        let endpoint = config.sender.endpoint.address.clone();
        let operated = Arc::new(Operated::new(queue.clone(), endpoint));
        tasks.spawn(admin.serve(operated, settled.clone()));
    }
    tasks.close();
    let grace = service::grace(config.sender.drain);
    let work = async {
        let dependencies = sender::Dependencies { queue: queue.clone(), clock: Clock::system() };
        let health = Health::new().check("queue", ready_queue(&queue));
        let sending = sender::run(config.sender, dependencies, shutdown.clone());
        let result = config.health.serve_while(health, sending).await.map_err(anyhow::Error::from);
        settled.cancel();
        if tokio::time::timeout(ADMIN_GRACE, tasks.wait()).await.is_err() {
            tracing::warn!("a request of the admin API was still open");
        }
        close(queue).await;
        result?.map_err(anyhow::Error::from)
    };
    let code = service::drain(work, shutdown.clone(), grace).await;
    traces.end().await;
    Ok(code)
}

pub(crate) async fn receiver(cli: &Cli, arguments: &ReceiverArgs) -> Result<ExitCode, Failure> {
    let mut config = load(cli, "test-hl7-server")?;
    let faults = &mut config.receiver.faults;
    faults.scenario = arguments.scenario.clone().or(faults.scenario.take());
    faults.admin = arguments.fault_admin.or(faults.admin);
    faults.enable |= arguments.fault_admin.is_some();
    let ca = DevelopmentCa::in_folder(&Path::new(DATA).join("tls"));
    if config.receiver.tls.as_ref().is_some_and(|tls| tls.cert_file == ca.cert_file) {
        ca.ensure(SystemTime::now()).map_err(|error| Failure::internal(chain("tls", &error)))?;
    }
    config.receiver.validate()?;
    let traces = Traces::start(&config.traces, "test-hl7-server")?;
    let shutdown = service::shutdown_on_signal()?;
    let dependencies = test_hl7_server::Dependencies { store: store(&config).await? };
    let listeners = test_hl7_server::Listeners::bind(&config.receiver)
        .await
        .map_err(|error| Failure::new(Code::CannotConnect, error))?;
    #[expect(clippy::disallowed_methods, reason = "a scenario may ask for a crash")]
    let exit: test_hl7_server::Exit = |code| std::process::exit(code);
    let (inspection, _door) = match arguments.inspector_listen.or(config.inspector.listen) {
        None => (None, None),
        Some(listen) => {
            std::fs::create_dir_all(&arguments.data_dir)?;
            let audience = Audience { listen: Some(listen), is_local: false };
            let opened =
                Opened::open(&config, &arguments.data_dir, audience, dependencies.store.clone()).await?;
            output::line(format_args!("inspector  {}", opened.link()))?;
            let (inspection, door) = opened.into_parts();
            (Some(inspection), Some(door))
        }
    };
    let equipment = test_hl7_server::Equipment { inspection, exit: Some(exit), admin: None };
    let health = Health::new().check("store", ready_store(&dependencies.store));
    let drain = config.receiver.drain;
    let serving =
        test_hl7_server::run_with(config.receiver, dependencies, listeners, equipment, shutdown.clone());
    let work = async { anyhow::Ok(config.health.serve_while(health, serving).await??) };
    let code = service::drain(work, shutdown, drain).await;
    traces.end().await;
    Ok(code)
}

type Checked<E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send>>;

fn ready_queue(
    queue: &Arc<dyn queue::Queue>,
) -> impl Fn() -> Checked<queue::QueueError> + Send + Sync + 'static {
    let queue = Arc::clone(queue);
    move || {
        let queue = Arc::clone(&queue);
        Box::pin(async move { queue.ready().await })
    }
}

fn ready_store(
    store: &Arc<dyn message_store::MessageStore>,
) -> impl Fn() -> Checked<message_store::StoreError> + Send + Sync + 'static {
    let store = Arc::clone(store);
    move || {
        let store = Arc::clone(&store);
        Box::pin(async move { store.ready().await })
    }
}

fn load(cli: &Cli, role: &str) -> Result<Config, Failure> {
    let config = Config::load(cli, Path::new(DATA))?;
    begin(&config, role);
    Ok(config)
}

fn begin(config: &Config, role: &str) {
    service::telemetry::init(&config.log, role);
    metrics::init(&config.metrics);
}

async fn queue(config: &Config) -> Result<Arc<dyn queue::Queue>, Failure> {
    let opened = config.queue.connect().await;
    opened.map_err(|error| Failure::new(Code::CannotConnect, chain("the queue cannot be opened", &error)))
}

async fn store(config: &Config) -> Result<Arc<dyn message_store::MessageStore>, Failure> {
    let opened = config.store.connect().await;
    opened.map_err(|error| Failure::new(Code::CannotConnect, chain("the store cannot be opened", &error)))
}

async fn close(queue: Arc<dyn queue::Queue>) {
    if let Err(error) = queue.close().await {
        tracing::warn!(%error, "closing the queue failed");
    }
}

/// The folder that the defaults point into.
const DATA: &str = ".adt-bridge";
