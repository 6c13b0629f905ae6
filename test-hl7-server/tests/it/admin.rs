//! Fault control over HTTP, and what the oracle reads there.

use std::path::PathBuf;

use message_store::PatientKey;
use test_hl7_server::{Config, Dependencies, Error, FaultsConfig, Listeners, run};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::sut::{adt, http, start, start_with_faults};

#[tokio::test]
async fn lists_what_came_by_group_and_names_nobody() {
    let sut = start_with_faults(
        "[[rule]]\nname = 'lost'\nmatch = { nth = 2 }\nthen = ['store', 'close']",
        Config::default(),
    )
    .await;
    for (control_id, patient) in [("C1", "pat-1"), ("C2", "pat-2"), ("C3", "pat-1")] {
        let mut raw = sut.raw().await;
        let message = adt(control_id, "A31", patient, "2024");
        tokio::io::AsyncWriteExt::write_all(&mut raw, format!("\x0b{message}\x1c\r").as_bytes())
            .await
            .unwrap();
        let mut reply = [0; 1];
        drop(tokio::io::AsyncReadExt::read(&mut raw, &mut reply).await);
    }
    let group = PatientKey::new("pat-1").unwrap().digest();
    let (status, list) = sut.admin("GET", &format!("/received?group={group}"), "").await;
    assert_eq!(status, 200);
    let seen: Vec<(u64, &str, &str)> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert_eq!(entry["sha256"].as_str().unwrap().len(), 64);
            (
                entry["recv_seq"].as_u64().unwrap(),
                entry["control_id"].as_str().unwrap(),
                entry["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(seen, [(1, "C1", "stored"), (3, "C3", "stored")]);
    let faults = sut.admin("GET", "/faults", "").await.1;
    assert_eq!(faults[0]["recv_seq"], 2);
    assert_eq!(faults[0]["rule"], "lost");
    assert_eq!(faults[0]["actions"], serde_json::json!(["store", "close"]));
    let everything = sut.admin("GET", "/received", "").await.1.to_string() + &faults.to_string();
    assert!(!everything.contains("pat-") && !everything.contains("Canary"), "{everything}");
    assert_eq!(sut.admin("GET", "/received?control_id=1", "").await.0, 400);
}

#[tokio::test]
async fn a_scenario_can_be_put_and_taken_away() {
    let sut = start_with_faults("", Config::default()).await;
    let message = adt("C1", "A31", "p-1", "2024");
    let rule = "[[rule]]\nthen = [{ reply = { code = 'AR', error = 203 } }]";
    assert_eq!(sut.admin("PUT", "/scenario", rule).await.0, 204);
    assert_eq!(sut.send(&message).await, "AR 203");
    let (status, reason) = sut.admin("PUT", "/scenario", "[[rule]]\nthen = ['exlpode']").await;
    assert!(status == 400 && reason.as_str().unwrap().starts_with("line 2: unknown variant"), "{reason}");
    let (status, reason) = sut.admin("PUT", "/scenario", "[[rule]]\nthen = [{ exit = 137 }]").await;
    assert!(status == 400 && reason.as_str().unwrap().contains("process of its own"), "{reason}");
    assert_eq!(sut.send(&message).await, "AR 203", "the last good one stays");
    assert_eq!(sut.admin("DELETE", "/scenario", "").await.0, 204);
    assert_eq!(sut.send(&message).await, "AA");
}

#[tokio::test]
async fn a_name_of_somebody_else_is_refused() {
    let sut = start_with_faults("", Config::default()).await;
    let admin = sut.admin.clone().unwrap();
    for (host, expected) in
        [("localhost:1", 200), ("[::1]:80", 200), ("127.0.0.1", 200), ("evil.example", 403), ("", 403)]
    {
        assert_eq!(http(&admin, host, "GET", "/faults", "").await.0, expected, "{host}");
    }
}

#[tokio::test]
async fn fault_control_is_off_by_default_and_only_local() {
    let sut = start().await;
    assert_eq!(sut.send(adt("C1", "A31", "p-1", "2024")).await, "AA");
    let faults =
        |faults| Config { listen_plain: Some("127.0.0.1:0".to_owned()), faults, ..Config::default() };
    let open = FaultsConfig { enable: true, admin: "0.0.0.0:0".parse().ok(), scenario: None };
    let text = faults(open.clone()).validate().unwrap_err().to_string();
    assert!(text.contains("receiver.faults.admin: must be a loopback"), "{text}");
    let listeners = Listeners { tls: None, plain: Some(TcpListener::bind("127.0.0.1:0").await.unwrap()) };
    let error =
        run(faults(open), Dependencies { store: sut.store }, listeners, CancellationToken::new()).await;
    assert!(matches!(error, Err(Error::AdminNotLocal)));

    let local = FaultsConfig { admin: "127.0.0.1:0".parse().ok(), ..FaultsConfig::default() };
    assert!(faults(local.clone()).validate().unwrap_err().to_string().contains("enable = true"));
    assert!(faults(FaultsConfig { enable: true, ..local }).validate().is_ok());
    let missing = FaultsConfig { scenario: Some(PathBuf::from("nowhere.toml")), ..FaultsConfig::default() };
    assert!(faults(missing).validate().unwrap_err().to_string().contains("nowhere.toml"));
}
