//! A listener that a scenario can take away and bring back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mllp::Server;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Control, Faulty};

/// Serves; in an outage the port is closed, and the connections there are end after the message they are at.
pub(crate) async fn serve(
    server: impl Fn() -> Server<Faulty>,
    listener: TcpListener,
    control: Arc<Control>,
    shutdown: CancellationToken,
) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    loop {
        let bound = match listener.take() {
            Some(listener) => Some(listener),
            None => shutdown.run_until_cancelled(bind(address)).await,
        };
        let Some(bound) = bound else { return };
        let stop = shutdown.child_token();
        let serving = server().serve(bound, stop.clone());
        tokio::pin!(serving);
        tokio::select! {
            () = &mut serving => {}
            () = control.until_refused(true) => {
                tracing::warn!(%address, "fault injected: connections are refused");
                stop.cancel();
                serving.await;
            }
        }
        if shutdown.run_until_cancelled(control.until_refused(false)).await.is_none() {
            return;
        }
    }
}

async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                tracing::warn!(%address, "connections are accepted again");
                return listener;
            }
            Err(error) => tracing::warn!(%address, %error, "cannot listen again yet"),
        }
        sleep(PAUSE).await;
    }
}

const PAUSE: Duration = Duration::from_millis(50);
