//! Dead letters in SQS: a queue can only be looked at by receiving from it, so every look hides what it saw for a
//! moment.
//!
//! A message that is redriven in a parked group is handed out straight from the dead-letter queue, ahead of what
//! waits; sent to the queue it would stand behind. Its receipt begins with [`MARK`].

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use aws_sdk_sqs::{
    Client, operation::receive_message::builders::ReceiveMessageFluentBuilder, types::QueueAttributeName,
};
use tokio::sync::oneshot;

use super::{
    SqsQueue, change, fetch,
    message::{self, Found, Letter, to_attributes},
    remove,
};
use crate::{
    DeadLetterId, DeadLetterQueue, DeadLetterRecord, DeadLetterSummary, DeduplicationId, Delivery, GroupId,
    QueueError, Receipt, Stale,
};

/// Begins the receipts of messages in the dead-letter queue.
const MARK: &str = "dead:";
/// How long a dead letter is hidden by a look at it, should the process end meanwhile.
const LOOK: Duration = Duration::from_secs(60);
/// A short wait asks every server of SQS, no wait only some.
const WAIT: Duration = Duration::from_secs(1);
/// How often the giving back of letters is tried: until they come back by themselves, nobody else sees them.
const RELEASES: usize = 3;
/// What is said when a look may not have seen everything.
const HIDDEN: &str = "another reader hides some of the dead letters; they come back within a minute";
const HIDDEN_MESSAGES: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
/// The most dead letters one look takes in.
const MAX_SEEN: usize = 10_000;
/// How long the messages of a parked group are kept on lease; made longer when half of it is over. After a
/// restart, which forgets the leases, unparking takes effect when this ends at the latest.
const HOLD: Duration = Duration::from_secs(5 * 60);

/// The handle of a receipt of the dead-letter queue.
pub(super) fn handle(receipt: &Receipt) -> Option<&str> {
    receipt.as_str().strip_prefix(MARK)
}

impl SqsQueue {
    /// Learns which groups are parked, once.
    pub(super) async fn read_markers(&self) -> Result<(), QueueError> {
        let read = || async {
            let (reply, answer) = oneshot::channel();
            let (desk, looking) = (self.desk(), Arc::clone(&self.looking));
            // A task of its own: if the caller goes away in the middle, the markers it saw would be hidden from the
            // next one, who would take their groups for free.
            self.receives.spawn(async move {
                let _looking = looking.lock().await;
                let result = match Look::at(desk, None).await {
                    Ok(look) => {
                        let groups = look.marked();
                        look.end().await;
                        Ok(groups)
                    }
                    Err(error) => Err(error),
                };
                drop(reply.send(result));
            });
            let stopped = |_| QueueError::Unavailable { reason: "the queue is closed".into() };
            for group in answer.await.map_err(stopped)?? {
                self.parking().park(group);
            }
            Ok(())
        };
        self.markers.get_or_try_init(read).await.copied()
    }

    fn desk(&self) -> Desk {
        Desk {
            client: self.client.clone(),
            url: self.dead_letter_url.clone(),
            // Each receive of a look must bring others; with one attempt id SQS repeats itself.
            receive: self
                .receive_from(&self.dead_letter_url, super::MAX_BATCH, WAIT, LOOK)
                .set_receive_request_attempt_id(None),
        }
    }

    /// What was received, without the groups that are withheld; those stay on lease.
    pub(super) async fn withhold_parked(&self, deliveries: Vec<Delivery>) -> Vec<Delivery> {
        let (free, withheld) = self.parking().sort(deliveries, HOLD / 2);
        if !withheld.is_empty() {
            // A lease that is not made longer ends sooner: the message comes again and is withheld again.
            drop(change(&self.client, &self.url, &withheld, HOLD).await);
        }
        free
    }

