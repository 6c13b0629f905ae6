//! Certificates and handshakes that are wrong, and their repair without a restart.

use std::path::Path;

use fault_harness::{
    certificates::{Authority, Validity},
    endpoint::{Endpoint, Script, Security},
    oracle::Mark,
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
        // A TLS hello of random bytes may look like a frame.
        let received = Mark::find_all(endpoint.received().iter().map(|one| &one.body));
        assert!(received.is_empty(), "{label}: a message got through");
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
    rig.settles(&endpoint, 0).await;
}

#[tokio::test]
async fn f26_certificates_replaced_under_load_and_broken_ones_cost_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("ours");
    let ca_file = authority.write(folder.path(), "ca.crt").expect("written");
    let ours =
        authority.issue(&["bridge.example"], Validity::Now).write(folder.path(), "client").expect("written");
    let server = authority.issue(&["hospital.example"], Validity::Now).server(Some(&authority));
    let endpoint = secured(Security::Tls(server)).await;
    let (cert_file, key_file) = (ours.certificate.clone(), ours.key.clone());
    let rig = Rig::start(endpoint.address(), |config| {
        config.endpoint.tls.enabled = true;
        config.endpoint.tls.ca_file = Some(ca_file);
        config.endpoint.tls.server_name = Some("hospital.example".into());
        config.endpoint.tls.cert_file = Some(cert_file);
        config.endpoint.tls.key_file = Some(key_file);
    });
    rig.send_all(2, 2).await;
    rig.drained().await;
    // A new certificate whose key is missing: a pair that does not fit. The old one stays in use.
    let next = authority.issue(&["bridge.example"], Validity::Now);
    std::fs::write(&ours.certificate, &next.certificate).expect("written");
    let mut version = 2;
    let mut keep_sending = async |rig: &Rig, until: &dyn Fn() -> bool| {
        let started = std::time::Instant::now();
        while !until() && started.elapsed() < DEADLINE {
            version += 1;
            rig.send(Mark { group: version % 3 + 1, version }).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    // Longer than the files are left unread.
    let broken_since = std::time::Instant::now();
    keep_sending(&rig, &|| broken_since.elapsed() > std::time::Duration::from_secs(4)).await;
    assert_eq!(endpoint.connections().len(), 1, "the good connection was kept");
    // With its key it is taken, which shows in a new connection.
    std::fs::write(&ours.key, &next.key).expect("written");
    keep_sending(&rig, &|| endpoint.connections().len() > 1).await;
    assert_eq!(endpoint.connections().len(), 2);
    rig.settles(&endpoint, 0).await;
}
