//! TLS faults, as the client of this project names them.

use std::path::Path;
use std::time::Duration;

use mllp::{ClientConfig, ClientTlsConfig, Connector, MllpError, ServerTlsConfig, TlsCause};
use test_hl7_server::Config;

use crate::fault_certificates;
use crate::sut::{Sut, adt, codes, start_with_faults};

/// Certificates as a user makes them, and a server with the good one.
async fn start(folder: &Path, then: &str) -> Sut {
    fault_certificates::make(folder, "server.example").expect("certificates");
    let tls = ServerTlsConfig {
        cert_file: folder.join("good.pem"),
        key_file: folder.join("good.key"),
        client_ca_file: None,
    };
    let then = then.replace("FOLDER", &folder.display().to_string());
    let rule = format!("[[connection]]\ntimes = 1\nthen = [{then}]");
    start_with_faults(&rule, Config { tls: Some(tls), ..Config::default() }).await
}

fn connector(sut: &Sut, folder: &Path) -> Connector {
    let tls =
        ClientTlsConfig { enabled: true, ca_file: Some(folder.join("ca.pem")), ..ClientTlsConfig::default() };
    let address = sut.tls.clone().unwrap();
    let config = ClientConfig { address, tls, handshake_timeout_seconds: 1, ..ClientConfig::default() };
    Connector::new(&config).expect("settings")
}

async fn works(connector: &Connector) {
    let mut connection = connector.connect().await.expect("a connection without the fault");
    connection.send(adt("C1", "A28", "p-1", "2024").as_bytes()).await.unwrap();
    assert_eq!(codes(connection.receive().await.unwrap().as_bytes()), "AA");
}

#[tokio::test]
async fn shows_certificates_that_are_wrong_in_one_way() {
    for (name, expected) in [
        ("expired", TlsCause::Expired),
        ("not-yet-valid", TlsCause::NotYetValid),
        ("wrong-name", TlsCause::WrongName),
        ("unknown-ca", TlsCause::UnknownAuthority),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let then = format!(
            "{{ certificate = {{ cert_file = 'FOLDER/{name}.pem', key_file = 'FOLDER/{name}.key' }} }}"
        );
        let sut = start(folder.path(), &then).await;
        let connector = connector(&sut, folder.path());
        let error = connector.connect().await.unwrap_err();
        assert!(matches!(error, MllpError::Tls { cause, .. } if cause == expected), "{name}: {error:?}");
        works(&connector).await;
        assert_eq!(sut.admin("GET", "/faults", "").await.1[0]["actions"][0], "certificate");
    }
}

#[tokio::test]
async fn demands_a_client_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let then = "{ certificate = { cert_file = 'FOLDER/good.pem', key_file = 'FOLDER/good.key', client_ca_file = 'FOLDER/ca.pem' } }";
    let sut = start(folder.path(), then).await;
    let error = connector(&sut, folder.path()).connect().await.unwrap_err();
    assert!(matches!(error, MllpError::Tls { cause: TlsCause::ClientCertificateRequired, .. }), "{error:?}");
}

#[tokio::test]
async fn stalls_aborts_and_ages() {
    for then in ["'stall_handshake'", "'abort_handshake'", "'old_tls'", "'stall'"] {
        let folder = tempfile::tempdir().unwrap();
        let sut = start(folder.path(), then).await;
        let connector = connector(&sut, folder.path());
        let connecting = tokio::time::timeout(Duration::from_secs(10), connector.connect());
        let error = connecting.await.expect("an error in time").unwrap_err();
        let expected = match then {
            "'old_tls'" => matches!(error, MllpError::Tls { cause: TlsCause::Incompatible, .. }),
            "'abort_handshake'" => !error.is_ambiguous() && !matches!(error, MllpError::HandshakeTimeout),
            _ => matches!(error, MllpError::HandshakeTimeout),
        };
        assert!(expected, "{then}: {error:?}");
        works(&connector).await;
    }
}

#[tokio::test]
async fn unusable_files_of_a_rule_are_named_before_it_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let sut = start(folder.path(), "'close'").await;
    let rule = "[[connection]]\nname = 'x'\nthen = [{ certificate = { cert_file = 'no.pem', key_file = 'no.key' } }]";
    let (status, reason) = sut.admin("PUT", "/scenario", rule).await;
    assert!(status == 400 && reason.as_str().unwrap().starts_with("x: cannot read no."), "{reason}");
}
