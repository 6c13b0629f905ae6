//! Where an operator finds a running `up`, `sender` or `receiver`: address and token in the data folder.
//! Without such a process the command line serves it to itself, over the queue of the settings.
//!
//! `up` and `receiver` have the inspector there; a sender on its own has the queue's part of the same API. It listens on
//! loopback only. Errors are problem details (RFC 9457). Every change leaves a line in the log.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use inspector::{Access, Pipeline, Reading, Token, pipeline_routes};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::exit::{Code, Failure};

mod access;
pub(crate) mod client;

pub(crate) use self::access::Door;

/// Listening, not yet serving.
#[derive(Debug)]
pub(crate) struct Admin {
    listener: TcpListener,
    token: Token,
    /// Absent when only this process may find it.
    door: Option<Door>,
}

impl Admin {
    /// Binds, and writes address and token where the command line finds them.
    pub(crate) async fn bind(address: SocketAddr, data: &Path) -> Result<Self, Failure> {
        if !address.ip().is_loopback() {
            let text =
                format!("the admin API shows patient data and stays on this machine: not on {address}");
            return Err(Failure::new(Code::Usage, text).hint("127.0.0.1:0"));
        }
        let cannot =
            |error| Failure::new(Code::CannotConnect, format!("cannot listen on {address}: {error}"));
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr()?;
        let token = Token::random();
        let door = Some(Door::open(data, address, &token)?);
        Ok(Self { listener, token, door })
    }

    /// Binds for this process alone.
    async fn bind_private() -> Result<Self, Failure> {
        let listener = TcpListener::bind(FREE_ON_LOOPBACK).await?;
        Ok(Self { listener, token: Token::random(), door: None })
    }

    /// Serves the queue until `stop`, then removes what [`bind`](Self::bind) wrote.
    pub(crate) async fn serve(self, pipeline: Arc<dyn Pipeline>, stop: CancellationToken) {
        let Self { listener, token, door, .. } = self;
        let changes = TaskTracker::new();
        let router = pipeline_routes(pipeline, Access::new(token, Reading::Token), changes.clone());
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!(%error, "the admin API ended");
        }
        changes.close();
        changes.wait().await;
        drop(door);
    }
}

/// Where it listens unless told otherwise; the command line finds it through the data folder.
pub(crate) const FREE_ON_LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// For the last requests of an operator.
pub(crate) const ADMIN_GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
