//! The bare skeleton: axum, SQLite, TLS, SQLite, acknowledgment, delete. It speaks to the driver as `bench part` does.

use std::{
    io::{self, BufRead as _, Write as _},
    path::Path,
    sync::{Arc, mpsc},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::{Mutex, mpsc::UnboundedReceiver, mpsc::UnboundedSender, oneshot},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{
    Error,
    store::{self, Job},
};

/// The elements that the skeleton carries; nothing is checked.
#[derive(serde::Deserialize)]
struct Patient<'a> {
    #[serde(borrow)]
    identifier: Vec<Identifier<'a>>,
    #[serde(borrow)]
    name: Vec<Name<'a>>,
    #[serde(borrow)]
    gender: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, rename = "birthDate")]
    birth_date: Option<std::borrow::Cow<'a, str>>,
}

#[derive(serde::Deserialize)]
struct Identifier<'a> {
    #[serde(borrow)]
    value: std::borrow::Cow<'a, str>,
}

#[derive(serde::Deserialize)]
struct Name<'a> {
    #[serde(borrow)]
    family: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    given: Vec<std::borrow::Cow<'a, str>>,
}

#[derive(Clone)]
struct Hook {
    store: mpsc::Sender<Job>,
    ready: UnboundedSender<(i64, u64, String)>,
}

pub(crate) fn bridge(folder: &str, settings: &str) -> Result<(), Error> {
    let settings: Value = serde_json::from_str(settings)?;
    let address = settings["endpoint"]["address"].as_str().ok_or("no endpoint")?.to_owned();
    let ca = settings["endpoint"]["ca"].as_str().ok_or("no ca")?.to_owned();
    let connections = settings["connections"].as_u64().ok_or("no connections")?;
    let store = store::open(&Path::new(folder).join("queue.db"))?;
    Runtime::new()?.block_on(async move {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca)?)?;
        let tls = Arc::new(
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth(),
        );
        let (ready, waiting) = tokio::sync::mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let mut sending = Vec::new();
        for _ in 0..connections {
            let socket = TcpStream::connect(&address).await?;
            socket.set_nodelay(true)?;
            let stream = TlsConnector::from(Arc::clone(&tls))
                .connect(ServerName::try_from("localhost")?, socket)
                .await?;
            sending.push(send_all(stream, Arc::clone(&waiting), store.clone()));
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let http = listener.local_addr()?.to_string();
        let app = Router::new().route("/persistence/Patient", post(hook)).with_state(Hook { store, ready });
        println!("{}", json!({ "pid": std::process::id(), "http": http }));
        let tasks: Vec<_> = sending.into_iter().map(spawn).collect();
        let serving = spawn(async move { axum::serve(listener, app).await });
        until_let_go().await?;
        serving.abort();
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        println!("{}", json!({ "handshakes": connections }));
        Ok(())
    })
}

