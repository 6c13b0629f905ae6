//! What a source has of the past, and the token that it asks for.

use axum::{http::header, response::IntoResponse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use transform::{CredentialsConfig, Export, History, HistoryError};

use crate::{
    hook::patient,
    source::{FakeSource, resource, searchset, status},
};

#[tokio::test]
async fn history_is_read_page_by_page_and_can_go_on_at_any_page() {
    let source = FakeSource::start(|_| status(500)).await;
    let next = format!("{}/r4/Patient?_page=2", source.origin);
    let link = next.clone();
    source.answer(move |asked| {
        if asked.target.contains("_page=2") {
            searchset(&[patient("p-3", "Three")], None)
        } else {
            searchset(&[patient("p-1", "One"), patient("p-2", "Two")], Some(&link))
        }
    });
    let since = "2024-01-01T00:00:00Z".parse().unwrap();
    let mut history = History::new(&source.config(), Some(since), None).unwrap();
    let first = history.next().await.unwrap().unwrap();
    assert_eq!(first.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 2);
    assert_eq!(first.next.as_deref(), Some(next.as_str()));
    assert_eq!(
        source.asked()[0].target,
        "/r4/Patient?_lastUpdated=ge2024-01-01T00%3A00%3A00.000Z&_sort=_lastUpdated&_count=100"
    );
    let mut resumed = History::new(&source.config(), Some(since), first.next.as_deref()).unwrap();
    let last = resumed.next().await.unwrap().unwrap();
    assert!(std::str::from_utf8(&last.lines).unwrap().contains("p-3") && last.next.is_none());
    assert!(resumed.next().await.unwrap().is_none());
    assert!(History::new(&source.config(), None, Some("https://evil.example/r4/Patient")).is_err());
}

#[tokio::test]
async fn a_page_that_fails_is_read_again() {
    let source = FakeSource::start(|_| status(503)).await;
    let mut history = History::new(&source.config(), None, None).unwrap();
    assert!(matches!(history.next().await, Err(HistoryError::MayPass(_))));
    source.answer(|_| searchset(&[patient("p-1", "One")], None));
    assert!(history.next().await.unwrap().is_some());
}

fn manifest(files: &[&str]) -> Value {
    let output: Vec<_> = files.iter().map(|url| json!({ "type": "Patient", "url": url })).collect();
    json!({ "transactionTime": "2024-01-01T00:00:00Z", "requiresAccessToken": true, "output": output, "error": [] })
}

#[tokio::test]
async fn an_export_is_read_file_by_file_with_credentials_for_the_source_alone() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "secret").unwrap();
    let source = FakeSource::start(|_| status(500)).await;
    let file = format!("{}/r4/files/1.ndjson", source.origin);
    source.answer(move |asked| {
        if asked.target.ends_with("/export") {
            let mut answer = manifest(&[&file]);
            answer["output"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "type": "Observation", "url": "https://x.example/" }));
            resource(&answer)
        } else {
            "{\"resourceType\":\"Patient\"}\n".into_response()
        }
    });
    let mut config = source.config();
    config.credentials = CredentialsConfig::Bearer { token_file };
    let export = Export::open(&config, &format!("{}/r4/export", source.origin)).await.unwrap();
    assert_eq!(export.files(), 1, "Patients only");
    let mut file = export.file(0).await.unwrap().unwrap();
    assert_eq!(file.chunk().await.unwrap().unwrap(), "{\"resourceType\":\"Patient\"}\n");
    assert!(file.chunk().await.unwrap().is_none());
    assert!(export.file(1).await.unwrap().is_none());
    for asked in source.asked() {
        assert_eq!(asked.headers[header::AUTHORIZATION], "Bearer secret");
    }
}

#[tokio::test]
async fn row_52_a_manifest_or_a_file_off_the_list_is_refused() {
    let source = FakeSource::start(|_| resource(&manifest(&["https://files.example/1.ndjson?sig=x"]))).await;
    let place = format!("{}/r4/export", source.origin);
    let refusal = |error: HistoryError| error.to_string();
    let elsewhere = Export::open(&source.config(), "https://evil.example/r4/export").await.unwrap_err();
    assert_eq!(refusal(elsewhere), "evil.example is not an allowed source.");
    assert!(source.asked().is_empty());
    let unlisted = Export::open(&source.config(), &place).await.unwrap_err();
    assert_eq!(refusal(unlisted), "files.example is not an allowed source.");

    let mut config = source.config();
    config.export_hosts = vec!["files.example".to_owned()];
    assert_eq!(Export::open(&config, &place).await.unwrap().files(), 1);
    for file in [
        "http://files.example/1.ndjson",
        "https://files.example.evil.example/1",
        "https://files.example@evil.example/1",
        "https://x@files.example/1",
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
    ] {
        source.answer(move |_| resource(&manifest(&[file])));
        assert!(Export::open(&config, &place).await.is_err(), "{file}");
    }
}

#[tokio::test]
async fn a_signed_assertion_buys_a_token_that_is_used_until_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key.pem");
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let source = FakeSource::start(|_| status(500)).await;
    source.answer(|asked| {
        let authorization =
            asked.headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        if asked.target == "/auth/token" {
            let bought = json!({ "access_token": "bought", "token_type": "bearer", "expires_in": 300 });
            return resource(&bought);
        }
        match authorization.as_deref() {
            Some("Bearer bought") => searchset(&[], None),
            _ => status(401),
        }
    });
    let token_url = format!("{}/auth/token", source.origin);
    let mut config = source.config();
    config.credentials = serde_json::from_value(json!({
        "kind": "smart-backend", "token_url": token_url, "client_id": "adt-bridge", "key_id": "key-1",
        "key_file": key_file,
    }))
    .unwrap();
    let mut history = History::new(&config, None, None).unwrap();
    assert!(history.next().await.unwrap().is_some());
    let asked = source.asked();
    assert_eq!(asked.len(), 2);
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&asked[0].text)
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let field =
        |name: &str| form.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).unwrap();
    assert_eq!((field("grant_type"), field("scope")), ("client_credentials", "system/Patient.rs"));
    assert_eq!(field("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let mut validation = Validation::new(Algorithm::ES384);
    validation.set_audience(&[&token_url]);
    validation.set_issuer(&["adt-bridge"]);
    let public = DecodingKey::from_ec_pem(key.public_key_pem().as_bytes()).unwrap();
    let token = jsonwebtoken::decode::<Value>(field("client_assertion"), &public, &validation).unwrap();
    assert_eq!(token.header.kid.as_deref(), Some("key-1"));
    assert_eq!(token.claims["sub"], "adt-bridge");
    assert_eq!(token.claims["jti"].as_str().unwrap().len(), 32);
}
