//! The promises of [`Queue`], one function each; every backend runs them on a fresh, empty queue whose leases
//! last at least 30 s. [`contract_tests!`](crate::contract_tests) makes the tests.
//!
//! Panics when a promise is broken.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "test code that lives in the library")]

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Attributes, DeadLetter, DeadLetterId, DeadLetterQueue, DeduplicationId, Delivery, Envelope, GroupId,
    Queue, QueueError, Reason, Sent, Stale,
};

/// Longer than any backend takes to hand out what is ready.
const SOON: Duration = Duration::from_secs(10);
/// Long enough that a message which must not come would have come.
const QUIET: Duration = Duration::from_millis(300);
const TEN: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// One test per promise: `contract_tests!([] open => sends_and_receives_the_same_bytes, ...)`, where `open` is an
/// async function that returns what keeps the queue alive and the `Arc<dyn Queue>`, and the brackets hold
/// attributes for each test, such as `[#[ignore = "needs SQS endpoint"]]`.
#[macro_export]
macro_rules! contract_tests {
    (@one [$($attribute:tt)*] $open:ident $promise:ident) => {
        $($attribute)*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let (_alive, queue) = $open().await;
            $crate::contract::$promise(queue).await;
        }
    };
    ($attributes:tt $open:ident => $($promise:ident),+ $(,)?) => {
        $($crate::contract_tests!(@one $attributes $open $promise);)+
    };
}

/// An envelope made of synthetic text; `name` becomes the control id.
pub fn envelope(group: &str, name: &str) -> Envelope {
    Envelope {
        body: format!("MSH|^~\\&|A|B|C|D|20260101||ADT^A28^ADT_A05|{name}|P|2.5.1\rPID|||{name}\tä𝄞\r"),
        group: GroupId::digest(&[group]),
        deduplication_id: DeduplicationId::digest(&[group, name]),
        attributes: Attributes {
            control_id: name.to_owned(),
            event: "ADT^A28".to_owned(),
            version: Some(7),
            enqueued_at: "2026-01-01T00:00:00Z".to_owned(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        },
    }
}

/// What arrives is what was sent, attributes included.
pub async fn sends_and_receives_the_same_bytes(queue: Arc<dyn Queue>) {
    let sent = envelope("a", "m1");
    assert!(matches!(queue.send(sent.clone()).await, Ok(Sent::New { .. })));
    let delivery = one(&queue).await;
    assert_eq!(delivery.envelope.body.as_bytes(), sent.body.as_bytes());
    assert_eq!(delivery.envelope, sent);
    assert_eq!(delivery.receive_count, 1);
}

/// Optional attributes may be absent.
pub async fn keeps_absent_attributes_absent(queue: Arc<dyn Queue>) {
    let mut sent = envelope("a", "m1");
    sent.attributes.version = None;
    sent.attributes.traceparent = None;
    queue.send(sent.clone()).await.unwrap();
    assert_eq!(one(&queue).await.envelope, sent);
}

/// The same identity is queued once, also after the first was delivered; another group is another identity.
pub async fn recognises_a_repeated_send(queue: Arc<dyn Queue>) {
    queue.send(envelope("a", "m1")).await.unwrap();
    assert!(matches!(queue.send(envelope("a", "m1")).await, Ok(Sent::Duplicate { .. })));
    queue.delete(&one(&queue).await.receipt).await.unwrap();
    assert!(matches!(queue.send(envelope("a", "m1")).await, Ok(Sent::Duplicate { .. })));
    let mut other = envelope("b", "m1");
    other.deduplication_id = envelope("a", "m1").deduplication_id;
    assert!(matches!(queue.send(other.clone()).await, Ok(Sent::New { .. })));
    assert_eq!(one(&queue).await.envelope, other);
}

/// A, B and A again within the window are three messages, because identities differ.
pub async fn a_value_that_comes_back_is_a_message(queue: Arc<dyn Queue>) {
    for (name, body) in [("m1", "MSH|A\r"), ("m2", "MSH|B\r"), ("m3", "MSH|A\r")] {
        let mut message = envelope("a", name);
        message.body = body.to_owned();
        queue.send(message).await.unwrap();
    }
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let delivery = first(&queue).await;
        queue.delete(&delivery.receipt).await.unwrap();
        bodies.push(delivery.envelope.body);
    }
    assert_eq!(bodies, ["MSH|A\r", "MSH|B\r", "MSH|A\r"]);
}

