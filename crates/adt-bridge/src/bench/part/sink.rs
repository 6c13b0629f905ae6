//! An endpoint that reads frames and answers AA, and does nothing else: neither checks nor stores.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Ended, Endpoint, Ready, Starter, tls_folder};
use crate::{development_ca::DevelopmentCa, exit::Failure, stack::chain};

pub(super) async fn run(folder: &Path, mut starter: Starter) -> Result<Ended, Failure> {
    let ca = DevelopmentCa::in_folder(&tls_folder(folder));
    ca.ensure(SystemTime::now()).map_err(|error| Failure::internal(chain("tls", &error)))?;
    let tls = mllp::ServerTls::new(&ca.server()).map_err(Failure::internal)?;
    let acceptor = TlsAcceptor::from(Arc::clone(tls.files().current().config()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = Endpoint { address: listener.local_addr()?.to_string(), ca: ca.ca_file.clone() };
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    let handshakes = Arc::new(AtomicU64::new(0));
    let (connections, counted, stop) = (tasks.clone(), Arc::clone(&handshakes), shutdown.clone());
    tasks.spawn(stop.run_until_cancelled_owned(async move {
        while let Ok((socket, _)) = listener.accept().await {
            connections.spawn(answer_all(acceptor.clone(), socket, Arc::clone(&counted)));
        }
    }));
    starter.ready(&Ready { pid: std::process::id(), mllp: Some(endpoint), ..Ready::default() }).await?;
    starter.watch(shutdown.clone(), &tasks);
    shutdown.cancelled().await;
    Ok(Ended { handshakes: Some(handshakes.load(Ordering::Relaxed)), ..Ended::default() })
}

/// Until the peer closes or sends what is no message.
async fn answer_all(acceptor: TlsAcceptor, socket: TcpStream, handshakes: Arc<AtomicU64>) {
    socket.set_nodelay(true).ok();
    let Ok(mut stream) = acceptor.accept(socket).await else { return };
    handshakes.fetch_add(1, Ordering::Relaxed);
    let (mut buffer, mut answer) = (Vec::with_capacity(16 * 1024), Vec::with_capacity(256));
    while let Ok(1..) = stream.read_buf(&mut buffer).await {
        while let Some(end) = memchr::memchr(END_BLOCK, &buffer) {
            // The carriage return may not be there yet.
            if buffer.len() < end + 2 {
                break;
            }
            let Some(control_id) = buffer.split(|byte| *byte == b'|').nth(9) else { return };
            answer.clear();
            answer.extend_from_slice(b"\x0bMSH|^~\\&|SINK||||||ACK|S|P|2.5.1\rMSA|AA|");
            answer.extend_from_slice(control_id);
            answer.extend_from_slice(b"\r\x1c\r");
            if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            buffer.drain(..end + 2);
        }
    }
}

const END_BLOCK: u8 = 0x1c;
