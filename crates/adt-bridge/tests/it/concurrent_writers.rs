//! Many writers at once, versions shuffled and told twice: what the endpoint gets of each patient only goes forward.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use fault_harness::{
    endpoint::{Endpoint, Script},
    oracle::Mark,
};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use reqwest::Method;
use serde_json::json;

use crate::bridge::{Bridge, eventually, patient, request};

const WRITERS: usize = 200;
const PATIENTS: u64 = 500;
const VERSIONS: u64 = 3;

#[tokio::test]
async fn shuffled_and_repeated_versions_arrive_once_and_in_order() {
    let data = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start(Script::accept()).await.unwrap();
    let address = endpoint.address().to_string();
    let bridge = Bridge::start(
        data.path(),
        &[
            ("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS", address.as_str()),
            ("ADT_BRIDGE__SENDER__ENDPOINT__TLS__ENABLED", "false"),
            ("ADT_BRIDGE__LOG__LEVEL", "error"),
        ],
    )
    .await;

    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let versions =
        (1..=PATIENTS).flat_map(|group| (1..=VERSIONS).map(move |version| Mark { group, version }));
    let mut work: Vec<Mark> = versions.flat_map(|mark| [mark, mark]).collect();
    work.shuffle(&mut StdRng::seed_from_u64(seed));
    let work = std::sync::Arc::new(Mutex::new(work));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let (work, (client, hook)) = (work.clone(), bridge.client());
        writers.spawn(async move {
            loop {
                let Some(mark) = work.lock().unwrap().pop() else { return };
                let id = format!("w-{}", mark.group);
                let mut resource = patient(&id, mark);
                let updated = format!("2024-03-01T09:30:{:02}.500Z", mark.version);
                resource["meta"] = json!({ "versionId": mark.version.to_string(), "lastUpdated": updated });
                let path = format!("/fhir/Patient/{id}");
                let answer = request(&client, &hook, Method::PUT, &path, Some(&resource)).await.unwrap();
                assert!(answer.status.is_success(), "{}: {}", answer.status, answer.text);
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }

    // The queue hands out a patient's messages in order: after the newest one there is nothing left of it.
    eventually("the newest version of every patient", async || {
        let newest: HashSet<u64> = marks(&endpoint)
            .into_iter()
            .filter(|mark| mark.version == VERSIONS)
            .map(|mark| mark.group)
            .collect();
        (newest.len() as u64 == PATIENTS).then_some(())
    })
    .await;
    let mut last: HashMap<u64, u64> = HashMap::new();
    for mark in marks(&endpoint) {
        let before = last.insert(mark.group, mark.version).unwrap_or_default();
        assert!(before < mark.version, "{mark} after version {before}, seed {seed}");
    }
    assert!(last.values().all(|version| *version == VERSIONS));
    let received = endpoint.received();
    let ids: HashSet<_> = received.iter().map(|received| received.control_id.clone()).collect();
    assert_eq!(ids.len(), received.len(), "each message once");
    println!("{} of {} versions were sent", received.len(), PATIENTS * VERSIONS);
}

fn marks(endpoint: &Endpoint) -> Vec<Mark> {
    Mark::find_all(endpoint.received().iter().map(|received| &received.body))
}
