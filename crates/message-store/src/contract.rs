//! What every store promises, as a suite: one function per promise (feature `contract-tests`).
//!
//! A backend's tests call each function of [`ALL`] with a store of their own. Keys are random, so that a store may be
//! shared between runs.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation is how a test fails")]

use std::{collections::HashSet, future::Future, num::NonZeroUsize, pin::Pin, sync::Arc};

use bytes::Bytes;

use crate::{
    AcceptedRecord, Claim, Incoming, JobKey, Mark, MessageStore, NewCurrent, OrderingKey, PatientKey,
    Precondition, ReceivedKey, RefusedKey, Replacement, StoreError, Stored,
};

/// A promise: fails by panicking.
pub type Promise = fn(Arc<dyn MessageStore>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Every promise with its name.
pub const ALL: &[(&str, Promise)] = &[
    ("keeps_a_received_message", |store| Box::pin(keeps_a_received_message(store))),
    ("recognises_a_repeat_and_a_conflict", |store| Box::pin(recognises_a_repeat_and_a_conflict(store))),
    ("stores_one_of_many_at_once", |store| Box::pin(stores_one_of_many_at_once(store))),
    ("lists_received_in_pages", |store| Box::pin(lists_received_in_pages(store))),
    ("takes_in_a_message_once", |store| Box::pin(takes_in_a_message_once(store))),
    ("keeps_the_newer_current", |store| Box::pin(keeps_the_newer_current(store))),
    ("the_newest_of_many_current_stays", |store| Box::pin(the_newest_of_many_current_stays(store))),
    ("unknown_is_none", |store| Box::pin(unknown_is_none(store))),
    ("accepted_reads_back", |store| Box::pin(accepted_reads_back(store))),
    ("accepted_changes_only_as_seen", |store| Box::pin(accepted_changes_only_as_seen(store))),
    ("a_claim_alone_changes_the_tag", |store| Box::pin(a_claim_alone_changes_the_tag(store))),
    ("one_of_many_accepted_wins", |store| Box::pin(one_of_many_accepted_wins(store))),
    ("keeps_a_job_until_it_is_deleted", |store| Box::pin(keeps_a_job_until_it_is_deleted(store))),
    ("one_of_many_takes_a_job", |store| Box::pin(one_of_many_takes_a_job(store))),
    ("keeps_a_refused_body_once", |store| Box::pin(keeps_a_refused_body_once(store))),
    ("lists_jobs_in_pages", |store| Box::pin(lists_jobs_in_pages(store))),
    ("families_do_not_mix", |store| Box::pin(families_do_not_mix(store))),
    ("keeps_every_byte", |store| Box::pin(keeps_every_byte(store))),
    ("is_ready", |store| Box::pin(is_ready(store))),
];

/// A message is there, byte for byte, once `put_received` has answered.
async fn keeps_a_received_message(store: Arc<dyn MessageStore>) {
    let key = ReceivedKey::new("A|B", &random());
    let body = Bytes::from("MSH|^~\\&|A|B\rPID|1||x\u{f6}\u{1f600}\r");
    assert_eq!(store.put_received(&key, body.clone()).await.unwrap(), Stored::New);
    assert_eq!(store.received(&key).await.unwrap(), Some(body));
}

/// The same key again: `Duplicate` with the same bytes, `Conflict` with others, and the first bytes stay.
async fn recognises_a_repeat_and_a_conflict(store: Arc<dyn MessageStore>) {
    let key = ReceivedKey::new("A|B", &random());
    assert_eq!(store.put_received(&key, "one".into()).await.unwrap(), Stored::New);
    assert_eq!(store.put_received(&key, "one".into()).await.unwrap(), Stored::Duplicate);
    assert_eq!(store.put_received(&key, "two".into()).await.unwrap(), Stored::Conflict);
    assert_eq!(store.put_received(&key, "one".into()).await.unwrap(), Stored::Duplicate);
    assert_eq!(store.received(&key).await.unwrap(), Some("one".into()));
}

/// A record with the same message and other facts is another state.
async fn a_claim_alone_changes_the_tag(store: Arc<dyn MessageStore>) {
    let patient = patient();
    let free = store.put_accepted(&patient, record(1), Precondition::Absent).await.unwrap();
    let told = Mark { version_id: Some("7".to_owned()), last_updated: Some(order("2024-03-01T09:30:15.5Z")) };
    let claim = Claim { until: order("2024-03-01T09:31:15Z"), nonce: random(), told };
    let claimed = AcceptedRecord { claim: Some(claim), ..record(1) };
    let precondition = Precondition::Matches(free.clone());
    let tag = store.put_accepted(&patient, claimed.clone(), precondition.clone()).await.unwrap();
    assert_ne!(tag, free);
    let late = store.put_accepted(&patient, record(2), precondition).await;
    assert!(matches!(late, Err(StoreError::Changed)), "{late:?}");
    assert_eq!(store.accepted(&patient).await.unwrap().expect("stored").record, claimed);
}

/// Of several writers with one key and different bytes exactly one stores.
async fn stores_one_of_many_at_once(store: Arc<dyn MessageStore>) {
    let key = ReceivedKey::new("A|B", &random());
    let outcomes = together(8, |index| {
        let (store, key) = (Arc::clone(&store), key.clone());
        async move { (index, store.put_received(&key, format!("body {index}").into()).await.unwrap()) }
    })
    .await;
    let new: Vec<_> = outcomes.iter().filter(|(_, stored)| *stored == Stored::New).collect();
    assert_eq!(new.len(), 1, "{outcomes:?}");
    let winner = format!("body {}", new[0].0);
    assert_eq!(store.received(&key).await.unwrap(), Some(winner.into()));
}

/// Pages hold every message once, in the order of keys, with size and a time.
async fn lists_received_in_pages(store: Arc<dyn MessageStore>) {
    let mut mine = HashSet::new();
    for index in 0..7 {
        let key = ReceivedKey::new("A|B", &random());
        store.put_received(&key, format!("{index}").into()).await.unwrap();
        mine.insert(key);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_received(after.as_ref(), NonZeroUsize::new(3).unwrap()).await.unwrap();
        assert!(page.entries.len() <= 3);
        seen.extend(page.entries);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|a, b| a.key < b.key), "sorted, and none twice");
    let found: Vec<_> = seen.iter().filter(|entry| mine.contains(&entry.key)).collect();
    assert_eq!(found.len(), 7);
    assert!(found.iter().all(|entry| entry.size_bytes == 1));
    assert!(found.iter().all(|entry| entry.received_at > std::time::UNIX_EPOCH));
}