    /// Makes the leases of parked groups longer in time. One that has ended after all brings its message again.
    pub(super) async fn keep_parked(&self) {
        let receipts = self.parking().renewal(HOLD / 2);
        if receipts.is_empty() {
            return;
        }
        let results = change(&self.client, &self.url, &receipts, HOLD).await;
        for (receipt, result) in receipts.iter().zip(results) {
            if result == Err(QueueError::Stale) {
                self.parking().lost(receipt);
            }
        }
    }

    /// Redriven messages whose lease still holds.
    pub(super) async fn hand_out_redriven(&self, max: usize) -> Vec<Delivery> {
        let mut deliveries = self.parking().hand_out(max, self.visibility);
        let receipts: Vec<_> = deliveries.iter().map(|delivery| delivery.receipt.clone()).collect();
        let results = self.change_redriven(&receipts, self.visibility).await;
        let mut results = results.into_iter();
        deliveries.retain(|_| results.next().is_some_and(|result| result.is_ok()));
        deliveries
    }

    /// As `change_visibility`, for redriven messages.
    pub(super) async fn change_redriven(
        &self,
        receipts: &[Receipt],
        visible_in: Duration,
    ) -> Vec<Result<(), QueueError>> {
        let handles: Vec<_> = receipts.iter().filter_map(handle).map(Receipt::new).collect();
        let until = Instant::now() + visible_in;
        let results = change(&self.client, &self.dead_letter_url, &handles, visible_in).await;
        for (receipt, result) in receipts.iter().zip(&results) {
            match result {
                Ok(()) if !visible_in.is_zero() => self.parking().extended(receipt, until),
                Ok(()) | Err(QueueError::Stale) => self.redriven_ended(receipt).await,
                Err(_) => {}
            }
        }
        results
    }

    /// A redriven message is settled or back among the dead letters: its group goes on unless it is parked.
    pub(super) async fn redriven_ended(&self, receipt: &Receipt) {
        let held = self.parking().ended(receipt);
        self.let_go(&held).await;
    }

    async fn let_go(&self, held: &[Receipt]) {
        if !held.is_empty() {
            // What cannot be released comes when its lease ends.
            drop(change(&self.client, &self.url, held, Duration::ZERO).await);
        }
    }
}

#[async_trait]
impl DeadLetterQueue for SqsQueue {
    async fn list(
        &self,
        group: Option<&GroupId>,
        after: Option<&DeadLetterId>,
        limit: u32,
    ) -> Result<Vec<DeadLetterSummary>, QueueError> {
        let _looking = self.looking.lock().await;
        let look = Look::at(self.desk(), None).await?;
        let mut letters: Vec<_> = look.letters().collect();
        letters.sort_by_key(|letter| letter.turn());
        let mut summaries: Vec<_> = letters.iter().map(|letter| letter.record.summary.clone()).collect();
        let is_partial = look.is_partial(self).await;
        look.end().await;
        if is_partial? {
            tracing::warn!("{HIDDEN}");
        }
        if let Some(after) = after {
            let place = summaries.iter().position(|summary| summary.id == *after);
            summaries.drain(..place.map_or(0, |place| place + 1));
        }
        summaries.retain(|summary| group.is_none_or(|group| *group == summary.group));
        summaries.truncate(limit as usize);
        Ok(summaries)
    }

    async fn show(&self, id: &DeadLetterId) -> Result<DeadLetterRecord, QueueError> {
        let _looking = self.looking.lock().await;
        let look = Look::at(self.desk(), Some(id)).await?;
        let record = match look.letter(id) {
            Some(letter) => Ok(letter.record.clone()),
            None => Err(look.missing(self).await),
        };
        look.end().await;
        record
    }

    async fn redrive(&self, id: &DeadLetterId, stale: Stale) -> Result<(), QueueError> {
        let _looking = self.looking.lock().await;
        // Whether it is the oldest of its group is known only when all were seen.
        let until = if stale == Stale::Refuse { None } else { Some(id) };
        let mut look = Look::at(self.desk(), until).await?;
        let result = look.redrive(self, id, stale).await;
        look.end().await;
        result
    }

