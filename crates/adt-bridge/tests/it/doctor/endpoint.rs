//! The HL7 endpoint and its certificates.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use fault_harness::{
    certificates::{Authority, Validity},
    endpoint::{Endpoint, Reply, Script, Security, Step},
    port::Port,
};

use super::Diagnosis;

async fn of_endpoint(data: &Path, address: &str, ca_file: &Path, more: &[(&str, &str)]) -> Diagnosis {
    let settings = [
        ("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS", address),
        ("ADT_BRIDGE__SENDER__ENDPOINT__TLS__ENABLED", "true"),
        ("ADT_BRIDGE__SENDER__ENDPOINT__TLS__CA_FILE", ca_file.to_str().unwrap()),
        ("ADT_BRIDGE__SENDER__ENDPOINT__HANDSHAKE_TIMEOUT_SECONDS", "1"),
    ];
    Diagnosis::of(&["--role", "sender"], data, &[&settings[..], more].concat()).await
}

#[tokio::test]
async fn each_fault_of_the_endpoint_and_its_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (ours, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let ca_file = ours.write(data, "ca.crt").unwrap();
    let server = |authority: &Authority, name: &str, validity| {
        Security::Tls(authority.issue(&[name, "127.0.0.1"], validity).server(None))
    };
    let elsewhere = Security::Tls(ours.issue(&["elsewhere.example"], Validity::Now).server(None));
    let client_needed = Security::Tls(ours.issue(&["127.0.0.1"], Validity::Now).server(Some(&stranger)));
    for (security, code, part) in [
        (server(&ours, "localhost", Validity::Expired), "tls-expired", "expired"),
        (server(&ours, "localhost", Validity::NotYet), "tls-not-yet-valid", "not valid yet"),
        (elsewhere, "tls-wrong-name", "elsewhere.example"),
        (server(&stranger, "localhost", Validity::Now), "tls-unknown-authority", "ca.crt"),
        (client_needed, "tls-client-certificate-required", "cert_file and key_file"),
        (Security::OldVersion, "tls-incompatible", "TLS 1.2"),
        (Security::StalledHandshake, "tls-timeout", "without TLS"),
        (Security::AbortedHandshake, "tls-aborted", "handshake"),
    ] {
        let endpoint = Endpoint::start_with(Script::accept(), security).await.unwrap();
        let diagnosis = of_endpoint(data, &endpoint.address().to_string(), &ca_file, &[]).await;
        assert_eq!(diagnosis.code, 9, "{code}");
        diagnosis.expect("failed", "endpoint", &[code, part]);
        assert!(endpoint.received().is_empty(), "{code}: a message was sent");
    }

    // A port that speaks, and not TLS.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap().to_string();
    let chatty = tokio::task::JoinSet::from_iter([async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"\x0bMSH|^~\\&|NAK\r\x1c\r").await.unwrap();
        let mut rest = Vec::new();
        drop(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await);
    }]);
    of_endpoint(data, &plain, &ca_file, &[]).await.expect("failed", "endpoint", &["tls-plaintext"]);
    chatty.join_all().await;

    let closed = Port::claim().unwrap();
    let diagnosis = of_endpoint(data, &closed.address().to_string(), &ca_file, &[]).await;
    diagnosis.expect("failed", "endpoint", &["endpoint-unreachable", "refused"]);
    let diagnosis = of_endpoint(data, "no-such-host.invalid:2575", &ca_file, &[]).await;
    diagnosis.expect("failed", "endpoint", &["endpoint-name", "no-such-host.invalid"]);

    let endpoint =
        Endpoint::start_with(Script::accept(), server(&ours, "localhost", Validity::Now)).await.unwrap();
    let diagnosis = of_endpoint(data, &endpoint.address().to_string(), &ca_file, &[]).await;
    diagnosis.expect("ok", "endpoint", &["speaks TLS", "localhost"]);
    assert!(!diagnosis.failed().contains(&"endpoint"));
    assert!(endpoint.received().is_empty(), "without --echo nothing is sent");
}

#[tokio::test]
async fn a_message_is_sent_only_when_asked_for_and_its_answer_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start(Script::accept()).await.unwrap();
    let address = endpoint.address().to_string();
    let settings = [
        ("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS", address.as_str()),
        ("ADT_BRIDGE__SENDER__ENDPOINT__ACKNOWLEDGMENT_TIMEOUT_SECONDS", "1"),
        ("ADT_BRIDGE__MESSAGE__PROCESSING_ID", "P"),
    ];
    let echo = async || Diagnosis::of(&["--role", "sender", "--echo"], folder.path(), &settings).await;
    let diagnosis = echo().await;
    diagnosis.expect("ok", "echo", &["AA", "MSA-2 is ours"]);
    let received = endpoint.received();
    let message = String::from_utf8(received[0].body.clone()).unwrap();
    assert!(message.contains("|ADT^A31^ADT_A05|") && message.contains("|T|2.5.1"), "{message}");
    assert!(diagnosis.stderr.contains("echo: sending to") && diagnosis.stderr.contains("adt-bridge-doctor"));

    endpoint.script(Script::always(vec![Step::Reply(Reply::new("AR"))]));
    echo().await.expect("warning", "echo", &["AR"]);
    endpoint.script(Script::always(vec![Step::Hold]));
    echo().await.expect("failed", "echo", &["no-acknowledgment"]);
}

#[tokio::test]
async fn each_fault_of_a_certificate_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let authority = Authority::new("ours");
    let good = authority.issue(&["hook.example"], Validity::Now).write(data, "good").unwrap();
    let other = authority.issue(&["hook.example"], Validity::Now).write(data, "other").unwrap();
    let old = authority.issue(&["hook.example"], Validity::Expired).write(data, "old").unwrap();
    let early = authority.issue(&["hook.example"], Validity::NotYet).write(data, "early").unwrap();
    fs::set_permissions(&good.key, PermissionsExt::from_mode(0o600)).unwrap();
    let of = async |certificate: &Path, key: &Path| {
        let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
        let settings = [
            ("ADT_BRIDGE__HOOK__TLS__CERT_FILE", certificate),
            ("ADT_BRIDGE__HOOK__TLS__KEY_FILE", key),
            ("ADT_BRIDGE__HOOK__LISTEN", "127.0.0.1:0"),
        ];
        Diagnosis::of(&["--role", "hook"], data, &settings).await
    };
    let well = of(&good.certificate, &good.key).await;
    assert!(well.failed().is_empty(), "{:#}", well.report);
    well.expect("ok", "certificate", &["hook.tls", "valid for"]);
    of(&good.certificate, &other.key).await.expect(
        "failed",
        "certificate",
        &["is not the key of", "openssl"],
    );
    of(&old.certificate, &old.key).await.expect("failed", "certificate", &["expired", "2021"]);
    of(&early.certificate, &early.key).await.expect("failed", "certificate", &["not valid yet"]);
    of(&data.join("missing.pem"), &good.key).await.expect("failed", "certificate", &["missing.pem"]);
    fs::set_permissions(&good.key, PermissionsExt::from_mode(0o644)).unwrap();
    of(&good.certificate, &good.key).await.expect("warning", "certificate", &["everybody", "chmod 600"]);
    // The wrong order: the authority before the certificate that it signed.
    let upside_down = data.join("chain.pem");
    let chain =
        [fs::read_to_string(&good.certificate).unwrap(), Authority::new("other").pem().to_owned()].concat();
    fs::write(&upside_down, chain).unwrap();
    of(&upside_down, &good.key).await.expect("warning", "certificate", &["not a chain"]);
}
