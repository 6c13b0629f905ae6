//! Conditions, repeats, order.

use std::time::Duration;

use clock::Hands;
use reqwest::Method;
use serde_json::json;

use crate::hook::{TestHook, answer, events, patient};

#[tokio::test]
async fn if_match_wants_the_current_version() {
    let hook = TestHook::start().await;
    hook.put("p-1", &patient("p-1", "A")).await;
    let put = |condition: &'static str, family: &str| {
        let request = hook.request(Method::PUT, "/persistence/Patient/p-1").header("if-match", condition);
        answer(request.json(&patient("p-1", family)))
    };
    assert_eq!(put("W/\"9\"", "B").await.refusal(), (412, "Version 9 expected, 1 is current."));
    assert_eq!(put("\"1\"", "B").await.status, 200);
    assert_eq!(put("W/\"1\"", "C").await.refusal(), (412, "Version 1 expected, 2 is current."));
    let unknown = hook.request(Method::PUT, "/persistence/Patient/p-2").header("if-match", "W/\"1\"");
    let refused = answer(unknown.json(&patient("p-2", "A"))).await;
    assert_eq!(refused.refusal(), (412, "Version 1 expected, none is current."));
}

#[tokio::test]
async fn if_none_match_wants_a_new_patient() {
    let hook = TestHook::start().await;
    let put = || {
        let request = hook.request(Method::PUT, "/persistence/Patient/p-1").header("if-none-match", "*");
        answer(request.json(&patient("p-1", "A")))
    };
    assert_eq!(put().await.status, 201);
    assert_eq!(put().await.refusal(), (412, "Patient/p-1 exists."));
}

#[tokio::test]
async fn a_named_create_that_is_repeated_creates_one_patient() {
    let hook = TestHook::start().await;
    let post = |key: &'static str, family: &str| {
        let request = hook.request(Method::POST, "/persistence/Patient").header("idempotency-key", key);
        answer(request.json(&json!({ "resourceType": "Patient", "name": [{ "family": family }] })))
    };
    let first = post("k-1", "A").await;
    let again = post("k-1", "A").await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.body, again.body);
    assert_ne!(post("k-1", "B").await.id(), first.id(), "other content is another patient");
    assert_ne!(post("k-2", "A").await.id(), first.id(), "another key too");
    assert_eq!(hook.queued().await.len(), 3);
}

#[tokio::test]
async fn creates_without_a_name_are_never_one() {
    let hook = TestHook::start().await;
    let newborn = json!({ "resourceType": "Patient", "gender": "female" });
    let (one, two) = (hook.post(&newborn).await, hook.post(&newborn).await);
    assert_ne!(one.id(), two.id());
    assert_eq!(hook.queued().await.len(), 2);
}

#[tokio::test]
async fn a_named_update_that_is_repeated_is_sent_once() {
    let hook = TestHook::start().await;
    let put = |key: &'static str, family: &str| {
        let request = hook.request(Method::PUT, "/persistence/Patient/p-1").header("x-request-id", key);
        answer(request.json(&patient("p-1", family)))
    };
    let first = put("k-1", "A").await;
    let again = put("k-1", "A").await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    // A client that names all its requests alike loses nothing but true repeats.
    put("k-1", "B").await;
    put("k-1", "A").await;
    assert_eq!(hook.get("p-1").await.resource()["name"][0]["family"], "A");
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A31", "ADT^A31"]);
}

#[tokio::test]
async fn a_value_that_changes_and_changes_back_is_sent_three_times() {
    let hook = TestHook::start().await;
    for family in ["A", "B", "A", "A"] {
        hook.put("p-1", &patient("p-1", family)).await;
    }
    let queued = hook.queued().await;
    assert_eq!(queued.len(), 4);
    let versions: Vec<_> = queued.iter().map(|delivery| delivery.envelope.attributes.version).collect();
    assert_eq!(versions, [Some(1), Some(2), Some(3), Some(4)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writes_of_one_patient_are_numbered_and_queued_in_one_order() {
    let hook = TestHook::start().await;
    let writes = (0..24).map(|index| {
        let request = hook.request(Method::PUT, "/persistence/Patient/p-1");
        answer(request.json(&patient("p-1", &format!("F{index}"))))
    });
    let mut tasks = tokio::task::JoinSet::new();
    writes.for_each(|write| {
        tasks.spawn(write);
    });
    let mut answered: Vec<(u64, String)> = tasks
        .join_all()
        .await
        .iter()
        .map(|answer| {
            let resource = answer.resource();
            let version = resource["meta"]["versionId"].as_str().unwrap().parse().unwrap();
            (version, resource["name"][0]["family"].as_str().unwrap().to_owned())
        })
        .collect();
    answered.sort_unstable();
    let queued = hook.queued().await;
    let sent: Vec<(u64, String)> = queued
        .iter()
        .map(|delivery| {
            let pid = delivery.envelope.body.split('\r').find(|line| line.starts_with("PID")).unwrap();
            let family = pid.split('|').nth(5).unwrap().split('^').next().unwrap().to_owned();
            (delivery.envelope.attributes.version.unwrap(), family)
        })
        .collect();
    assert_eq!(answered, sent, "what was answered as version n is the n-th message");
    assert_eq!(
        answered.iter().map(|(version, _)| *version).collect::<Vec<_>>(),
        (1..=24).collect::<Vec<_>>()
    );
    let groups: std::collections::HashSet<_> =
        queued.iter().map(|delivery| delivery.envelope.group.as_str().to_owned()).collect();
    assert_eq!(groups.len(), 1);
    assert!(!groups.iter().next().unwrap().contains("p-1"));
    let last = hook.get("p-1").await;
    assert_eq!(last.resource()["name"][0]["family"], answered.last().unwrap().1);
}

#[tokio::test]
async fn times_rise_with_every_write() {
    let hook = TestHook::start().await;
    let mut before = String::new();
    for index in 0..20 {
        let written = hook.put("p-1", &patient("p-1", &format!("F{index}"))).await;
        let updated = written.resource()["meta"]["lastUpdated"].as_str().unwrap().to_owned();
        assert!(updated > before, "{updated} after {before}");
        before = updated;
    }
}

#[tokio::test]
async fn times_rise_whatever_happens_to_the_wall_clock() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let hook = TestHook::start().await;
    let mut before = String::new();
    let mut versions = Vec::new();
    // Ahead, back (the daylight saving of a clock that is set by hand), two days ahead, back before the start.
    let jumps: [fn(&Hands); 6] = [
        |_| {},
        |hands| hands.set_ahead(HOUR),
        |hands| hands.set_back(HOUR),
        |hands| hands.set_ahead(48 * HOUR),
        |hands| hands.set_back(49 * HOUR),
        |hands| hands.suspend(HOUR),
    ];
    for (index, jump) in jumps.into_iter().enumerate() {
        jump(&hook.hands);
        let written = hook.put("p-1", &patient("p-1", &format!("F{index}"))).await;
        let meta = &written.resource()["meta"];
        let updated = meta["lastUpdated"].as_str().unwrap().to_owned();
        assert!(updated > before, "{updated} after {before}");
        before = updated;
        versions.push(meta["versionId"].as_str().unwrap().to_owned());
    }
    assert_eq!(versions, ["1", "2", "3", "4", "5", "6"]);
    let bodies = hook.queued().await;
    let times: Vec<_> =
        bodies.iter().map(|delivery| delivery.envelope.body.split('|').nth(6).unwrap().to_owned()).collect();
    assert_eq!(times.len(), 6);
    assert!(times.is_sorted(), "MSH-7 says what was answered: {times:?}");
}