    async fn skip(&self, id: &DeadLetterId) -> Result<(), QueueError> {
        let _looking = self.looking.lock().await;
        let mut look = Look::at(self.desk(), Some(id)).await?;
        let result = match look.take(id) {
            Some(letter) => {
                remove(&self.client, &self.dead_letter_url, letter.delivery.receipt.as_str()).await
            }
            None => Err(look.missing(self).await),
        };
        look.end().await;
        result
    }

    async fn park(&self, group: &GroupId) -> Result<(), QueueError> {
        self.read_markers().await?;
        if self.parking().is_parked(group) {
            return Ok(());
        }
        let id = DeduplicationId::digest(&["parked", group.as_str(), &self.attempt_id()]);
        let (envelope, attributes) = message::marker(group, id.clone());
        self.put(&self.dead_letter_url, &envelope, &envelope.group, id.as_str(), attributes).await?;
        self.parking().park(group.clone());
        Ok(())
    }

    async fn unpark(&self, group: &GroupId) -> Result<(), QueueError> {
        self.read_markers().await?;
        if !self.parking().is_parked(group) {
            return Ok(());
        }
        let _looking = self.looking.lock().await;
        let mut look = Look::at(self.desk(), None).await?;
        let result = look.remove_markers(group).await;
        look.end().await;
        if result? == 0 {
            let reason = "another reader of the dead letters hides the marker of the group".into();
            return Err(QueueError::Unavailable { reason });
        }
        let held = self.parking().unpark(group);
        self.let_go(&held).await;
        Ok(())
    }

    async fn parked(&self) -> Result<Vec<GroupId>, QueueError> {
        self.read_markers().await?;
        Ok(self.parking().parked())
    }
}

/// What it takes to look at the dead letters.
struct Desk {
    client: Client,
    url: String,
    receive: ReceiveMessageFluentBuilder,
}

/// Dead letters on lease for as long as someone looks at them.
struct Look {
    desk: Desk,
    seen: Vec<Found>,
}

impl Look {
    /// Takes in everything there is, or until `id` was seen.
    async fn at(desk: Desk, id: Option<&DeadLetterId>) -> Result<Self, QueueError> {
        let mut look = Self { desk, seen: Vec::new() };
        while look.seen.len() < MAX_SEEN && id.is_none_or(|id| look.letter(id).is_none()) {
            let messages = match fetch(look.desk.receive.clone()).await {
                Ok(messages) => messages,
                Err(error) => {
                    look.end().await;
                    return Err(error);
                }
            };
            // What cannot be read stays hidden for a while. What was seen before comes again in a look that lasts
            // longer than its leases.
            let fresh = messages.into_iter().filter_map(|message| message::found(message).ok());
            let fresh: Vec<_> = fresh.filter(|found| !look.has(found)).collect();
            if fresh.is_empty() {
                break;
            }
            look.seen.extend(fresh);
        }
        Ok(look)
    }

    fn letters(&self) -> impl Iterator<Item = &Letter> {
        self.seen.iter().filter_map(|found| match found {
            Found::Letter(letter) => Some(&**letter),
            Found::Marker { .. } => None,
        })
    }

    fn has(&self, found: &Found) -> bool {
        match found {
            Found::Letter(letter) => self.letter(&letter.record.summary.id).is_some(),
            Found::Marker { receipt, .. } => self.seen.iter().any(|seen| seen.receipt() == receipt),
        }
    }

    fn letter(&self, id: &DeadLetterId) -> Option<&Letter> {
        self.letters().find(|letter| letter.record.summary.id == *id)
    }

    /// The letter, no longer part of the look.
    fn take(&mut self, id: &DeadLetterId) -> Option<Letter> {
        let is_it = |found: &Found| matches!(found, Found::Letter(letter) if letter.record.summary.id == *id);
        let place = self.seen.iter().position(is_it)?;
        match self.seen.remove(place) {
            Found::Letter(letter) => Some(*letter),
            Found::Marker { .. } => None,
        }
    }