/// First in, first out, sequences rising.
pub async fn keeps_the_order_of_a_group(queue: Arc<dyn Queue>) {
    for number in 0..12 {
        queue.send(envelope("a", &format!("m{number}"))).await.unwrap();
    }
    let mut last = (0, String::new());
    for number in 0..12 {
        let delivery = first(&queue).await;
        assert_eq!(delivery.envelope.attributes.control_id, format!("m{number}"));
        let sequence = (delivery.sequence.len(), delivery.sequence.clone());
        assert!(sequence > last, "sequences rise");
        last = sequence;
        queue.delete(&delivery.receipt).await.unwrap();
    }
    assert!(receive(&queue, QUIET).await.is_empty());
}

/// Nothing of a group comes while one of it is on lease; other groups flow.
pub async fn withholds_a_group_on_lease(queue: Arc<dyn Queue>) {
    queue.send(envelope("a", "m1")).await.unwrap();
    let head = one(&queue).await;
    queue.send(envelope("a", "m2")).await.unwrap();
    assert!(receive(&queue, QUIET).await.is_empty());
    queue.send(envelope("b", "m3")).await.unwrap();
    assert_eq!(one(&queue).await.envelope.attributes.control_id, "m3");
    queue.delete(&head.receipt).await.unwrap();
    assert_eq!(one(&queue).await.envelope.attributes.control_id, "m2");
}

/// A lease that ends makes the message come again, before its followers, counted.
pub async fn hands_out_again_after_the_lease(queue: Arc<dyn Queue>) {
    queue.send(envelope("a", "m1")).await.unwrap();
    queue.send(envelope("a", "m2")).await.unwrap();
    let leased = first(&queue).await;
    let shortened =
        queue.change_visibility(std::slice::from_ref(&leased.receipt), Duration::from_secs(1)).await;
    assert_eq!(shortened, [Ok(())]);
    let began = Instant::now();
    let again = first(&queue).await;
    assert_eq!(again.envelope, leased.envelope);
    assert_eq!(again.receive_count, 2);
    assert!(began.elapsed() > Duration::from_millis(500), "not before the lease ended");
}

/// Handing back makes the message come at once, before its followers, counted.
pub async fn hands_out_again_after_a_release(queue: Arc<dyn Queue>) {
    queue.send(envelope("a", "m1")).await.unwrap();
    queue.send(envelope("a", "m2")).await.unwrap();
    let leased = first(&queue).await;
    assert_eq!(release(&queue, &leased).await, [Ok(())]);
    let again = first(&queue).await;
    assert_eq!((again.envelope, again.receive_count), (leased.envelope, 2));
}

/// A lease that is extended holds.
pub async fn extends_a_lease(queue: Arc<dyn Queue>) {
    queue.send(envelope("a", "m1")).await.unwrap();
    let delivery = one(&queue).await;
    let receipts = std::slice::from_ref(&delivery.receipt);
    assert_eq!(queue.change_visibility(receipts, Duration::from_secs(1)).await, [Ok(())]);
    assert_eq!(queue.change_visibility(receipts, Duration::from_secs(30)).await, [Ok(())]);
    assert!(receive(&queue, Duration::from_millis(1500)).await.is_empty());
    queue.delete(&delivery.receipt).await.unwrap();
}

/// A deleted message never comes again.
pub async fn deletes_for_good(queue: Arc<dyn Queue>) {
    queue.send(envelope("a", "m1")).await.unwrap();
    let delivery = one(&queue).await;
    queue.delete(&delivery.receipt).await.unwrap();
    assert!(receive(&queue, QUIET).await.is_empty());
    assert_eq!(queue.statistics().await.unwrap().in_flight, 0);
}