async fn hook(State(hook): State<Hook>, body: Bytes) -> StatusCode {
    let Ok(patient) = serde_json::from_slice::<Patient<'_>>(&body) else { return StatusCode::BAD_REQUEST };
    let Some(number) = patient.identifier.first().and_then(|first| first.value.strip_prefix("bench-")) else {
        return StatusCode::BAD_REQUEST;
    };
    let Ok(key) = number.parse::<u64>() else { return StatusCode::BAD_REQUEST };
    let mut er7 = format!(
        "MSH|^~\\&|A|B|C|D|20260101000000||ADT^A28^ADT_A05|BENCH{number}|P|2.5.1\rEVN||20260101000000\rPID|1||"
    );
    for (at, identifier) in patient.identifier.iter().enumerate() {
        er7.push_str(if at == 0 { "" } else { "~" });
        er7.push_str(&identifier.value);
        er7.push_str("^^^ACME^MR");
    }
    er7.push_str("||");
    for (at, name) in patient.name.iter().enumerate() {
        er7.push_str(if at == 0 { "" } else { "~" });
        er7.push_str(name.family.as_deref().unwrap_or_default());
        for given in &name.given {
            er7.push('^');
            er7.push_str(given);
        }
    }
    er7.push_str("||");
    er7.push_str(patient.birth_date.as_deref().unwrap_or_default());
    er7.push('|');
    er7.push_str(patient.gender.as_deref().unwrap_or_default());
    // As long as the message of the product.
    er7.push_str("\rPV1||N\rZPD|");
    er7.extend(std::iter::repeat_n('x', 400));
    er7.push('\r');
    let (answer, durable) = oneshot::channel();
    if hook.store.send(Job::Insert(er7.clone(), answer)).is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    match durable.await {
        Ok(id) if hook.ready.send((id, key, er7)).is_ok() => StatusCode::CREATED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

type Waiting = Arc<Mutex<UnboundedReceiver<(i64, u64, String)>>>;

async fn send_all(
    mut stream: tokio_rustls::client::TlsStream<TcpStream>,
    waiting: Waiting,
    store: mpsc::Sender<Job>,
) -> Result<(), Error> {
    let mut buffer = Vec::with_capacity(1024);
    loop {
        let next = waiting.lock().await.recv().await;
        let Some((id, number, er7)) = next else { return Ok(()) };
        let frame = [b"\x0b", er7.as_bytes(), b"\x1c\r"].concat();
        stream.write_all(&frame).await?;
        stream.flush().await?;
        let answer = frame_of(&mut stream, &mut buffer).await?.ok_or("closed")?;
        let expected = format!("MSA|AA|BENCH{number:010}");
        if !String::from_utf8_lossy(&answer).contains(&expected) {
            return Err("not acknowledged".into());
        }
        let acknowledged = now();
        store
            .send(Job::Delete(id, Box::new(move || println!("{number} {acknowledged} {}", now()))))
            .map_err(|_| "the store is gone")?;
    }
}

pub(crate) fn receiver(folder: &str) -> Result<(), Error> {
    let path = Path::new(folder).join("received.db");
    let stored = path.clone();
    let store = store::open(&path)?;
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let ca = Path::new(folder).join("ca.pem");
    std::fs::write(&ca, signed.cert.pem())?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    Runtime::new()?.block_on(async move {
        let tls = Arc::new(
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(vec![signed.cert.der().clone()], key)?,
        );
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = json!({ "address": listener.local_addr()?.to_string(), "ca": ca });
        println!("{}", json!({ "pid": std::process::id(), "mllp": endpoint }));
        let serving = spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                drop(spawn(receive_all(TlsAcceptor::from(Arc::clone(&tls)), socket, store.clone())));
            }
        });
        until_let_go().await?;
        serving.abort();
        println!("{}", json!({ "stored": store::count(&stored)? }));
        Ok(())
    })
}

async fn receive_all(tls: TlsAcceptor, socket: TcpStream, store: mpsc::Sender<Job>) -> Result<(), Error> {
    socket.set_nodelay(true)?;
    let mut stream = tls.accept(socket).await?;
    let mut buffer = Vec::with_capacity(4096);
    while let Some(frame) = frame_of(&mut stream, &mut buffer).await? {
        let er7 = String::from_utf8(frame)?;
        let id = er7.split('|').nth(9).ok_or("no MSH-10")?.to_owned();
        let (answer, durable) = oneshot::channel();
        store.send(Job::Insert(er7, answer)).map_err(|_| "the store is gone")?;
        durable.await?;
        let answer = format!("\x0bMSH|^~\\&|S||||||ACK|1|P|2.5.1\rMSA|AA|{id}\r\x1c\r");
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
    }
    Ok(())
}

/// The next frame without its framing.
async fn frame_of(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = memchr::memchr(0x1c, buffer).filter(|end| buffer.len() > end + 1) {
            let frame = buffer.get(1..end).unwrap_or_default().to_vec();
            buffer.drain(..end + 2);
            return Ok(Some(frame));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Until standard input ends.
async fn until_let_go() -> Result<(), Error> {
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        io::stdin().lock().lines().map_while(Result::ok).for_each(drop);
        end.send(()).ok();
    });
    ended.await?;
    io::stdout().flush()?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a floor has no shutdown in good order")]
fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(work)
}

fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}
