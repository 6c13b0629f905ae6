//! The writer thread: collects what waits, commits it, then answers and hands out.

use std::{collections::VecDeque, time::Instant};

use group_commit::{Inbox, Sender};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::{batch::Batch, core::Core, gone};
use crate::{DeadLetter, Delivery, Envelope, QueueError, Sent, scheduler::Ticket};

pub(super) type Work = Box<dyn FnOnce(Result<&mut Core, QueueError>) + Send>;

/// What is answered after a commit, and may wait for others to share it.
pub(super) enum Write {
    Send {
        envelope: Envelope,
        permit: OwnedSemaphorePermit,
        reply: oneshot::Sender<Result<Sent, QueueError>>,
    },
    Delete {
        ticket: Ticket,
        reply: oneshot::Sender<Result<(), QueueError>>,
    },
    DeadLetter {
        ticket: Ticket,
        letter: DeadLetter,
        reply: oneshot::Sender<Result<(), QueueError>>,
    },
}

/// What is done at once.
pub(super) enum Call {
    Receive {
        max: usize,
        until: Instant,
        reply: oneshot::Sender<Result<Handover, QueueError>>,
    },
    /// Leases whose receiver went away before it saw them.
    Undo(Vec<Ticket>),
    Work(Work),
    Close {
        reply: Option<oneshot::Sender<Result<(), QueueError>>>,
    },
}

pub(super) type Commands = Sender<Write, Call>;

/// Deliveries on their way to a receiver. If the receiver is dropped meanwhile, they go back uncounted.
pub(super) struct Handover {
    deliveries: Vec<(Ticket, Delivery)>,
    undo: Commands,
}

impl Handover {
    pub(super) fn accept(mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.deliveries).into_iter().map(|(_, delivery)| delivery).collect()
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if !self.deliveries.is_empty() {
            let tickets = self.deliveries.iter().map(|(ticket, _)| *ticket).collect();
            // A closed writer has no leases to give back.
            drop(self.undo.call(Call::Undo(tickets)));
        }
    }
}

struct Waiter {
    max: usize,
    until: Instant,
    reply: oneshot::Sender<Result<Handover, QueueError>>,
}

/// Runs until [`Call::Close`]. After a failure it only refuses.
pub(super) fn run(
    mut core: Core,
    mut inbox: Inbox<Write, Call>,
    undo: &Commands,
    broken: &watch::Sender<Option<QueueError>>,
) {
    let mut waiters = VecDeque::new();
    let mut failure = None;
    let (mut writes, mut calls) = (Vec::new(), Vec::new());
    loop {
        inbox.next(wake_at(&core, &waiters), &mut writes, &mut calls);
        let close = calls.iter().position(|call| matches!(call, Call::Close { .. }));
        let rest = close.map(|place| calls.split_off(place));
        if rest.is_some() {
            inbox.take_writes(&mut writes);
        }
        let (round, done) = (writes.drain(..), calls.drain(..));
        if let Some(error) = &failure {
            refuse(round, done, &mut waiters, error);
        } else if let Err(error) = step(&mut core, round, done, &mut waiters, undo) {
            tracing::error!(%error, "the queue stopped and refuses everything until a restart");
            refuse([], [], &mut waiters, &error);
            broken.send_replace(Some(error.clone()));
            failure = Some(error);
        }
        let Some(rest) = rest else { continue };
        let result = failure.map_or_else(|| core.close(), Err);
        drop(core);
        refuse([], [], &mut waiters, &gone());
        for call in rest {
            if let Call::Close { reply: Some(reply) } = call {
                drop(reply.send(result.clone()));
            }
        }
        return;
    }
}

/// One round: apply, commit, answer, hand out.
///
/// A delete takes effect with its commit, not before: meanwhile its group stays locked.
fn step(
    core: &mut Core,
    writes: impl IntoIterator<Item = Write>,
    calls: impl IntoIterator<Item = Call>,
    waiters: &mut VecDeque<Waiter>,
    undo: &Commands,
) -> Result<(), QueueError> {
    core.expire();
    let mut work = Vec::new();
    for call in calls {
        match call {
            Call::Receive { max, until, reply } => waiters.push_back(Waiter { max, until, reply }),
            Call::Undo(tickets) => {
                for ticket in tickets {
                    // Stale: the lease lapsed on its own meanwhile.
                    drop(core.scheduler.release(ticket));
                }
            }
            Call::Work(job) => work.push(job),
            Call::Close { .. } => {}
        }
    }
    let mut batch = Batch::default();
    for write in writes {
        match write {
            Write::Send { envelope, permit, reply } => batch.send(envelope, permit, reply),
            Write::Delete { ticket, reply } => batch.remove(core, ticket, None, reply),
            Write::DeadLetter { ticket, letter, reply } => batch.remove(core, ticket, Some(letter), reply),
        }
    }
    batch.commit(core)?;
    for job in work {
        job(Ok(core));
    }
    serve(core, waiters, undo)
}

/// Hands out what is ready to whoever waits, first come first served.
fn serve(core: &mut Core, waiters: &mut VecDeque<Waiter>, undo: &Commands) -> Result<(), QueueError> {
    waiters.retain(|waiter| !waiter.reply.is_closed());
    while let Some(waiter) = waiters.pop_front() {
        let deliveries = match core.take(waiter.max) {
            Ok(deliveries) => deliveries,
            Err(error) => {
                drop(waiter.reply.send(Err(error.clone())));
                return Err(error);
            }
        };
        if deliveries.is_empty() {
            waiters.push_front(waiter);
            break;
        }
        // If the receiver went away just now, dropping the handover gives the leases back.
        drop(waiter.reply.send(Ok(Handover { deliveries, undo: undo.clone() })));
    }
    let now = Instant::now();
    while let Some(place) = waiters.iter().position(|waiter| waiter.until <= now) {
        if let Some(waiter) = waiters.remove(place) {
            drop(waiter.reply.send(Ok(Handover { deliveries: Vec::new(), undo: undo.clone() })));
        }
    }
    Ok(())
}

fn refuse(
    writes: impl IntoIterator<Item = Write>,
    calls: impl IntoIterator<Item = Call>,
    waiters: &mut VecDeque<Waiter>,
    error: &QueueError,
) {
    for write in writes {
        match write {
            Write::Send { reply, .. } => drop(reply.send(Err(error.clone()))),
            Write::Delete { reply, .. } | Write::DeadLetter { reply, .. } => {
                drop(reply.send(Err(error.clone())));
            }
        }
    }
    for call in calls {
        match call {
            Call::Receive { reply, .. } => drop(reply.send(Err(error.clone()))),
            Call::Work(work) => work(Err(error.clone())),
            Call::Undo(_) | Call::Close { .. } => {}
        }
    }
    waiters.drain(..).for_each(|waiter| drop(waiter.reply.send(Err(error.clone()))));
}

/// When there is something to do even if nobody asks.
fn wake_at(core: &Core, waiters: &VecDeque<Waiter>) -> Option<Instant> {
    waiters.iter().map(|waiter| waiter.until).chain(core.next_lapse()).min()
}