/// An incoming message is received and current; its repeat and its namesake change nothing, nor does an older one
/// become current.
async fn takes_in_a_message_once(store: Arc<dyn MessageStore>) {
    let (patients, source) = (vec![patient(), patient()], random());
    let incoming = |control_id: &str, key: &str, body: &'static str| Incoming {
        received: ReceivedKey::new(&source, control_id),
        body: body.into(),
        current: Some(NewCurrent { patients: patients.clone(), order: order(key), text: body.into() }),
    };
    let check = async |body: &'static str, key: &str| {
        for patient in &patients {
            let current = store.current(patient).await.unwrap().expect("stored");
            assert_eq!((current.body, current.order), (body.into(), Some(order(key))));
        }
    };
    let first = incoming("1", "2", "first");
    assert_eq!(store.put_incoming(&first).await.unwrap(), Stored::New);
    check("first", "2").await;
    assert_eq!(store.put_incoming(&incoming("2", "2", "second")).await.unwrap(), Stored::New);
    check("second", "2").await;
    assert_eq!(store.put_incoming(&first).await.unwrap(), Stored::Duplicate);
    assert_eq!(store.put_incoming(&incoming("1", "3", "another")).await.unwrap(), Stored::Conflict);
    assert_eq!(store.put_incoming(&incoming("3", "1", "older")).await.unwrap(), Stored::New);
    check("second", "2").await;
    let silent = Incoming { current: None, ..incoming("4", "9", "no patient") };
    assert_eq!(store.put_incoming(&silent).await.unwrap(), Stored::New);
    check("second", "2").await;
    for (control_id, body) in [("1", "first"), ("2", "second"), ("3", "older"), ("4", "no patient")] {
        let there = store.received(&ReceivedKey::new(&source, control_id)).await.unwrap();
        assert_eq!(there, Some(body.into()));
    }
}

/// A greater or equal ordering key replaces, a smaller one does not.
async fn keeps_the_newer_current(store: Arc<dyn MessageStore>) {
    let patient = patient();
    let put = |key: &'static str, body: &'static str| {
        let (store, patient) = (Arc::clone(&store), patient.clone());
        async move { store.put_current(&patient, &order(key), body.into()).await.unwrap() }
    };
    assert_eq!(put("2", "second").await, Replacement::Replaced);
    assert_eq!(put("1", "first").await, Replacement::KeptNewer);
    let current = store.current(&patient).await.unwrap().expect("stored");
    assert_eq!((current.body, current.order), ("second".into(), Some(order("2"))));
    assert_eq!(put("2", "second again").await, Replacement::Replaced);
    assert_eq!(put("3", "third").await, Replacement::Replaced);
    let current = store.current(&patient).await.unwrap().expect("stored");
    assert_eq!((current.body, current.order), ("third".into(), Some(order("3"))));
}

