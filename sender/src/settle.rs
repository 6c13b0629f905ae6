//! What a disposition does to the queue, the ledger and the table.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hl7v2::{AckCode, Acknowledgment};
use queue::{DeadLetter, QueueError, Reason};
use tokio::time::Instant;

use crate::{
    application,
    backoff::jittered,
    disposition::Disposition,
    leaving::Leaver,
    shared::{Counts, Shared},
    table::Held,
};

/// Delay before a queue call is repeated.
const REPEAT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Removes, dead-letters or puts back a message that was on the wire (or will never be).
pub(crate) async fn settle(
    shared: &Arc<Shared>,
    mut held: Held,
    disposition: Disposition,
    acknowledgment: Option<Acknowledgment>,
) {
    let refusal = acknowledgment.as_ref().filter(|ack| !matches!(ack.code, AckCode::AA | AckCode::CA));
    let rejecting = match (disposition, refusal) {
        // "Duplicate key" for a repeat: delivered, nothing to hold against anyone.
        (Disposition::Delivered, _) | (_, None) => false,
        (_, Some(ack)) => {
            let error = ack.errors.first().map_or(0, |error| error.code);
            shared
                .breaker(|breaker, now| breaker.refused(held.group(), &format!("{}/{error}", ack.code), now))
        }
    };
    match disposition {
        Disposition::Delivered => delivered(shared, held, acknowledgment.as_ref()),
        // It is not the message: it keeps its tries and waits until the endpoint is well.
        Disposition::RetryRefused
        | Disposition::DeadLetter(Reason::NegativeAcknowledgment | Reason::RetriesExhausted)
            if rejecting =>
        {
            held.history.negatives -= 1;
            shared.metrics.retries.with(["rejecting"]).increment(1);
            put_back(shared, held, Duration::ZERO).await;
        }
        Disposition::RetryRefused => {
            shared.metrics.retries.with(["refused"]).increment(1);
            let delay = delay(shared, held.history.negatives);
            put_back(shared, held, delay).await;
        }
        Disposition::AwaitApplication => application::wait(shared, held),
        Disposition::RetryLost | Disposition::KeepWaiting => {
            shared.metrics.retries.with(["lost"]).increment(1);
            shared.breaker(|breaker, now| breaker.lost(now));
            let delay = delay(shared, held.history.attempts);
            put_back(shared, held, delay).await;
        }
        Disposition::DeadLetter(reason) => dead_letter(shared, held, reason, acknowledgment).await,
    }
}

fn delivered(shared: &Arc<Shared>, held: Held, acknowledgment: Option<&Acknowledgment>) {
    let attributes = &held.delivery.envelope.attributes;
    let mut note = None;
    if shared.ledger.remember(*held.digest()) {
        shared.counts.delivered.fetch_add(1, Ordering::Relaxed);
        shared.metrics.delivered(attributes, shared.wall());
        let attempts = held.history.attempts;
        note = shared.ledger.note(held.digest(), &attributes.control_id, acknowledgment, attempts);
    }
    shared.leave(Leaver { held, note });
}

async fn dead_letter(
    shared: &Arc<Shared>,
    held: Held,
    reason: Reason,
    acknowledgment: Option<Acknowledgment>,
) {
    let facts = &held.delivery.envelope.attributes;
    let letter = DeadLetter {
        reason,
        ack_code: acknowledgment.as_ref().map(|ack| ack.code.as_str().to_owned()),
        error_code: acknowledgment.as_ref().and_then(|ack| Some(ack.errors.first()?.code.to_string())),
        attempts: held.history.attempts,
        text: acknowledgment.map(|ack| ack.raw),
    };
    tracing::error!(
        hl7.control_id = facts.control_id,
        hl7.trigger_event = facts.event,
        hl7.ack_code = letter.ack_code,
        hl7.error_code = letter.error_code,
        queue.receive_count = held.delivery.receive_count,
        attempts = letter.attempts,
        reason = reason.as_str(),
        trace_id = facts.trace_id(),
        "message given up, moved to the dead letters"
    );
    Counts::add(&shared.counts.dead);
    shared.metrics.dead_lettered.with([reason.as_str()]).increment(1);
    let park = shared.config.policy.park_events.contains(&facts.event);
    remove(shared, held, Removal::DeadLetter { letter, park }).await;
}

/// How a message leaves the queue.
#[derive(Debug)]
pub(crate) enum Removal {
    Delete,
    /// `park` withholds the rest of the group: later messages build on this one.
    DeadLetter {
        letter: DeadLetter,
        park: bool,
    },
}

/// Takes the message out of the queue and lets its group go on. What does not succeed at once is repeated beside
/// the connection, so that a queue that cannot delete does not stop an endpoint that is well; the group stays
/// locked, and the message counts as held, which bounds how many there can be.
async fn remove(shared: &Arc<Shared>, held: Held, removal: Removal) {
    if try_remove(shared, &held, &removal).await {
        shared.table(|table| table.finish(held.group()));
    } else {
        repeat(shared, held, removal);
    }
}

/// Removes it later.
pub(crate) fn repeat(shared: &Arc<Shared>, held: Held, removal: Removal) {
    shared.table(|table| table.off_the_wire(held.group()));
    let beside = Arc::clone(shared);
    shared.beside.spawn(async move {
        let mut tries = 1;
        loop {
            tokio::select! {
                () = tokio::time::sleep(jittered(REPEAT.0, REPEAT.1, tries)) => {}
                () = beside.cut_off.reached() => break,
            }
            if try_remove(&beside, &held, &removal).await {
                break;
            }
            tries += 1;
        }
        beside.table(|table| table.finish(held.group()));
    });
}

/// Whether nothing is left to do: it is done, or the lease is gone.
async fn try_remove(shared: &Shared, held: &Held, removal: &Removal) -> bool {
    let result = match removal {
        Removal::Delete => shared.queue.delete(&held.delivery.receipt).await,
        Removal::DeadLetter { letter, park } => {
            async {
                if *park {
                    withhold_group(shared, held).await?;
                }
                shared.queue.dead_letter(&held.delivery, letter.clone()).await
            }
            .await
        }
    };
    removed(held, result)
}

/// As [`try_remove`], of what the queue said.
pub(crate) fn removed(held: &Held, result: Result<(), QueueError>) -> bool {
    match result {
        Ok(()) => true,
        Err(QueueError::Stale) => {
            let control_id = &held.delivery.envelope.attributes.control_id;
            tracing::warn!(hl7.control_id = control_id, "the lease had ended; the message will come again");
            true
        }
        Err(error) => {
            let control_id = &held.delivery.envelope.attributes.control_id;
            tracing::warn!(%error, hl7.control_id = control_id, "removing a message from the queue failed");
            false
        }
    }
}

async fn withhold_group(shared: &Shared, held: &Held) -> Result<(), QueueError> {
    let Some(operator) = shared.queue.dead_letters() else {
        tracing::warn!("this queue cannot park groups, later messages of the group go on");
        return Ok(());
    };
    operator.park(held.group()).await?;
    let followers = shared.table(|table| table.forget_waiting(held.group()));
    shared.release(&followers).await;
    Ok(())
}

async fn put_back(shared: &Shared, held: Held, delay: Duration) {
    let control_id = held.delivery.envelope.attributes.control_id.clone();
    if !shared.table(|table| table.put_back(held, Instant::now() + delay)) {
        tracing::warn!(hl7.control_id = control_id, "the lease ended; the message will come again");
    }
}

fn delay(shared: &Shared, tries: u32) -> Duration {
    jittered(shared.config.policy.retry_base, shared.config.policy.retry_cap, tries.saturating_sub(1))
}
