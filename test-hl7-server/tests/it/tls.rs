use std::path::Path;

use mllp::{ClientConfig, ClientTlsConfig, Connector, MllpError, ServerTlsConfig, TlsCause};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use test_hl7_server::{Config, Dependencies, Error, Listeners, run};
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use crate::sut::{adt, codes, start, start_with};

/// An authority and a certificate for 127.0.0.1, as files.
fn certificates(folder: &Path) -> ServerTlsConfig {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("a certificate");
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
    for (name, pem) in
        [("ca.pem", authority.pem()), ("server.pem", leaf.pem()), ("server.key", key.serialize_pem())]
    {
        std::fs::write(folder.join(name), pem).expect("a written file");
    }
    ServerTlsConfig {
        cert_file: folder.join("server.pem"),
        key_file: folder.join("server.key"),
        client_ca_file: None,
    }
}

fn connector(address: &str, folder: &Path) -> Connector {
    let tls =
        ClientTlsConfig { enabled: true, ca_file: Some(folder.join("ca.pem")), ..ClientTlsConfig::default() };
    Connector::new(&ClientConfig { address: address.to_owned(), tls, ..ClientConfig::default() })
        .expect("settings")
}

#[tokio::test]
async fn serves_tls_and_plain_tcp_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let sut = start_with(Config { tls: Some(certificates(folder.path())), ..Config::default() }).await;
    let address = sut.tls.clone().unwrap();
    let mut connection = connector(&address, folder.path()).connect().await.unwrap();
    connection.send(adt("C1", "A28", "p-1", "2024").as_bytes()).await.unwrap();
    assert_eq!(codes(connection.receive().await.unwrap().as_bytes()), "AA");
    assert_eq!(sut.send(adt("C2", "A31", "p-1", "2025")).await, "AA");
    assert_eq!(sut.received().await, 2);
    // A message in clear on the TLS port is not heard.
    let mut raw = tokio::net::TcpStream::connect(&address).await.unwrap();
    raw.write_all(b"\x0bMSH|^~\\&|\x1c\r").await.unwrap();
    sut.shutdown.cancel();
    sut.ran.await.unwrap().unwrap();
    assert_eq!(sut.store.writes.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test]
async fn mutual_tls_asks_for_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let mutual =
        ServerTlsConfig { client_ca_file: Some(folder.path().join("ca.pem")), ..certificates(folder.path()) };
    let sut = start_with(Config { tls: Some(mutual), ..Config::default() }).await;
    let error = connector(&sut.tls.clone().unwrap(), folder.path()).connect().await.unwrap_err();
    assert!(matches!(error, MllpError::Tls { cause: TlsCause::ClientCertificateRequired, .. }), "{error:?}");
}

#[tokio::test]
async fn unusable_files_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let files = certificates(folder.path());
    std::fs::write(&files.key_file, "not a key").unwrap();
    let config = Config { listen: "127.0.0.1:0".to_owned(), tls: Some(files), ..Config::default() };
    let listeners = Listeners::bind(&config).await.unwrap();
    let deps = Dependencies { store: start().await.store };
    let error = run(config, deps, listeners, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, Error::Tls(_)) && error.to_string().contains("server.key"), "{error}");
}
