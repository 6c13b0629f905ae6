use std::time::Duration;

use mllp::client::Timeouts;
use mllp::server::Count;
use mllp::{ClientTls, ClientTlsConfig, MllpError, ServerTls, ServerTlsConfig, TlsCause, TlsConfigError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::listener::{LIMITS, connector, rest, start};
use crate::pki::{GOOD, Leaf, Pki};

/// Connects, sends and receives.
async fn exchange(address: &str, tls: ClientTlsConfig) -> Result<(), MllpError> {
    let mut connection = connector(address, tls).connect().await?;
    connection.send(b"A").await?;
    assert_eq!(connection.receive().await?.as_bytes(), b"ack:A");
    connection.close().await;
    Ok(())
}

fn cause(result: Result<(), MllpError>) -> (TlsCause, String) {
    match result {
        Err(error @ MllpError::Tls { cause, .. }) => {
            assert!(!error.is_ambiguous());
            assert_eq!(error.needs_configuration(), cause != TlsCause::Aborted);
            (cause, error.to_string())
        }
        other => panic!("expected a TLS error, not {other:?}"),
    }
}

#[tokio::test]
async fn sends_over_tls_by_name_and_by_address() {
    let pki = Pki::new();
    let server = start(LIMITS, Some(ServerTls::new(&pki.server(&GOOD)).unwrap())).await;
    exchange(&server.address, pki.client()).await.unwrap();
    let named = ClientTlsConfig { server_name: Some("localhost".to_owned()), ..pki.client() };
    let mut connection = connector(&server.address, named).connect().await.unwrap();
    assert_eq!(connection.certificate().unwrap().subject, "CN=Test server");
    connection.send(b"A").await.unwrap();
    connection.receive().await.unwrap();
}

#[tokio::test]
async fn names_what_is_wrong_with_the_server_certificate() {
    let cases = [
        (Leaf { years: (2001, 2002), ..GOOD }, TlsCause::Expired),
        (Leaf { years: (2080, 2090), ..GOOD }, TlsCause::NotYetValid),
        (Leaf { names: &["other.example.org"], ..GOOD }, TlsCause::WrongName),
    ];
    for (leaf, expected) in cases {
        let pki = Pki::new();
        let server = start(LIMITS, Some(ServerTls::new(&pki.server(&leaf)).unwrap())).await;
        let (cause, text) = cause(exchange(&server.address, pki.client()).await);
        assert_eq!(cause, expected);
        assert!(text.contains("subject \"CN=Test server\"") && text.contains("valid "), "{text}");
        server.counted(Count::HandshakeFailure, 1).await;
        assert_eq!(server.statistics.get(Count::Frame), 0);
    }
}

#[tokio::test]
async fn an_unknown_authority_is_named() {
    let (pki, other) = (Pki::new(), Pki::new());
    let server = start(LIMITS, Some(ServerTls::new(&pki.server(&GOOD)).unwrap())).await;
    let (cause, text) = cause(exchange(&server.address, other.client()).await);
    assert_eq!(cause, TlsCause::UnknownAuthority);
    assert!(text.contains("issuer \"CN=Test CA\""), "{text}");
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_and_checked() {
    let (pki, other) = (Pki::new(), Pki::new());
    let mutual = ServerTlsConfig { client_ca_file: Some(pki.path("ca.pem")), ..pki.server(&GOOD) };
    let server = start(LIMITS, Some(ServerTls::new(&mutual).unwrap())).await;
    let client = |pki: &Pki, leaf: &Leaf<'_>| {
        pki.issue("client", leaf);
        let (cert_file, key_file) = (Some(pki.path("client.pem")), Some(pki.path("client.key")));
        ClientTlsConfig { cert_file, key_file, ..pki.client() }
    };

    let with_good = client(&pki, &GOOD);
    exchange(&server.address, with_good.clone()).await.unwrap();
    exchange(&server.address, with_good).await.unwrap();
    let (missing, _) = cause(exchange(&server.address, pki.client()).await);
    assert_eq!(missing, TlsCause::ClientCertificateRequired);
    let expired = client(&pki, &Leaf { years: (2001, 2002), ..GOOD });
    assert_eq!(cause(exchange(&server.address, expired).await).0, TlsCause::CertificateRefused);
    let foreign = ClientTlsConfig { ca_file: Some(pki.path("ca.pem")), ..client(&other, &GOOD) };
    assert_eq!(cause(exchange(&server.address, foreign).await).0, TlsCause::CertificateRefused);
    assert_eq!(server.statistics.get(Count::Frame), 2, "only the good one was heard");
}

/// Nothing that looks like a message may reach a peer that speaks no TLS.
#[tokio::test]
async fn a_plaintext_peer_is_named_and_hears_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"\x0bMSH|^~\\&|PLAIN\x1c\r").await.unwrap();
        let mut heard = Vec::new();
        drop(stream.read_to_end(&mut heard).await);
        heard
    });
    assert_eq!(cause(exchange(&address, Pki::new().client()).await).0, TlsCause::Plaintext);
    let heard = peer.await.unwrap();
    assert!(!heard.contains(&0x0b) || heard.first() == Some(&0x16), "only a handshake record");
}

