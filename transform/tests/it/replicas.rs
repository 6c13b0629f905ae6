//! Several hooks on one queue and one store, as on Fargate: the versions of a patient go forward all the same.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use message_store::{Claim, Mark, MemoryStore, MessageStore, OrderingKey, PatientKey, Precondition};
use queue::{MemoryConfig, MemoryQueue, Queue};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    faulty::Fault,
    hook::{TestHook, answer, patient},
};

async fn replicas(count: usize) -> (Arc<dyn Queue>, Arc<dyn MessageStore>, Vec<TestHook>) {
    let queue: Arc<dyn Queue> =
        Arc::new(MemoryQueue::new(MemoryConfig { max_per_group: 100, ..MemoryConfig::default() }));
    let store: Arc<dyn MessageStore> = Arc::new(MemoryStore::new());
    let mut hooks = Vec::new();
    for _ in 0..count {
        let hook = TestHook::start_on(Arc::clone(&queue), Arc::clone(&store), |_| {}).await;
        hook.store.shared.store(true, Ordering::SeqCst);
        hooks.push(hook);
    }
    (queue, store, hooks)
}

fn version(id: &str, version: u64) -> Value {
    let mut resource = patient(id, &format!("V{version}"));
    resource["meta"] =
        json!({ "versionId": version.to_string(), "lastUpdated": format!("2024-03-01T09:{version:02}:00Z") });
    resource
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_told_to_any_of_them_are_queued_in_order_and_once() {
    let (queue, _, hooks) = replicas(3).await;
    let seed = rand::random::<u64>();
    let mut work: Vec<(u64, u64, usize)> = (0..8)
        .flat_map(|id| (1..=8).flat_map(move |version| (0..3).map(move |hook| (id, version, hook))))
        .collect();
    work.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut tasks = tokio::task::JoinSet::new();
    for (id, number, hook) in work {
        let resource = version(&format!("p-{id}"), number);
        let request = hooks[hook].request(Method::PUT, &format!("/fhir/Patient/p-{id}")).json(&resource);
        tasks.spawn(answer(request));
    }
    for done in tasks.join_all().await {
        assert!(done.status.is_success(), "{done:?}, seed {seed}");
    }
    let mut last: HashMap<String, u64> = HashMap::new();
    loop {
        let deliveries = queue.receive(NonZeroUsize::new(10).unwrap(), Duration::ZERO).await.unwrap();
        if deliveries.is_empty() {
            break;
        }
        for delivery in deliveries {
            queue.delete(&delivery.receipt).await.unwrap();
            let version = delivery.envelope.attributes.version.unwrap();
            let before =
                last.insert(delivery.envelope.group.as_str().to_owned(), version).unwrap_or_default();
            assert!(before < version, "{version} after {before}, seed {seed}");
        }
    }
    assert_eq!(last.len(), 8);
    assert!(last.values().all(|version| *version == 8), "{last:?}, seed {seed}");
}

#[tokio::test]
async fn a_process_that_died_in_a_write_holds_the_patient_for_a_while_only() {
    let (_, store, hooks) = replicas(1).await;
    let hook = &hooks[0];
    let put =
        |number: u64| answer(hook.request(Method::PUT, "/fhir/Patient/p-1").json(&version("p-1", number)));
    assert_eq!(put(1).await.status, 201);
    // Another process has claimed the patient for version 3 and died.
    let key = PatientKey::new("p-1").unwrap();
    let there = store.accepted(&key).await.unwrap().unwrap();
    assert_eq!(there.record.claim, None, "a write takes its claim away");
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(500);
    let told = Mark { version_id: Some("3".to_owned()), last_updated: None };
    let claim =
        Claim { until: OrderingKey::new(format!("{until:.3}")).unwrap(), nonce: "n".to_owned(), told };
    let mut record = there.record;
    record.claim = Some(claim);
    store.put_accepted(&key, record, Precondition::Matches(there.tag)).await.unwrap();

    // Whether 3 is queued nobody knows: 2 might come after it.
    let older = put(2).await;
    assert_eq!((older.status.as_u16(), &older.body["issue"][0]["code"]), (503, &json!("transient")));
    // Its own repeat settles it.
    assert_eq!(put(3).await.status, 200);
    assert_eq!(put(2).await.body["issue"][0]["code"], "informational");
}

#[tokio::test]
async fn a_write_that_the_queue_refused_lets_the_patient_go() {
    let (_, store, hooks) = replicas(1).await;
    let hook = &hooks[0];
    let put =
        |number: u64| answer(hook.request(Method::PUT, "/fhir/Patient/p-1").json(&version("p-1", number)));
    hook.queue.set(Some(Fault::Error(queue::QueueError::Full)));
    assert_eq!(put(2).await.status, 503);
    hook.queue.set(None);
    let key = PatientKey::new("p-1").unwrap();
    assert_eq!(store.accepted(&key).await.unwrap().unwrap().record.claim, None);
    assert_eq!(hook.get("p-1").await.status, 404, "nothing was accepted");
    assert_eq!(put(1).await.status, 201, "it certainly is not in the queue");

    // A queue that does not answer may have it: what is older stays back until it is settled.
    hook.queue.set(Some(Fault::Error(queue::QueueError::Unavailable { reason: "x".to_owned() })));
    assert_eq!(put(5).await.status, 503);
    hook.queue.set(None);
    assert_eq!(put(4).await.status, 503);
    assert_eq!(put(5).await.status, 200);
    assert_eq!(put(4).await.status, 200);
    assert_eq!(hook.queued().await.len(), 2);
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_known_again() {
    let (_, store, hooks) = replicas(1).await;
    let hook = &hooks[0];
    let put =
        |number: u64| answer(hook.request(Method::PUT, "/fhir/Patient/p-1").json(&version("p-1", number)));
    // The read that follows finds it.
    hook.store.lost_answers.store(1, Ordering::SeqCst);
    assert_eq!(put(1).await.status, 201);
    // The read fails too: the claim stands, and the repeat takes it over at once.
    hook.store.lost_answers.store(1, Ordering::SeqCst);
    hook.store.lost_reads_after.store(1, Ordering::SeqCst);
    assert_eq!(put(2).await.status, 503);
    let key = PatientKey::new("p-1").unwrap();
    assert!(store.accepted(&key).await.unwrap().unwrap().record.claim.is_some());
    let again = tokio::time::timeout(Duration::from_secs(2), put(2)).await.unwrap();
    assert_eq!(again.status, 200);
    assert_eq!(store.accepted(&key).await.unwrap().unwrap().record.claim, None);
    assert_eq!(hook.queued().await.len(), 2, "each version once");
}