/// Whatever the order of arrival, the greatest key is there in the end, with its own body.
async fn the_newest_of_many_current_stays(store: Arc<dyn MessageStore>) {
    let patient = patient();
    together(6, |index| {
        let (store, patient) = (Arc::clone(&store), patient.clone());
        async move {
            let key = order(&format!("{index}"));
            store.put_current(&patient, &key, format!("body {index}").into()).await.unwrap();
        }
    })
    .await;
    let current = store.current(&patient).await.unwrap().expect("stored");
    assert_eq!((current.body, current.order), ("body 5".into(), Some(order("5"))));
}

/// What was never stored is `None`, not an error.
async fn unknown_is_none(store: Arc<dyn MessageStore>) {
    let patient = patient();
    assert_eq!(store.received(&ReceivedKey::new("", &random())).await.unwrap(), None);
    assert_eq!(store.current(&patient).await.unwrap(), None);
    assert_eq!(store.accepted(&patient).await.unwrap(), None);
}

/// A record comes back with everything in it.
async fn accepted_reads_back(store: Arc<dyn MessageStore>) {
    for request in [None, Some("ab12".to_owned())] {
        let patient = patient();
        let record = AcceptedRecord { request, ..record(7) };
        let tag = store.put_accepted(&patient, record.clone(), Precondition::Absent).await.unwrap();
        let accepted = store.accepted(&patient).await.unwrap().expect("stored");
        assert_eq!((accepted.record, accepted.tag), (record, tag));
    }
}

/// A writer that has not seen the present state gets `Changed`.
async fn accepted_changes_only_as_seen(store: Arc<dyn MessageStore>) {
    let patient = patient();
    let first = store.put_accepted(&patient, record(1), Precondition::Absent).await.unwrap();
    let again = store.put_accepted(&patient, record(2), Precondition::Absent).await;
    assert!(matches!(again, Err(StoreError::Changed)), "{again:?}");
    store.put_accepted(&patient, record(2), Precondition::Matches(first.clone())).await.unwrap();
    let stale = store.put_accepted(&patient, record(3), Precondition::Matches(first.clone())).await;
    assert!(matches!(stale, Err(StoreError::Changed)), "{stale:?}");
    let elsewhere = store.put_accepted(&self::patient(), record(3), Precondition::Matches(first)).await;
    assert!(matches!(elsewhere, Err(StoreError::Changed)), "{elsewhere:?}");
    assert_eq!(store.accepted(&patient).await.unwrap().expect("stored").record, record(2));
}

/// Of several writers that have seen the same state exactly one writes.
async fn one_of_many_accepted_wins(store: Arc<dyn MessageStore>) {
    let patient = patient();
    let tag = store.put_accepted(&patient, record(1), Precondition::Absent).await.unwrap();
    let outcomes = together(8, |index| {
        let (store, patient, tag) = (Arc::clone(&store), patient.clone(), tag.clone());
        async move { store.put_accepted(&patient, record(index + 2), Precondition::Matches(tag)).await }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(StoreError::Changed))));
}

/// A job is there until it is deleted, and deleting it twice is no error.
async fn keeps_a_job_until_it_is_deleted(store: Arc<dyn MessageStore>) {
    let key = JobKey::unique(&["contract"]);
    assert_eq!(store.job(&key).await.unwrap(), None);
    let tag = store.put_job(&key, "one".into(), Precondition::Absent).await.unwrap();
    let job = store.job(&key).await.unwrap().expect("stored");
    assert_eq!((job.body, job.tag), ("one".into(), tag.clone()));
    let again = store.put_job(&key, "two".into(), Precondition::Absent).await;
    assert!(matches!(again, Err(StoreError::Changed)), "{again:?}");
    let newer = store.put_job(&key, "two".into(), Precondition::Matches(tag.clone())).await.unwrap();
    let stale = store.put_job(&key, "three".into(), Precondition::Matches(tag)).await;
    assert!(matches!(stale, Err(StoreError::Changed)), "{stale:?}");
    assert_eq!(store.job(&key).await.unwrap().expect("stored").tag, newer);
    store.delete_job(&key).await.unwrap();
    store.delete_job(&key).await.unwrap();
    assert_eq!(store.job(&key).await.unwrap(), None);
    let gone = store.put_job(&key, "three".into(), Precondition::Matches(newer)).await;
    assert!(matches!(gone, Err(StoreError::Changed)), "{gone:?}");
}

