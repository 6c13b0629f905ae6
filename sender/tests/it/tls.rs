//! TLS: nothing in clear, every refusal named, and healing without a restart.

use std::{path::Path, sync::Arc};

use mllp::ClientTlsConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use sender::Config;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{
    endpoint::Endpoint,
    harness::{Sender, config},
};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn write(&self, path: &Path) {
        std::fs::write(path, self.issuer.pem()).unwrap();
    }

    fn acceptor(&self, name: &str, last_year: i32) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn secured(address: &str, folder: &TempDir) -> Config {
    let mut config = config(address);
    config.endpoint.tls = ClientTlsConfig {
        enabled: true,
        ca_file: Some(folder.path().join("ca.pem")),
        server_name: Some("hl7.example".into()),
        ..ClientTlsConfig::default()
    };
    config
}

#[tokio::test]
async fn delivers_over_tls() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.write(&folder.path().join("ca.pem"));
    let endpoint = Endpoint::start_with(vec![], Some(authority.acceptor("hl7.example", 2100))).await;
    let sender = Sender::start(secured(&endpoint.address, &folder));
    let sent = [sender.send("a", "m1").await.body, sender.send("a", "m2").await.body];
    sender.drained().await;
    assert_eq!(endpoint.bodies(), sent);
    assert_eq!(endpoint.connections(), 1);
}

#[tokio::test]
async fn a_bad_certificate_gets_no_message() {
    let (folder, authority, stranger) = (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    authority.write(&folder.path().join("ca.pem"));
    for acceptor in [
        authority.acceptor("hl7.example", 2021),
        authority.acceptor("other.example", 2100),
        stranger.acceptor("hl7.example", 2100),
    ] {
        let endpoint = Endpoint::start_with(vec![], Some(acceptor)).await;
        let sender = Sender::start(secured(&endpoint.address, &folder));
        sender.send("a", "m1").await;
        endpoint.until(|| endpoint.connections() == 1).await;
        let summary = sender.stop().await;
        assert!(endpoint.bodies().is_empty());
        assert_eq!((summary.delivered, summary.dead), (0, 0));
    }
}

#[tokio::test]
async fn a_plaintext_peer_sees_no_message() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new().write(&folder.path().join("ca.pem"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sender = Sender::start(secured(&listener.local_addr().unwrap().to_string(), &folder));
    sender.send("a", "m1").await;
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut hello = [0; 3];
    socket.read_exact(&mut hello).await.unwrap();
    assert_eq!(hello[0], 0x16, "a TLS handshake and nothing else");
    drop(socket);
    assert_eq!(sender.stop().await.delivered, 0);
}

#[tokio::test]
async fn unreadable_tls_files_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Arc::new(queue::MemoryQueue::new(queue::MemoryConfig::default()));
    let deps = sender::Dependencies { queue, clock: clock::Clock::system() };
    let started = sender::run(secured("127.0.0.1:1", &folder), deps, Default::default()).await;
    assert!(matches!(started, Err(sender::Error::Tls(_))));
}
