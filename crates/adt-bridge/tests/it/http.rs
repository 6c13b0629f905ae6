use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::bridge::{Bridge, event, eventually, received};

const PATIENTS: &str = "/persistence/Patient";

#[tokio::test]
async fn a_patient_is_created_read_updated_and_deleted() {
    let data = tempfile::tempdir().unwrap();
    let bridge = Bridge::start(data.path(), &[]).await;
    let patient = json!({
        "resourceType": "Patient",
        "identifier": [{ "system": "urn:oid:1.2.3.4", "value": "4711" }],
        "name": [{ "use": "official", "family": "Beispiel", "given": ["Anna"] }],
        "gender": "female",
        "birthDate": "1983-02-28"
    });

    let created = bridge.ask(Method::POST, PATIENTS, Some(&patient)).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let id = created.resource()["id"].as_str().expect("an id").to_owned();

    // Read at once, before delivery, and again after it: both show the write.
    for delivered in [1, 1] {
        let read = bridge.read(&id).await;
        assert_eq!(read.status, StatusCode::OK, "{}", read.text);
        let resource = read.resource();
        assert_eq!(resource["id"], id);
        assert_eq!(resource["name"][0]["family"], "Beispiel");
        assert_eq!(resource["birthDate"], "1983-02-28");
        eventually("delivery of the create", async || {
            (received(data.path()).len() == delivered).then_some(())
        })
        .await;
    }

    let mut changed = patient.clone();
    changed["id"] = json!(id);
    changed["name"][0]["family"] = json!("Muster");
    let updated = bridge.put(&id, &changed).await;
    assert_eq!(updated.status, StatusCode::OK, "{}", updated.text);
    assert_eq!(bridge.read(&id).await.resource()["name"][0]["family"], "Muster");

    let deleted = bridge.ask(Method::DELETE, &format!("{PATIENTS}/{id}"), None).await;
    assert!(deleted.status.is_success(), "{}", deleted.text);
    assert_eq!(bridge.read(&id).await.status, StatusCode::NOT_FOUND);

    let messages = eventually("delivery of all three", async || {
        Some(received(data.path())).filter(|messages| messages.len() == 3)
    })
    .await;
    let events: Vec<&str> = messages.iter().map(|message| event(message)).collect();
    assert_eq!(events, ["A28", "A31", "A29"]);
}

#[tokio::test]
async fn unknown_patients_and_bad_bodies_are_refused_and_queue_nothing() {
    let data = tempfile::tempdir().unwrap();
    let bridge = Bridge::start(data.path(), &[]).await;
    let unknown = bridge.read("nobody").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.json()["message"].as_str().expect("a message").contains("nobody"));

    let wrong_type = json!({ "resourceType": "Observation" });
    assert_eq!(bridge.ask(Method::POST, PATIENTS, Some(&wrong_type)).await.status, StatusCode::BAD_REQUEST);
    let wrong_date = json!({ "resourceType": "Patient", "birthDate": "28.02.1983" });
    assert_eq!(bridge.ask(Method::POST, PATIENTS, Some(&wrong_date)).await.status, StatusCode::BAD_REQUEST);

    // A good one after them arrives alone.
    let good = json!({ "resourceType": "Patient", "name": [{ "family": "Good" }] });
    assert_eq!(bridge.ask(Method::POST, PATIENTS, Some(&good)).await.status, StatusCode::CREATED);
    eventually("delivery of the good one", async || (!received(data.path()).is_empty()).then_some(())).await;
    assert_eq!(received(data.path()).len(), 1);
}