/// Of several workers that have seen the same state of a job exactly one takes it.
async fn one_of_many_takes_a_job(store: Arc<dyn MessageStore>) {
    let key = JobKey::unique(&["contract"]);
    let tag = store.put_job(&key, "free".into(), Precondition::Absent).await.unwrap();
    let outcomes = together(8, |index| {
        let (store, key, tag) = (Arc::clone(&store), key.clone(), tag.clone());
        let body = format!("taken by {index}").into();
        async move { store.put_job(&key, body, Precondition::Matches(tag)).await }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(StoreError::Changed))));
}

/// A refused body is there once it was put, and the first reason stays.
async fn keeps_a_refused_body_once(store: Arc<dyn MessageStore>) {
    let key = RefusedKey::of(random().as_bytes());
    assert_eq!(store.refused(&key).await.unwrap(), None);
    for reason in ["first", "second"] {
        store.put_refused(&key, reason.into()).await.unwrap();
        assert_eq!(store.refused(&key).await.unwrap(), Some("first".into()));
    }
}

/// Pages hold every job once, in the order of keys; jobs of one subject stand together.
async fn lists_jobs_in_pages(store: Arc<dyn MessageStore>) {
    let subject = random();
    let mut mine = HashSet::new();
    for _ in 0..7 {
        let key = JobKey::unique(&[&subject]);
        store.put_job(&key, "x".into(), Precondition::Absent).await.unwrap();
        mine.insert(key);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_jobs(after.as_ref(), NonZeroUsize::new(3).unwrap()).await.unwrap();
        assert!(page.keys.len() <= 3);
        seen.extend(page.keys);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "sorted, and none twice");
    assert_eq!(seen.iter().filter(|key| mine.contains(key)).count(), 7);
    let places: Vec<_> = seen.iter().enumerate().filter(|(_, key)| mine.contains(key)).collect();
    assert_eq!(places[6].0 - places[0].0, 6, "together");
}

/// One patient's current message and accepted record are two things.
async fn families_do_not_mix(store: Arc<dyn MessageStore>) {
    let patient = patient();
    store.put_accepted(&patient, record(1), Precondition::Absent).await.unwrap();
    assert_eq!(store.current(&patient).await.unwrap(), None);
    store.put_current(&patient, &order("1"), "current".into()).await.unwrap();
    assert_eq!(store.accepted(&patient).await.unwrap().expect("stored").record, record(1));
}

/// Bodies are bytes: empty, every value, a megabyte.
async fn keeps_every_byte(store: Arc<dyn MessageStore>) {
    let all: Vec<u8> = (0..=255).collect();
    for body in [Bytes::new(), all.clone().into(), all.repeat(4096).into()] {
        let (key, patient) = (ReceivedKey::new("A|B", &random()), patient());
        store.put_received(&key, body.clone()).await.unwrap();
        assert_eq!(store.received(&key).await.unwrap(), Some(body.clone()));
        store.put_current(&patient, &order("1"), body.clone()).await.unwrap();
        assert_eq!(store.current(&patient).await.unwrap().expect("stored").body, body);
        let record = AcceptedRecord { body, ..record(1) };
        store.put_accepted(&patient, record.clone(), Precondition::Absent).await.unwrap();
        assert_eq!(store.accepted(&patient).await.unwrap().expect("stored").record, record);
    }
}

/// A store that can be used says so.
async fn is_ready(store: Arc<dyn MessageStore>) {
    store.ready().await.unwrap();
}

/// Runs `count` calls at once, on tasks, and collects what they return.
async fn together<F>(count: u64, call: impl Fn(u64) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut set = tokio::task::JoinSet::new();
    for index in 0..count {
        set.spawn(call(index));
    }
    set.join_all().await
}

fn record(version: u64) -> AcceptedRecord {
    AcceptedRecord {
        body: format!("MSH|{version}\rPID|1\r").into(),
        deleted: version == 7,
        version,
        order: order(&format!("2024-03-01T09:30:{version:02}Z")),
        control_id: "WZOTS3ABLMXMEJW2IRGX".to_owned(),
        request: None,
        told: Mark::default(),
        counted: true,
        content: None,
        claim: None,
    }
}

fn patient() -> PatientKey {
    PatientKey::new(&random()).expect("hex digits")
}

fn order(key: &str) -> OrderingKey {
    OrderingKey::new(key).expect("visible ASCII")
}

fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}
