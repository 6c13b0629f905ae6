//! Faults on demand: the receiver, with a scenario between it and its senders.
//!
//! Nothing of this runs unless it is asked for: `run` then serves with [`Faulty`] in place of [`Receiver`]. What is to
//! be done is decided in [`decide`], which is pure; this file only does it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use hl7v2::Header;
use jiff::Timestamp;
use message_store::MessageStore;
use mllp::codec::CodecError;
use mllp::server::{Arrival, Count, Ending, Opening, Step};
use mllp::{Frame, Handler, Peer, Reply};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::acknowledge::Outcome;
use crate::batch;
use crate::error::Refusal;
use crate::order;
use crate::receive::{Plan, Read, Receiver};

pub(crate) mod admin;
mod control;
mod decide;
mod journal;
pub(crate) mod outage;
mod scenario;
mod store;
mod wire;

pub use control::Exit;
pub use scenario::{Scenario, ScenarioError};

pub(crate) use control::Control;
use control::Message;
use journal::{Received, State};
use scenario::{Action, ConnectionAction, ReplyAction};
use store::Troubled;
use wire::Facts;

/// A receiver whose replies, connections and store do what a scenario says.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) control: Arc<Control>,
    /// For replies on connections of their own.
    pub(crate) tracker: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

/// One message on its way through a rule.
struct Work<'a> {
    faulty: &'a Faulty,
    header: Option<&'a Header>,
    previous: String,
    plan: Option<Plan>,
    outcome: Option<Outcome>,
    /// From the first one on, everything is done by the connection.
    steps: Vec<Step>,
}

impl Handler for Faulty {
    async fn handle(&self, peer: &Peer, frame: Frame) -> Reply {
        let started = Instant::now();
        let body = frame.into_bytes();
        if batch::is_batch(&body) {
            let observe = |body: &Bytes, header: Option<&Header>, outcome: &Outcome| {
                let received = received(peer, body, header, Vec::new());
                self.control.journal(|journal| {
                    let sequence = journal.arrived(received);
                    journal.settled(sequence, outcome.into());
                });
            };
            return Reply::frames(self.receiver.receive_batch(peer, &body, observe).await);
        }
        let Read { header, plan } = self.receiver.read(&body, Timestamp::now());
        let header = header.as_ref();
        let patients = plan.as_ref().map_or(&[][..], |plan| &plan.patients);
        let groups = patients.iter().map(|patient| patient.digest()).collect();
        let received = received(peer, &body, header, groups);
        // Two peers that answer acknowledgments would never stop.
        let Message { sequence, actions, previous } = match &plan {
            Err(Outcome::Acknowledgment) => {
                let sequence = self.control.journal(|journal| journal.arrived(received));
                Message { sequence, actions: None, previous: String::new() }
            }
            Ok(_) | Err(_) => self.control.message(received),
        };
        let fault = actions
            .as_ref()
            .map(|actions| actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        let actions = actions.unwrap_or_else(|| vec![Action::Store, Action::Answer]);
        let (plan, outcome) = match plan {
            Ok(plan) => (Some(plan), None),
            Err(outcome) => (None, Some(outcome)),
        };
        let mut work = Work { faulty: self, header, previous, plan, outcome, steps: Vec::new() };
        for action in actions {
            if work.perform(action).await.is_none() {
                work.steps = vec![Step::End(Ending::Close)];
                break;
            }
            // Said as soon as it is known: the process may end in the next step.
            let state = work.outcome.as_ref().map_or(State::Arrived, State::from);
            self.control.journal(|journal| journal.settled(sequence, state));
        }
        let Work { outcome, steps, .. } = work;
        match &outcome {
            Some(outcome) => self.receiver.log(peer, header, outcome, body.len(), started),
            None => self.control.journal(|journal| journal.settled(sequence, State::Dropped)),
        }
        let replies: Vec<Vec<u8>> = steps.iter().filter_map(payload).collect();
        self.receiver.tell(peer, &body, outcome.as_ref(), &replies, fault);
        Reply::steps(steps)
    }

    fn unreadable(&self, peer: &Peer, error: &CodecError) -> Option<Vec<u8>> {
        self.receiver.unreadable(peer, error)
    }

    fn counted(&self, count: Count) {
        self.receiver.counted(count);
    }

    fn arrive(&self, _address: SocketAddr) -> Arrival {
        let (connection, decision) = self.control.connection();
        let mut arrival = Arrival { connection, ..Arrival::default() };
        for action in decision.map(|decision| decision.actions).unwrap_or_default() {
            let instead = |read_first, steps| Opening::Instead { read_first, steps };
            let end = |ending| vec![Step::End(ending)];
            match action {
                ConnectionAction::Close => arrival.opening = instead(false, end(Ending::Close)),
                ConnectionAction::Reset => arrival.opening = instead(false, end(Ending::Reset)),
                ConnectionAction::Stall => arrival.opening = instead(false, end(Ending::Stall)),
                ConnectionAction::StallHandshake => arrival.opening = instead(true, end(Ending::Stall)),
                ConnectionAction::AbortHandshake => arrival.opening = instead(true, end(Ending::Reset)),
                ConnectionAction::OldTls => {
                    let steps = vec![Step::Bytes(wire::old_hello()), Step::End(Ending::Close)];
                    arrival.opening = instead(true, steps);
                }
                ConnectionAction::Certificate(files) => {
                    if let Some(tls) = self.control.certificate(&files) {
                        arrival.opening = Opening::ServeWith(tls);
                    }
                }
                ConnectionAction::ReadBytesPerSecond(rate) => arrival.read_bytes_per_second = Some(rate),
                ConnectionAction::EndAfter(end) => arrival.end_after_bytes = Some((end.bytes, end.ending)),
            }
        }
        arrival
    }
}

impl Work<'_> {
    /// `None` when the server is shutting down and the rest must not be waited for.
    async fn perform(&mut self, action: Action) -> Option<()> {
        match action {
            Action::Store => self.store(None, Duration::ZERO).await,
            Action::StoreError(fault) => self.store(Some(fault), Duration::ZERO).await,
            Action::SlowStore(delay) => self.store(None, delay.0).await,
            Action::Answer => self.steps.extend(self.honest().into_iter().map(Step::Frame)),
            Action::Reply(reply) => self.reply(&reply),
            Action::Send(text) => self.steps.push(Step::Bytes(text.into_bytes())),
            Action::Wait(time) if self.steps.is_empty() => {
                return self.faulty.shutdown.run_until_cancelled(sleep(time.0)).await;
            }
            Action::Wait(time) => self.steps.push(Step::Wait(time.0)),
            Action::Close => self.steps.push(Step::End(Ending::Close)),
            Action::Reset => self.steps.push(Step::End(Ending::Reset)),
            Action::Stall => self.steps.push(Step::End(Ending::Stall)),
            Action::Exit(code) => {
                // A scenario with an exit is refused where there is none.
                let exit = self.faulty.control.exit()?;
                if self.steps.is_empty() {
                    exit(code.into());
                }
                self.steps.push(Step::Call(Arc::new(move || exit(code.into()))));
            }
        }
        Some(())
    }