/// Messages that are deleted together are gone, each with its own answer.
pub async fn deletes_many_for_good(queue: Arc<dyn Queue>) {
    for name in ["m1", "m2", "m3"] {
        queue.send(envelope(name, name)).await.unwrap();
    }
    let mut deliveries = Vec::new();
    while deliveries.len() < 3 {
        deliveries.extend(queue.receive(TEN, SOON).await.unwrap());
    }
    let receipts: Vec<_> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
    assert_eq!(queue.delete_all(&receipts).await, vec![Ok(()); 3]);
    assert!(queue.delete_all(&[]).await.is_empty());
    assert!(queue.receive(TEN, QUIET).await.unwrap().is_empty());
}

/// A waiting receive wakes when a message is sent, not when its time is over.
pub async fn wakes_a_waiting_receive(queue: Arc<dyn Queue>) {
    let waiting = Arc::clone(&queue);
    let began = Instant::now();
    let (received, sent) = tokio::join!(waiting.receive(TEN, SOON), async {
        tokio::time::sleep(QUIET).await;
        queue.send(envelope("a", "m1")).await
    });
    sent.unwrap();
    assert_eq!(received.unwrap().len(), 1);
    assert!(began.elapsed() < SOON / 2, "woke at once");
}

/// A waiting receive wakes when the head of a group is deleted.
pub async fn wakes_when_a_group_is_freed(queue: Arc<dyn Queue>) {
    queue.send(envelope("a", "m1")).await.unwrap();
    queue.send(envelope("a", "m2")).await.unwrap();
    let head = first(&queue).await;
    let (received, deleted) = tokio::join!(queue.receive(TEN, SOON), queue.delete(&head.receipt));
    deleted.unwrap();
    assert_eq!(received.unwrap()[0].envelope.attributes.control_id, "m2");
}

/// A dead letter is gone from the queue and its group goes on.
pub async fn dead_letters_leave_the_queue(queue: Arc<dyn Queue>) {
    queue.send(envelope("a", "m1")).await.unwrap();
    queue.send(envelope("a", "m2")).await.unwrap();
    let head = first(&queue).await;
    let letter = DeadLetter {
        reason: Reason::NegativeAcknowledgment,
        ack_code: Some("AE".into()),
        error_code: Some("101".into()),
        attempts: 2,
        text: Some("free text".into()),
    };
    queue.dead_letter(&head, letter).await.unwrap();
    assert_eq!(one(&queue).await.envelope.attributes.control_id, "m2");
    assert_eq!(queue.statistics().await.unwrap().dead, 1);
}

/// What no queue carries is refused and leaves nothing behind.
pub async fn refuses_what_cannot_be_carried(queue: Arc<dyn Queue>) {
    let limit = queue.max_body_bytes();
    let mut framed = envelope("a", "m1");
    framed.body = "\u{b}MSH\u{1c}\r".to_owned();
    let mut large = envelope("a", "m2");
    large.body = "x".repeat(limit + 1);
    let mut nameless = envelope("a", "m3");
    nameless.attributes.control_id = String::new();
    assert_eq!(queue.send(framed).await, Err(QueueError::InvalidBody { offset: 0 }));
    let too_large = QueueError::TooLarge { size_bytes: limit + 1, limit_bytes: limit };
    assert_eq!(queue.send(large).await, Err(too_large));
    assert_eq!(queue.send(nameless).await, Err(QueueError::InvalidEnvelope { field: "control_id" }));
    assert!(receive(&queue, QUIET).await.is_empty());
}

/// A body of exactly the limit passes, attributes do not count against it.
pub async fn carries_a_body_of_the_limit(queue: Arc<dyn Queue>) {
    let mut large = envelope("a", "m1");
    large.body = "x".repeat(queue.max_body_bytes());
    queue.send(large.clone()).await.unwrap();
    assert_eq!(one(&queue).await.envelope, large);
}

/// Counts tell where messages stand.
pub async fn counts(queue: Arc<dyn Queue>) {
    assert_eq!(queue.statistics().await.unwrap().ready, 0);
    for (group, name) in [("a", "m1"), ("a", "m2"), ("b", "m3")] {
        queue.send(envelope(group, name)).await.unwrap();
    }
    let _leased = queue.receive(NonZeroUsize::MIN, SOON).await.unwrap();
    let statistics = queue.statistics().await.unwrap();
    assert_eq!((statistics.ready, statistics.in_flight, statistics.dead), (2, 1, 0));
    queue.ready().await.unwrap();
}

