//! The test receiver with its store.

use std::{num::NonZeroUsize, path::Path, sync::Arc, time::SystemTime};

use message_store::{MessageStore, StoreError};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Ended, Endpoint, Ready, Settings, Starter, tls_folder};
use crate::{
    config::Config,
    development_ca::DevelopmentCa,
    exit::{Code, Failure},
    stack::chain,
};

pub(super) async fn run(
    mut config: Config,
    folder: &Path,
    settings: &Settings,
    mut starter: Starter,
) -> Result<Ended, Failure> {
    let ca = DevelopmentCa::in_folder(&tls_folder(folder));
    ca.ensure(SystemTime::now()).map_err(|error| Failure::internal(chain("tls", &error)))?;
    config.receiver.listen = "127.0.0.1:0".to_owned();
    config.receiver.tls = Some(ca.server());
    let limits = &mut config.receiver.limits;
    limits.max_connections = limits.max_connections.max(settings.connections);
    let store = open(&config).await?;
    let listeners = test_hl7_server::Listeners::bind(&config.receiver)
        .await
        .map_err(|error| Failure::new(Code::CannotConnect, error))?;
    let address = listeners.tls.as_ref().and_then(|listener| listener.local_addr().ok());
    let mllp = address.map(|address| Endpoint { address: address.to_string(), ca: ca.ca_file.clone() });
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    let serving = tasks.spawn(test_hl7_server::run(
        config.receiver.clone(),
        test_hl7_server::Dependencies { store },
        listeners,
        shutdown.clone(),
    ));
    starter.ready(&Ready { pid: std::process::id(), http: None, mllp }).await?;
    starter.watch(shutdown, &tasks);
    serving.await.map_err(Failure::internal)?.map_err(Failure::internal)?;
    tasks.close();
    tasks.wait().await;
    // What a new process would find.
    let store = open(&config).await?;
    let stored = count(store.as_ref()).await.map_err(Failure::internal)?;
    Ok(Ended { stored: Some(stored), ..Ended::default() })
}

async fn open(config: &Config) -> Result<Arc<dyn MessageStore>, Failure> {
    let opened = config.store.connect().await;
    opened.map_err(|error| Failure::new(Code::CannotConnect, chain("the store cannot be opened", &error)))
}

async fn count(store: &dyn MessageStore) -> Result<u64, StoreError> {
    let (mut after, mut count) = (None, 0);
    loop {
        let page = store.list_received(after.as_ref(), PAGE).await?;
        count += page.entries.len() as u64;
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

/// Large: a folder is read anew for each page.
const PAGE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999_999);
