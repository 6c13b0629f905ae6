//! The writer thread: collects what waits, commits it, then answers and hands out.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::{MAX_BATCH, batch::Batch, core::Core, gone};
use crate::{DeadLetter, Delivery, Envelope, QueueError, Sent, scheduler::Ticket};

/// Longest sleep of an idle writer; there is nothing to do then, the bound only keeps arithmetic simple.
const IDLE: Duration = Duration::from_secs(60);

pub(super) type Work = Box<dyn FnOnce(Result<&mut Core, QueueError>) + Send>;

pub(super) enum Command {
    Send {
        envelope: Envelope,
        permit: OwnedSemaphorePermit,
        reply: oneshot::Sender<Result<Sent, QueueError>>,
    },
    Receive {
        max: usize,
        until: Instant,
        reply: oneshot::Sender<Result<Handover, QueueError>>,
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
    /// Leases whose receiver went away before it saw them.
    Undo(Vec<Ticket>),
    Work(Work),
    Close {
        reply: Option<oneshot::Sender<Result<(), QueueError>>>,
    },
}

/// Deliveries on their way to a receiver. If the receiver is dropped meanwhile, they go back uncounted.
pub(super) struct Handover {
    deliveries: Vec<(Ticket, Delivery)>,
    undo: Sender<Command>,
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
            drop(self.undo.send(Command::Undo(tickets)));
        }
    }
}

struct Waiter {
    max: usize,
    until: Instant,
    reply: oneshot::Sender<Result<Handover, QueueError>>,
}

/// Runs until [`Command::Close`]. After a failure it only refuses.
pub(super) fn run(
    mut core: Core,
    inbox: &Receiver<Command>,
    undo: &Sender<Command>,
    broken: &watch::Sender<Option<QueueError>>,
) {
    let mut waiters = VecDeque::new();
    let mut failure = None;
    loop {
        let mut commands = collect(inbox, wake_at(&core, &waiters));
        let close = commands.iter().position(|command| matches!(command, Command::Close { .. }));
        let rest = close.map(|place| commands.split_off(place));
        if let Some(error) = &failure {
            refuse(commands, &mut waiters, error);
        } else if let Err(error) = step(&mut core, commands, &mut waiters, undo) {
            tracing::error!(%error, "the queue stopped and refuses everything until a restart");
            refuse(Vec::new(), &mut waiters, &error);
            broken.send_replace(Some(error.clone()));
            failure = Some(error);
        }
        let Some(rest) = rest else { continue };
        let result = failure.map_or_else(|| core.close(), Err);
        drop(core);
        refuse(Vec::new(), &mut waiters, &gone());
        for command in rest {
            if let Command::Close { reply: Some(reply) } = command {
                drop(reply.send(result.clone()));
            }
        }
        return;
    }
}

/// One round: apply, commit, answer, hand out.
fn step(
    core: &mut Core,
    commands: Vec<Command>,
    waiters: &mut VecDeque<Waiter>,
    undo: &Sender<Command>,
) -> Result<(), QueueError> {
    core.expire();
    let mut batch = Batch::default();
    let mut work = Vec::new();
    for command in commands {
        match command {
            Command::Send { envelope, permit, reply } => batch.send(envelope, permit, reply),
            Command::Delete { ticket, reply } => batch.remove(core, ticket, None, reply),
            Command::DeadLetter { ticket, letter, reply } => batch.remove(core, ticket, Some(letter), reply),
            Command::Receive { max, until, reply } => waiters.push_back(Waiter { max, until, reply }),
            Command::Undo(tickets) => {
                for ticket in tickets {
                    // Stale: the lease lapsed on its own meanwhile.
                    drop(core.scheduler.release(ticket));
                }
            }
            Command::Work(job) => work.push(job),
            Command::Close { .. } => {}
        }
    }
    batch.commit(core)?;
    for job in work {
        job(Ok(core));
    }
    serve(core, waiters, undo)
}

/// Hands out what is ready to whoever waits, first come first served.
fn serve(core: &mut Core, waiters: &mut VecDeque<Waiter>, undo: &Sender<Command>) -> Result<(), QueueError> {
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

fn refuse(commands: Vec<Command>, waiters: &mut VecDeque<Waiter>, error: &QueueError) {
    for command in commands {
        match command {
            Command::Send { reply, .. } => drop(reply.send(Err(error.clone()))),
            Command::Receive { reply, .. } => drop(reply.send(Err(error.clone()))),
            Command::Delete { reply, .. } | Command::DeadLetter { reply, .. } => {
                drop(reply.send(Err(error.clone())));
            }
            Command::Work(work) => work(Err(error.clone())),
            Command::Undo(_) | Command::Close { .. } => {}
        }
    }
    waiters.drain(..).for_each(|waiter| drop(waiter.reply.send(Err(error.clone()))));
}

fn wake_at(core: &Core, waiters: &VecDeque<Waiter>) -> Instant {
    let idle = Instant::now() + IDLE;
    waiters.iter().map(|waiter| waiter.until).chain(core.next_lapse()).min().map_or(idle, |at| at.min(idle))
}

/// Waits for the first command until `wake_at`, then takes whatever else is there.
fn collect(inbox: &Receiver<Command>, wake_at: Instant) -> Vec<Command> {
    let first = match inbox.recv_timeout(wake_at.saturating_duration_since(Instant::now())) {
        Ok(command) => command,
        Err(RecvTimeoutError::Timeout) => return Vec::new(),
        Err(RecvTimeoutError::Disconnected) => return vec![Command::Close { reply: None }],
    };
    std::iter::once(first).chain(inbox.try_iter()).take(MAX_BATCH).collect()
}
