use mllp::{MllpError, ServerTls, TlsCause};

use crate::listener::{LIMITS, connector, start};
use crate::pki::{GOOD, Leaf, Pki, copy};

#[tokio::test]
async fn new_files_heal_the_endpoint_without_a_restart() {
    let pki = Pki::new();
    let tls = ServerTls::new(&pki.server(&Leaf { years: (2001, 2002), ..GOOD })).unwrap();
    let server = start(LIMITS, Some(tls.clone())).await;
    let client = connector(&server.address, pki.client());
    let error = client.connect().await.unwrap_err();
    assert!(matches!(error, MllpError::Tls { cause: TlsCause::Expired, .. }), "{error:?}");
    assert!(!tls.files().reload_if_changed().unwrap());

    let mut changes = tls.files().subscribe();
    pki.issue("server", &GOOD);
    assert!(tls.files().reload_if_changed().unwrap());
    assert!(changes.has_changed().unwrap());
    client.connect().await.unwrap();
    assert_eq!(changes.borrow_and_update().certificate.as_ref().unwrap().subject, "CN=Test server");
}

#[tokio::test]
async fn a_broken_new_pair_is_refused_and_the_last_good_one_stays() {
    let pki = Pki::new();
    let tls = ServerTls::new(&pki.server(&GOOD)).unwrap();
    let server = start(LIMITS, Some(tls.clone())).await;
    let client = connector(&server.address, pki.client());
    let mut before = client.connect().await.unwrap();

    pki.issue("other", &GOOD);
    copy(&pki.path("other.pem"), &pki.path("server.pem"));
    assert!(tls.files().reload_if_changed().is_err(), "the key is still the old one");
    assert!(!tls.files().reload_if_changed().unwrap(), "told once");
    client.connect().await.unwrap();

    copy(&pki.path("other.key"), &pki.path("server.key"));
    assert!(tls.files().reload_if_changed().unwrap());
    client.connect().await.unwrap();
    before.send(b"A").await.unwrap();
    assert_eq!(before.receive().await.unwrap().as_bytes(), b"ack:A", "old connections go on");
}

#[tokio::test]
async fn a_client_reads_its_authorities_again() {
    let (old, new) = (Pki::new(), Pki::new());
    let server = start(LIMITS, Some(ServerTls::new(&new.server(&GOOD)).unwrap())).await;
    let client = connector(&server.address, old.client());
    let error = client.connect().await.unwrap_err();
    assert!(matches!(error, MllpError::Tls { cause: TlsCause::UnknownAuthority, .. }), "{error:?}");
    copy(&new.path("ca.pem"), &old.path("ca.pem"));
    client.tls().unwrap().files().reload().unwrap();
    client.connect().await.unwrap();
}
