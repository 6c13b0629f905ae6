//! Hook, queue and sender in one process, as `up` runs them, without the inspector.

use std::{path::Path, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Ended, Ready, Settings, Starter};
use crate::{
    bench::measured::MeasuredQueue,
    config::Config,
    exit::Failure,
    stack::{Listen, Stack},
};

pub(super) async fn run(
    mut config: Config,
    folder: &Path,
    settings: &Settings,
    mut starter: Starter,
) -> Result<Ended, Failure> {
    send_to(&mut config.sender, settings)?;
    let free = ([127, 0, 0, 1], 0).into();
    let listen = Listen { hook: free, mllp_tls: free, mllp_plain: None, inspector: None };
    let mut stack = Stack::prepare(config, folder, listen).await?;
    stack.queue = Arc::new(MeasuredQueue::new(Arc::clone(&stack.queue), starter.told.clone()));
    let ready = Ready { pid: std::process::id(), http: Some(stack.hook.to_string()), mllp: None };
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    let services = tasks.spawn(stack.run(shutdown.clone()));
    starter.ready(&ready).await?;
    starter.watch(shutdown, &tasks);
    let settled = services.await.map_err(Failure::internal)??;
    tasks.close();
    tasks.wait().await;
    Ok(Ended { handshakes: Some(settled.connections), ..Ended::default() })
}

/// Makes the endpoint of the settings the sender's.
pub(super) fn send_to(config: &mut sender::Config, settings: &Settings) -> Result<(), Failure> {
    let endpoint = settings.endpoint.as_ref().ok_or_else(|| Failure::internal("no endpoint is named"))?;
    config.endpoint.address.clone_from(&endpoint.address);
    config.endpoint.tls = mllp::ClientTlsConfig {
        enabled: true,
        ca_file: Some(endpoint.ca.clone()),
        ..mllp::ClientTlsConfig::default()
    };
    config.connections = settings.connections;
    config.max_held = config.max_held.max(settings.connections);
    Ok(())
}