#[tokio::test]
async fn a_stalled_and_an_aborted_handshake_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connector = connector(&listener.local_addr().unwrap().to_string(), Pki::new().client());
    let timeouts = Timeouts { handshake: Duration::from_millis(50), ..connector.timeouts() };
    let stalled = connector.with_timeouts(timeouts);
    let error = stalled.connect().await.unwrap_err();
    assert!(matches!(error, MllpError::HandshakeTimeout) && !error.is_ambiguous(), "{error:?}");
    drop(listener.accept().await.unwrap());
    let (aborted, accepted) = tokio::join!(stalled.connect(), async {
        drop(listener.accept().await.unwrap());
    });
    let () = accepted;
    let error = aborted.unwrap_err();
    assert!(matches!(error, MllpError::Tls { cause: TlsCause::Aborted, .. }), "{error:?}");
}

/// A TLS 1.1 server answers a hello that offers 1.2 and 1.3 with the alert `protocol_version`.
#[tokio::test]
async fn a_peer_older_than_tls_1_2_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&[0x15, 0x03, 0x02, 0x00, 0x02, 0x02, 0x46]).await.unwrap();
        rest(&mut stream).await;
    });
    assert_eq!(cause(exchange(&address, Pki::new().client()).await).0, TlsCause::Incompatible);
    peer.await.unwrap();
}

#[tokio::test]
async fn the_server_survives_plaintext_silence_and_probes() {
    let pki = Pki::new();
    let limits = mllp::Limits { handshake: Duration::from_millis(100), ..LIMITS };
    let server = start(limits, Some(ServerTls::new(&pki.server(&GOOD)).unwrap())).await;
    let mut plain = server.raw().await;
    plain.write_all(b"\x0bMSH|^~\\&|\x1c\r").await.unwrap();
    rest(&mut plain).await;
    let mut silent = server.raw().await;
    rest(&mut silent).await;
    server.counted(Count::HandshakeFailure, 2).await;
    drop(server.raw().await);
    server.counted(Count::Probe, 1).await;
    assert_eq!(server.statistics.get(Count::Frame), 0);
    exchange(&server.address, pki.client()).await.unwrap();
}

#[test]
fn unusable_files_are_named() {
    let pki = Pki::new();
    let good = pki.server(&GOOD);
    let refused = |config: &ServerTlsConfig| ServerTls::new(config).unwrap_err();
    let missing = ServerTlsConfig { cert_file: pki.path("none.pem"), ..good.clone() };
    assert!(
        matches!(refused(&missing), TlsConfigError::Unreadable { path, .. } if path.ends_with("none.pem"))
    );
    let swapped = ServerTlsConfig { key_file: good.cert_file.clone(), ..good.clone() };
    assert!(matches!(refused(&swapped), TlsConfigError::Unreadable { .. }));
    let keyed = ServerTlsConfig { cert_file: good.key_file.clone(), ..good.clone() };
    assert!(matches!(refused(&keyed), TlsConfigError::NoCertificate { .. }));
    pki.issue("other", &GOOD);
    let mixed = ServerTlsConfig { key_file: pki.path("other.key"), ..good };
    assert!(matches!(refused(&mixed), TlsConfigError::Pair { .. }));
    let half = ClientTlsConfig { cert_file: Some(pki.path("server.pem")), ..pki.client() };
    assert!(matches!(ClientTls::new(&half, "localhost:1"), Err(TlsConfigError::HalfPair)));
    let name = ClientTlsConfig { server_name: Some("not a name".to_owned()), ..pki.client() };
    assert!(matches!(ClientTls::new(&name, "localhost:1"), Err(TlsConfigError::ServerName)));
}