/// Many consumers share the work: every message once, each group in order.
pub async fn consumers_share_without_overlap(queue: Arc<dyn Queue>) {
    for number in 0..5 {
        for group in 0..10 {
            queue.send(envelope(&format!("g{group}"), &format!("{group}-{number}"))).await.unwrap();
        }
    }
    let mut consumers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let queue = Arc::clone(&queue);
        consumers.spawn(async move {
            let mut seen = Vec::new();
            loop {
                let deliveries = queue.receive(TEN, Duration::from_secs(1)).await.unwrap();
                if deliveries.is_empty() {
                    return seen;
                }
                for delivery in deliveries {
                    seen.push((Instant::now(), delivery.envelope.attributes.control_id));
                    queue.delete(&delivery.receipt).await.unwrap();
                }
            }
        });
    }
    let mut seen = consumers.join_all().await.concat();
    assert_eq!(seen.len(), 50);
    seen.sort();
    let mut last: HashMap<String, i32> = HashMap::new();
    for (_, name) in seen {
        let (group, number) = name.split_once('-').unwrap();
        let number = number.parse().unwrap();
        assert_eq!(last.insert(group.to_owned(), number).unwrap_or(-1), number - 1, "group {group} in order");
    }
}

/// An old receipt does nothing once the message was handed out again.
pub async fn fences_stale_receipts(queue: Arc<dyn Queue>) {
    queue.send(envelope("a", "m1")).await.unwrap();
    let old = one(&queue).await;
    assert_eq!(release(&queue, &old).await, [Ok(())]);
    let new = one(&queue).await;
    assert_eq!(queue.delete(&old.receipt).await, Err(QueueError::Stale));
    assert_eq!(release(&queue, &old).await, [Err(QueueError::Stale)]);
    assert_eq!(queue.dead_letter(&old, DeadLetter::new(Reason::Expired)).await, Err(QueueError::Stale));
    queue.delete(&new.receipt).await.unwrap();
    assert_eq!(queue.delete(&new.receipt).await, Err(QueueError::Stale));
}

/// A receive that is dropped strands nothing: the message comes at once and is not counted twice.
pub async fn dropped_receives_strand_nothing(queue: Arc<dyn Queue>) {
    for round in 0..20 {
        let mut dropped = queue.receive(TEN, SOON);
        let early = tokio::time::timeout(Duration::from_millis(round % 3), &mut dropped).await;
        assert!(early.is_err(), "nothing to receive yet");
        let (name, group) = (format!("m{round}"), format!("g{round}"));
        // The send is answered while the waiting receive is still there, then it is dropped unpolled.
        queue.send(envelope(&group, &name)).await.unwrap();
        drop(dropped);
        let delivery = one(&queue).await;
        assert_eq!((delivery.envelope.attributes.control_id, delivery.receive_count), (name, 1));
        queue.delete(&delivery.receipt).await.unwrap();
    }
}

/// Dead letters are listed in order and shown whole, by group and page by page.
pub async fn lists_and_shows_dead_letters(queue: Arc<dyn Queue>) {
    let operator = operator(&queue);
    assert_eq!(operator.list(None, None, 10).await, Ok(vec![]));
    for (group, name) in [("a", "m1"), ("a", "m2"), ("b", "m3")] {
        give_up(&queue, group, name).await;
    }
    let listed = operator.list(None, None, 10).await.unwrap();
    let names: Vec<_> = listed.iter().map(|line| line.attributes.control_id.as_str()).collect();
    assert_eq!(names, ["m1", "m2", "m3"]);
    assert!(!format!("{listed:?}").contains("PID"), "no body");
    let page = operator.list(None, Some(&listed[0].id), 1).await.unwrap();
    assert_eq!(page[..], listed[1..2]);
    let group = operator.list(Some(&listed[2].group), None, 10).await.unwrap();
    assert_eq!(group[..], listed[2..]);
    let record = operator.show(&listed[1].id).await.unwrap();
    assert_eq!(record.summary, listed[1]);
    assert_eq!(
        (record.envelope.body, record.envelope.group),
        (envelope("a", "m2").body, listed[1].group.clone())
    );
    assert_eq!(record.envelope.attributes, envelope("a", "m2").attributes);
    assert_eq!(record.letter.reason, Reason::NegativeAcknowledgment);
    assert_eq!((record.letter.ack_code.as_deref(), record.letter.attempts), (Some("AE"), 2));
    // A look takes nothing away.
    assert_eq!(operator.list(None, None, 10).await.unwrap(), listed);
}