    async fn store(&mut self, fault: Option<scenario::StoreFault>, delay: Duration) {
        let Some(plan) = self.plan.take() else { return };
        let receiver = &self.faulty.receiver;
        let troubled;
        let store: &dyn MessageStore = if fault.is_none() && delay.is_zero() {
            receiver.store()
        } else {
            troubled = Troubled { inner: receiver.shared_store(), fault, delay };
            &troubled
        };
        self.outcome = Some(receiver.keep(plan, store).await);
    }

    /// The reply to what really happened.
    fn honest(&self) -> Vec<Vec<u8>> {
        let not_stored = Outcome::Refused(Refusal::NotStored);
        let outcome = self.outcome.as_ref().unwrap_or(&not_stored);
        self.faulty.receiver.answer(self.header, outcome, Timestamp::now())
    }

    fn reply(&mut self, reply: &ReplyAction) {
        let payloads = match &reply.code {
            None => self.honest(),
            Some(code) => {
                let time = order::hl7(Timestamp::now());
                let facts = Facts { header: self.header, previous: &self.previous, time: &time };
                vec![wire::forge(code, reply, facts, &self.faulty.receiver.control_id())]
            }
        };
        for payload in payloads {
            let block = wire::block(&payload, reply);
            match reply.to {
                None => self.steps.extend(wire::steps(block, reply.gap.map(|gap| gap.0))),
                Some(address) => self.steps.push(self.elsewhere(address, block)),
            }
        }
    }

    /// Sends on a connection of its own, and leaves it to the peer to close.
    fn elsewhere(&self, address: SocketAddr, block: Vec<u8>) -> Step {
        let (tracker, shutdown) = (self.faulty.tracker.clone(), self.faulty.shutdown.clone());
        Step::Call(Arc::new(move || {
            let block = block.clone();
            let send = timeout(ELSEWHERE_TIMEOUT, async move {
                let mut stream = TcpStream::connect(address).await?;
                stream.write_all(&block).await?;
                stream.shutdown().await?;
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
            });
            let shutdown = shutdown.clone();
            tracker.spawn(async move {
                match shutdown.run_until_cancelled(send).await {
                    Some(Ok(Ok(_))) | None => {}
                    Some(Ok(Err(error))) => tracing::warn!(%error, "a reply on another connection failed"),
                    Some(Err(_)) => tracing::warn!("a reply on another connection took too long"),
                }
            });
        }))
    }
}

/// What a peer reads of a step, without framing.
fn payload(step: &Step) -> Option<Vec<u8>> {
    match step {
        Step::Frame(payload) => Some(payload.clone()),
        Step::Bytes(bytes) => {
            let bytes = bytes.strip_prefix(&[0x0b]).unwrap_or(bytes);
            let end = bytes.iter().position(|byte| *byte == 0x1c).unwrap_or(bytes.len());
            bytes.get(..end).map(<[u8]>::to_vec)
        }
        Step::Wait(_) | Step::Call(_) | Step::End(_) => None,
    }
}

fn received(peer: &Peer, body: &Bytes, header: Option<&Header>, groups: Vec<String>) -> Received {
    Received {
        recv_seq: 0,
        connection: peer.connection,
        control_id: header.map(|header| header.control_id.clone()).unwrap_or_default(),
        event: header.map(|header| header.message_type.trigger_event.clone()).unwrap_or_default(),
        groups,
        sha256: HEXLOWER.encode(&Sha256::digest(body)),
        size_bytes: body.len(),
        received_at: Timestamp::now().to_string(),
        outcome: State::Arrived,
    }
}

const ELSEWHERE_TIMEOUT: Duration = Duration::from_secs(5);