    async fn redrive(&mut self, queue: &SqsQueue, id: &DeadLetterId, stale: Stale) -> Result<(), QueueError> {
        let Some(letter) = self.letter(id) else { return Err(self.missing(queue).await) };
        let group = letter.record.summary.group.clone();
        let parked = queue.parking().is_parked(&group);
        if stale == Stale::Refuse {
            let of_group = self.letters().filter(|letter| letter.record.summary.group == group);
            let oldest = of_group.min_by_key(|letter| letter.turn());
            if oldest.is_some_and(|oldest| oldest.record.summary.id != *id) {
                return Err(QueueError::OutOfOrder);
            }
            if !parked {
                return Err(QueueError::MaybeSuperseded);
            }
        }
        let Letter { delivery, .. } = self.take(id).ok_or(QueueError::NotFound)?;
        let receipt = delivery.receipt.clone();
        if parked {
            let receipts = [receipt];
            let results = change(&queue.client, &queue.dead_letter_url, &receipts, queue.visibility).await;
            results.into_iter().collect::<Result<(), _>>()?;
            let receipt = Receipt::new(format!("{MARK}{}", delivery.receipt.as_str()));
            queue.parking().redrive(Delivery { receipt, ..delivery });
            return Ok(());
        }
        let envelope = &delivery.envelope;
        let deduplication_id = DeduplicationId::digest(&["redrive", id.as_str()]);
        let attributes = to_attributes(&envelope.attributes, None);
        queue.put(&queue.url, envelope, &envelope.group, deduplication_id.as_str(), attributes).await?;
        remove(&queue.client, &queue.dead_letter_url, receipt.as_str()).await
    }

    /// The groups that markers name.
    fn marked(&self) -> Vec<GroupId> {
        let marked = self.seen.iter().filter_map(|found| match found {
            Found::Marker { group, .. } => Some(group.clone()),
            Found::Letter(_) => None,
        });
        marked.collect()
    }

    /// How many markers of the group there were.
    async fn remove_markers(&mut self, group: &GroupId) -> Result<usize, QueueError> {
        let mut removed = 0;
        for found in &self.seen {
            if let Found::Marker { group: marked, receipt } = found
                && marked == group
            {
                remove(&self.desk.client, &self.desk.url, receipt.as_str()).await?;
                removed += 1;
            }
        }
        self.seen.retain(|found| !matches!(found, Found::Marker { group: marked, .. } if marked == group));
        Ok(removed)
    }

    /// Whether somebody else hides letters from this look. SQS counts approximately.
    async fn is_partial(&self, queue: &SqsQueue) -> Result<bool, QueueError> {
        let hidden = queue.count(&self.desk.url, &[HIDDEN_MESSAGES]).await?;
        Ok(hidden.first().is_some_and(|&hidden| hidden > self.seen.len() as u64))
    }

    /// What is to be said of a letter that was not seen.
    async fn missing(&self, queue: &SqsQueue) -> QueueError {
        match self.is_partial(queue).await {
            Ok(false) => QueueError::NotFound,
            Ok(true) => QueueError::Unavailable { reason: HIDDEN.into() },
            Err(error) => error,
        }
    }

    /// Gives everything back, the last first.
    async fn end(self) {
        let mut receipts: Vec<_> = self.seen.iter().rev().map(|found| found.receipt().clone()).collect();
        for _ in 0..RELEASES {
            let results = change(&self.desk.client, &self.desk.url, &receipts, Duration::ZERO).await;
            let mut results = results.into_iter();
            receipts.retain(|_| matches!(results.next(), Some(Err(QueueError::Unavailable { .. }))));
            if receipts.is_empty() {
                return;
            }
        }
        let (count, seconds) = (receipts.len(), LOOK.as_secs());
        tracing::warn!(count, "dead letters cannot be given back: they are hidden for {seconds} s");
    }
}