/// A skipped dead letter is gone; what is not there is not found.
pub async fn skips_dead_letters(queue: Arc<dyn Queue>) {
    give_up(&queue, "a", "m1").await;
    let (operator, id) = (operator(&queue), only(&queue).await);
    operator.skip(&id).await.unwrap();
    assert_eq!(operator.show(&id).await.unwrap_err(), QueueError::NotFound);
    assert_eq!(operator.skip(&id).await, Err(QueueError::NotFound));
    assert_eq!(operator.redrive(&id, Stale::Force).await, Err(QueueError::NotFound));
    assert_eq!(operator.show(&DeadLetterId::new("nonsense")).await.unwrap_err(), QueueError::NotFound);
    assert_eq!(queue.statistics().await.unwrap().dead, 0);
}

/// More dead letters of one group than one call brings are listed in order, and the oldest comes first.
pub async fn lists_many_dead_letters_of_a_group(queue: Arc<dyn Queue>) {
    let names: Vec<String> = (10..22).map(|number| format!("m{number}")).collect();
    for name in &names {
        give_up(&queue, "a", name).await;
    }
    let listed = operator(&queue).list(None, None, 100).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|letter| letter.attributes.control_id.clone()).collect();
    let expected: Vec<_> = names.iter().map(|name| envelope("a", name).attributes.control_id).collect();
    assert_eq!(ids, expected);
    assert!(listed.iter().all(|letter| letter.group == envelope("a", "m10").group));
    let last = &listed[11].id;
    assert_eq!(operator(&queue).redrive(last, Stale::Refuse).await, Err(QueueError::OutOfOrder));
}

/// A redriven message comes again, the same bytes, and is no dead letter any more.
pub async fn redrives_dead_letters(queue: Arc<dyn Queue>) {
    give_up(&queue, "a", "m1").await;
    let (operator, id) = (operator(&queue), only(&queue).await);
    operator.redrive(&id, Stale::Force).await.unwrap();
    let again = one(&queue).await;
    assert_eq!(again.envelope.body, envelope("a", "m1").body);
    assert_eq!(again.envelope.attributes, envelope("a", "m1").attributes);
    queue.delete(&again.receipt).await.unwrap();
    assert_eq!(operator.list(None, None, 10).await, Ok(vec![]));
    assert!(receive(&queue, QUIET).await.is_empty());
}

/// An older state does not overwrite a newer one unasked, and dead letters of a group go in their order.
pub async fn refuses_a_redrive_that_rolls_back(queue: Arc<dyn Queue>) {
    for name in ["m1", "m2"] {
        give_up(&queue, "a", name).await;
    }
    let operator = operator(&queue);
    let ids: Vec<_> = operator.list(None, None, 10).await.unwrap().into_iter().map(|line| line.id).collect();
    assert_eq!(operator.redrive(&ids[1], Stale::Refuse).await, Err(QueueError::OutOfOrder));
    queue.send(envelope("a", "m3")).await.unwrap();
    queue.delete(&one(&queue).await.receipt).await.unwrap();
    let refused = operator.redrive(&ids[0], Stale::Refuse).await;
    assert!(matches!(refused, Err(QueueError::Superseded | QueueError::MaybeSuperseded)), "{refused:?}");
    assert_eq!(operator.list(None, None, 10).await.unwrap().len(), 2);
}

