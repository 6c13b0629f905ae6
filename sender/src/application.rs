//! The second phase of enhanced acknowledgment (HL7 v2.5.1 §2.9.3): the endpoint took custody with a commit
//! accept and owes an application acknowledgment, which may come late and on any of our connections.
//!
//! The connection is free meanwhile. The message stays on lease, its group locked, until the answer comes or its
//! time is over; it is never sent again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hl7v2::{AckCode, Acknowledgment};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    confirm::confirm,
    connection::Open,
    delivery::answer,
    disposition::{Answer, decide},
    settle::settle,
    shared::Shared,
    table::Held,
};

/// How long the rest of a frame may take that has begun on an idle connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who waits for which control id.
#[derive(Debug, Default)]
pub(crate) struct Awaiting(Mutex<HashMap<String, oneshot::Sender<Acknowledgment>>>);

impl Awaiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Hands an application acknowledgment to the message it is about. Gives back what nobody waits for.
    pub(crate) fn offer(&self, acknowledgment: Acknowledgment) -> Result<(), Acknowledgment> {
        if matches!(acknowledgment.code, AckCode::CA | AckCode::CE | AckCode::CR) {
            return Err(acknowledgment);
        }
        let id = acknowledgment.control_id.as_deref().map(str::trim).unwrap_or_default();
        match self.lock().remove(id) {
            Some(waiting) => waiting.send(acknowledgment),
            None => Err(acknowledgment),
        }
    }

    fn expect(&self, control_id: &str) -> oneshot::Receiver<Acknowledgment> {
        let (sender, receiver) = oneshot::channel();
        self.lock().insert(control_id.trim().to_owned(), sender);
        receiver
    }

    fn forget(&self, control_id: &str) {
        self.lock().remove(control_id.trim());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Acknowledgment>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits beside the connections for the application acknowledgment of a message, then settles it.
pub(crate) fn wait(shared: &Arc<Shared>, mut held: Held) {
    held.history.committed = true;
    let control_id = held.delivery.envelope.attributes.control_id.clone();
    let answered = shared.awaiting.expect(&control_id);
    shared.table(|table| table.off_the_wire(held.group()));
    let beside = Arc::clone(shared);
    shared.beside.spawn(async move {
        let policy = &beside.config.policy;
        let acknowledgment = tokio::select! {
            acknowledgment = answered => acknowledgment.ok(),
            () = tokio::time::sleep(policy.application_timeout) => None,
            () = beside.shutdown.cancelled() => None,
        };
        beside.awaiting.forget(&control_id);
        let code = acknowledgment.as_ref().map_or("timeout", |ack| ack.code.as_str());
        beside.metrics.acks.with([code]).increment(1);
        let received = acknowledgment.as_ref().map_or(Answer::Lost, |ack| answer(ack, &held));
        if acknowledgment.is_none() {
            tracing::warn!(
                hl7.control_id = control_id,
                reason = "no_app_ack",
                "custody was taken, and no application acknowledgment came"
            );
        }
        let disposition = decide(received, held.history, true, policy);
        settle(&beside, held, disposition, acknowledgment).await;
    });
}

/// Reads what came on a connection between two messages. True when it was all application acknowledgments that
/// someone waits for.
pub(crate) async fn hear(shared: &Shared, open: &mut Open) -> bool {
    let mut heard = false;
    while !shared.awaiting.is_empty() {
        // A frame that has begun may be the answer; nothing at all ends the look at once.
        let patience = if heard { Duration::ZERO } else { PATIENCE };
        let Ok(frame) = open.connection.receive_until(Instant::now() + patience).await else { break };
        let Ok(acknowledgment) = Acknowledgment::from_bytes(frame.as_bytes()) else { return false };
        confirm(shared, open, &frame, &acknowledgment).await;
        if shared.awaiting.offer(acknowledgment).is_err() {
            return false;
        }
        heard = true;
    }
    heard
}
