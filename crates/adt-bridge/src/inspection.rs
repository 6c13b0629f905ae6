//! The inspector of `up` and `receiver`: opened, named in the data folder, and fed by the queue.

use std::{fmt, net::SocketAddr, path::Path, sync::Arc};

use fhir_adt::Mapper;
use inspector::{Inspector, Reading, Settings, Token};
use message_store::MessageStore;
use queue::Queue;
use tokio::net::TcpListener;

use crate::{
    admin::{Door, FREE_ON_LOOPBACK},
    config::Config,
    exit::{Code, Failure},
    observed::ObservedQueue,
    operated::Operated,
    stack::chain,
};

/// Listening, not yet serving.
pub(crate) struct Opened {
    pub(crate) inspection: test_hl7_server::Inspection,
    pub(crate) address: SocketAddr,
    token: Token,
    /// The file goes with it.
    door: Door,
}

/// Who will look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Audience {
    /// Where it listens; the default, or a free port where that is taken, when not given.
    pub(crate) listen: Option<SocketAddr>,
    /// Made-up patients on this machine: nothing is hidden, and the test server may be made to misbehave.
    pub(crate) is_local: bool,
}

impl Opened {
    pub(crate) async fn open(
        config: &Config,
        data: &Path,
        audience: Audience,
        store: Arc<dyn MessageStore>,
    ) -> Result<Self, Failure> {
        let listener = bind(audience.listen).await?;
        let address = listener.local_addr()?;
        let mask = config.inspector.mask.unwrap_or(!audience.is_local);
        let token = Token::random();
        let settings = Settings {
            index: config.inspector.index.clone(),
            keep_messages: config.inspector.keep_messages,
            mask,
            reading: if audience.is_local { Reading::Open } else { Reading::Token },
            token: token.clone(),
            mapper: Mapper::new(config.message.clone())
                .map_err(|error| Failure::new(Code::ConfigInvalid, format!("[message]: {error}")))?,
            destination: config.hook.destination.clone(),
        };
        let inspector = Inspector::open(settings, store)
            .map_err(|error| Failure::new(Code::CannotConnect, chain("inspector", &error)))?;
        let door = Door::open(data, address, &token)?;
        let inspection =
            test_hl7_server::Inspection { inspector, listener, controls_faults: audience.is_local };
        Ok(Self { inspection, address, token, door })
    }

    /// The queue, with the inspector looking on and able to operate it.
    pub(crate) fn observe(&self, queue: Arc<dyn Queue>, endpoint: String) -> Arc<dyn Queue> {
        let inspector: &Arc<Inspector> = &self.inspection.inspector;
        let observed: Arc<dyn Queue> = Arc::new(ObservedQueue::new(queue, inspector.feed()));
        inspector.set_pipeline(Arc::new(Operated::new(Arc::clone(&observed), endpoint)));
        observed
    }

    /// For a person: the link that may also make changes.
    pub(crate) fn link(&self) -> String {
        format!("http://{}/#{}", self.address, self.token.as_str())
    }

    /// What serves, and what to drop when it has ended.
    pub(crate) fn into_parts(self) -> (test_hl7_server::Inspection, Door) {
        (self.inspection, self.door)
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn bind(wanted: Option<SocketAddr>) -> Result<TcpListener, Failure> {
    if let Some(address) = wanted.filter(|address| !address.ip().is_loopback()) {
        let text = format!("the inspector shows patient data and stays on this machine: not on {address}");
        return Err(Failure::new(Code::Usage, text).hint("--inspector-listen 127.0.0.1:0"));
    }
    let bound = match wanted {
        Some(address) => TcpListener::bind(address).await,
        None => match TcpListener::bind(USUAL).await {
            Err(_) => TcpListener::bind(FREE_ON_LOOPBACK).await,
            bound => bound,
        },
    };
    bound.map_err(|error| {
        let address = wanted.map_or_else(|| USUAL.to_owned(), |address| address.to_string());
        Failure::new(Code::CannotConnect, format!("cannot listen on {address}: {error}"))
            .hint("--inspector-listen 127.0.0.1:0 takes a free port")
    })
}

/// Where people look for it.
const USUAL: &str = "127.0.0.1:8025";