/// A parked group waits while others flow, and goes on in order.
pub async fn withholds_parked_groups(queue: Arc<dyn Queue>) {
    let operator = operator(&queue);
    let group = envelope("a", "m1").group;
    operator.park(&group).await.unwrap();
    operator.park(&group).await.unwrap();
    for (group, name) in [("a", "m1"), ("a", "m2"), ("b", "m3")] {
        queue.send(envelope(group, name)).await.unwrap();
    }
    let mut seen = receive(&queue, SOON).await;
    seen.extend(receive(&queue, QUIET).await);
    let names: Vec<_> =
        seen.iter().map(|delivery| delivery.envelope.attributes.control_id.as_str()).collect();
    assert_eq!(names, ["m3"]);
    assert_eq!(operator.parked().await.unwrap(), std::slice::from_ref(&group));
    assert_eq!(operator.list(None, None, 10).await, Ok(vec![]), "parking is no dead letter");
    assert_eq!(queue.statistics().await.unwrap().dead, 0);
    operator.unpark(&group).await.unwrap();
    operator.unpark(&group).await.unwrap();
    assert_eq!(operator.parked().await, Ok(vec![]));
    for name in ["m1", "m2"] {
        let delivery = first(&queue).await;
        assert_eq!(delivery.envelope, envelope("a", name));
        queue.delete(&delivery.receipt).await.unwrap();
    }
}

/// In a parked group, a redriven message goes before everything that waits.
pub async fn a_redrive_in_a_parked_group_goes_first(queue: Arc<dyn Queue>) {
    queue.send(envelope("a", "m1")).await.unwrap();
    queue.send(envelope("a", "m2")).await.unwrap();
    let operator = operator(&queue);
    let head = first(&queue).await;
    operator.park(&head.envelope.group).await.unwrap();
    queue.dead_letter(&head, DeadLetter::new(Reason::KillsPeer)).await.unwrap();
    assert!(receive(&queue, QUIET).await.is_empty());
    operator.redrive(&only(&queue).await, Stale::Refuse).await.unwrap();
    operator.unpark(&head.envelope.group).await.unwrap();
    let again = first(&queue).await;
    assert_eq!(again.envelope.body, envelope("a", "m1").body);
    assert!(receive(&queue, QUIET).await.is_empty(), "m2 waits for m1");
    let extended =
        queue.change_visibility(std::slice::from_ref(&again.receipt), Duration::from_secs(30)).await;
    assert_eq!(extended, [Ok(())]);
    queue.delete(&again.receipt).await.unwrap();
    assert_eq!(first(&queue).await.envelope, envelope("a", "m2"));
    assert_eq!(operator.list(None, None, 10).await, Ok(vec![]));
}

fn operator(queue: &Arc<dyn Queue>) -> &dyn DeadLetterQueue {
    queue.dead_letters().unwrap()
}

/// The id of the only dead letter.
async fn only(queue: &Arc<dyn Queue>) -> DeadLetterId {
    let mut listed = operator(queue).list(None, None, 10).await.unwrap();
    assert_eq!(listed.len(), 1, "exactly one dead letter");
    listed.remove(0).id
}

/// Sends a message and makes it a dead letter.
async fn give_up(queue: &Arc<dyn Queue>, group: &str, name: &str) {
    queue.send(envelope(group, name)).await.unwrap();
    let delivery = one(queue).await;
    let letter = DeadLetter {
        ack_code: Some("AE".into()),
        error_code: Some("101".into()),
        attempts: 2,
        ..DeadLetter::new(Reason::NegativeAcknowledgment)
    };
    queue.dead_letter(&delivery, letter).await.unwrap();
}

/// One receive that must bring exactly one message.
async fn one(queue: &Arc<dyn Queue>) -> Delivery {
    let mut deliveries = receive(queue, SOON).await;
    assert_eq!(deliveries.len(), 1, "exactly one message is ready");
    deliveries.remove(0)
}

/// One message although several of the group may come.
async fn first(queue: &Arc<dyn Queue>) -> Delivery {
    queue.receive(NonZeroUsize::MIN, SOON).await.unwrap().remove(0)
}

async fn receive(queue: &Arc<dyn Queue>, wait: Duration) -> Vec<Delivery> {
    queue.receive(TEN, wait).await.unwrap()
}

async fn release(queue: &Arc<dyn Queue>, delivery: &Delivery) -> Vec<Result<(), QueueError>> {
    queue.change_visibility(std::slice::from_ref(&delivery.receipt), Duration::ZERO).await
}
