use reqwest::Method;
use serde_json::{Value, json};

use crate::sut::{message, start};

#[tokio::test]
async fn the_description_is_the_truth() {
    let sut = start(false, &[]).await;
    let described = sut.json("api/v1/openapi.json").await;
    let bearer = sut.bearer();
    let mut count = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        count += 1;
        let path = path.trim_start_matches('/').replace("{id}", "none").replace("{group}", "none");
        for method in ["get", "put", "post", "delete", "patch"] {
            let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let status = sut.ask(verb, &path, &[("authorization", &bearer)]).await.status().as_u16();
            let there = methods.get(method).is_some();
            assert_eq!(status != 405, there, "{method} {path}: {status}");
        }
    }
    let routes = [include_str!("../../src/api.rs"), include_str!("../../src/api/pipeline.rs")]
        .map(|source| source.matches(".route(\"/api/v1/").count());
    assert_eq!(count, routes.iter().sum::<usize>(), "every route is described");
}

#[tokio::test]
async fn the_store_is_read_at_start_and_what_arrives_is_added() {
    let first = message("C1", "A28", "Example");
    let sut = start(false, &[&first]).await;
    let second = message("C2", "A31", "Changed");
    let ack = "MSH|^~\\&|X|Y|LAB|H|2024||ACK|R1|T|2.5.1\rMSA|AE|C2\rERR||PID^1^5|101^Required|E\r";
    sut.arrive(&second, "refused", ack);
    let listed = sut
        .until("api/v1/messages", |listed| listed["messages"].as_array().is_some_and(|rows| rows.len() == 2))
        .await;
    let rows = listed["messages"].as_array().unwrap();
    let facts = |row: &Value| {
        json!([row["control_id"], row["state"], row["ack_code"], row["error_code"], row["stored"]])
    };
    assert_eq!(facts(&rows[0]), json!(["C2", "refused", "AE", "101", false]));
    assert_eq!(facts(&rows[1]), json!(["C1", "stored", "", "", true]));

    let changes = sut.json("api/v1/messages/C2/changes").await;
    assert_eq!(changes["changes"][0]["location"], "MSH-9.2");
    assert_eq!(changes["changes"][1]["before"], "Example");
    let answer = sut.json("api/v1/messages/C2/ack").await;
    assert!(answer["er7"].as_str().unwrap().contains("MSA|AE|C2"));
    let fhir = sut.json("api/v1/messages/C1/fhir").await;
    assert_eq!(fhir["patient"]["name"][0]["family"], "Example");
    assert_eq!(sut.json("api/v1/messages/C9").await["status"], 404);

    // Sent again, and stored this time: the body is the store's from now on.
    let key = message_store::ReceivedKey::new("LAB|H", "C2");
    sut.store.put_received(&key, second.clone().into()).await.unwrap();
    sut.arrive(&second, "stored", "MSH|^~\\&|X|Y|LAB|H|2024||ACK|R2|T|2.5.1\rMSA|AA|C2\r");
    let row = sut.until("api/v1/messages/C2", |row| row["message"]["stored"] == true).await;
    assert_eq!(row["message"]["deliveries"], 2);
    assert_eq!(row["previous"]["control_id"], "C1");
    let raw = sut.ask(Method::GET, "api/v1/messages/C2/raw", &[]).await;
    assert_eq!(raw.headers()["content-disposition"].to_str().unwrap().find("attachment"), Some(0));
    assert_eq!(raw.text().await.unwrap(), second);
}

#[tokio::test]
async fn what_was_told_is_seen_by_whoever_waited_for_it() {
    let sut = start(false, &[]).await;
    for number in 1..=500 {
        let body = message(&format!("C{number}"), "A28", "Example");
        sut.arrive(&body, "refused", "MSH|^~\\&|X|Y|LAB|H|2024||ACK|R1|T|2.5.1\rMSA|AE|C\r");
    }
    sut.inspector.feed().settled().await;
    assert_eq!(sut.json("api/v1/messages/C500").await["message"]["state"], "refused");
}

#[tokio::test]
async fn another_message_under_the_same_control_id_stands_beside_it() {
    let first = message("C1", "A28", "Example");
    let sut = start(false, &[&first]).await;
    sut.arrive(
        &message("C1", "A28", "Other"),
        "conflict",
        "MSH|^~\\&|X|Y|L|H|2024||ACK|R|T|2.5.1\rMSA|AE|C1\r",
    );
    let listed = sut
        .until("api/v1/messages", |listed| listed["messages"].as_array().is_some_and(|rows| rows.len() == 2))
        .await;
    let states: Vec<&str> =
        listed["messages"].as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["refused", "stored"]);
}

/// The first event of a stream that holds rows or says to begin anew.
async fn event(sut: &crate::sut::Sut, last: &str) -> String {
    let mut answer = sut.ask(Method::GET, "api/v1/events", &[("last-event-id", last)]).await;
    let mut text = String::new();
    loop {
        let part = answer.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&part).unwrap());
        let wanted = |event: &&str| event.contains("event: rows") || event.contains("event: reset");
        if let Some(event) = text.split_inclusive("\n\n").filter(|event| event.ends_with("\n\n")).find(wanted)
        {
            return event.to_owned();
        }
    }
}

#[tokio::test]
async fn live_updates_go_on_where_they_were_cut() {
    let sut = start(false, &[&message("C1", "A28", "Example")]).await;
    let step = sut.json("api/v1/messages").await["step"].as_str().unwrap().to_owned();
    sut.arrive(&message("C2", "A28", "Later"), "refused", "MSA");
    sut.until("api/v1/messages/C2", |row| row["status"] != 404).await;
    let missed = event(&sut, &step).await;
    assert!(missed.contains("\"C2\"") && !missed.contains("\"C1\""), "{missed}");
    // A step of another run, or one that is gone.
    assert!(event(&sut, "otherrun-7").await.contains("event: reset"));
}

#[tokio::test]
async fn the_playground_points_at_the_element() {
    let sut = start(false, &[]).await;
    let ask = async |input: &str| -> Value {
        let request = sut.client.post(sut.url("api/v1/playground")).bearer_auth(sut.token.as_str());
        request.json(&json!({ "input": input })).send().await.unwrap().json().await.unwrap()
    };
    let good =
        ask(r#"{"resourceType":"Patient","name":[{"family":"Example"}],"photo":[{"title":"x"}]}"#).await;
    assert_eq!(good["to"], "er7");
    assert!(good["er7"][0].as_str().unwrap().contains("|Example"));
    assert_eq!(good["findings"][0]["expression"], "Patient.photo[0]");
    let wrong = ask(r#"{"resourceType":"Patient","birthDate":"25.12.1974"}"#).await;
    assert_eq!(
        (&wrong["status"], &wrong["errors"][0]["expression"]),
        (&json!(422), &json!("Patient.birthDate"))
    );
    let cut = ask("{\n  \"resourceType\": ").await;
    assert_eq!(cut["errors"][0]["line"], 2);
    let back = ask(&message("C1", "A31", "Example")).await;
    assert_eq!((&back["to"], &back["patient"]["gender"]), (&json!("fhir"), &json!("female")));
    assert_eq!(sut.json("api/v1/messages").await["messages"], json!([]), "nothing is kept");
}
