//! Certificates and handshakes that are wrong, and their repair without a restart.

use std::path::Path;

use fault_harness::{
    certificates::{Authority, Validity},
    endpoint::{Endpoint, Script, Security},
};

use crate::rig::{DEADLINE, Rig};

async fn secured(security: Security) -> Endpoint {
    Endpoint::start_with(Script::accept(), security).await.expect("started")
}

fn trusting(endpoint: &Endpoint, authority: &Path) -> Rig {
    let ca_file = authority.to_owned();
    Rig::start(endpoint.address(), |config| {
        config.endpoint.tls.enabled = true;
        config.endpoint.tls.ca_file = Some(ca_file);
        config.endpoint.tls.server_name = Some("hospital.example".into());
    })
}

#[tokio::test]
async fn f25_nothing_is_sent_to_an_endpoint_that_cannot_prove_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let ca_file = authority.write(folder.path(), "ca.crt").expect("written");
    let names = ["hospital.example"];
    let server = |authority: &Authority, names: &[&str], validity| {
        Security::Tls(authority.issue(names, validity).server(None))
    };
    let client_needed = Security::Tls(authority.issue(&names, Validity::Now).server(Some(&authority)));
    for security in [
        server(&authority, &names, Validity::Expired),
        server(&authority, &names, Validity::NotYet),
        server(&authority, &["elsewhere.example"], Validity::Now),
        server(&stranger, &names, Validity::Now),
        client_needed,
        Security::Plain,
        Security::OldVersion,
        Security::StalledHandshake,
        Security::AbortedHandshake,
    ] {
        let label = format!("{security:?}");
        let endpoint = secured(security).await;
        let rig = trusting(&endpoint, &ca_file);
        rig.send_all(2, 1).await;
        let tried = |endpoint: &Endpoint| endpoint.connections().iter().any(|connection| connection.ended);
        let stalled = |endpoint: &Endpoint| !endpoint.connections().is_empty();
        let condition = if label == "StalledHandshake" { stalled } else { tried };
        assert!(endpoint.wait_until(DEADLINE, condition).await, "{label}: never tried");
        assert!(endpoint.received().is_empty(), "{label}: a message got through");
        assert!(rig.queue.deleted().is_empty() && rig.queue.dead().is_empty(), "{label}");
    }
}

#[tokio::test]
async fn f25_a_repaired_certificate_heals_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let ca_file = old.write(folder.path(), "ca.crt").expect("written");
    let identity = new.issue(&["hospital.example"], Validity::Now);
    let endpoint = secured(Security::Tls(identity.server(None))).await;
    let rig = trusting(&endpoint, &ca_file);
    rig.send_all(2, 2).await;
    let refused =
        |endpoint: &Endpoint| endpoint.connections().iter().any(|seen| seen.handshake_error.is_some());
    assert!(endpoint.wait_until(DEADLINE, refused).await);
    let swapped = folder.path().join("ca.new");
    std::fs::write(&swapped, new.pem()).expect("written");
    std::fs::rename(swapped, ca_file).expect("swapped");
    // The files are looked at twice a minute.
    assert!(endpoint.wait_until(2 * DEADLINE, |endpoint| endpoint.stored().len() == 4).await);
    rig.settles(&endpoint, 0).await;
}
