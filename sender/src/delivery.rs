//! One message: checked, sent, answered, settled.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hl7v2::{AckCode, Acknowledgment, AcknowledgmentError, Charset, RawSegment};
use mllp::MllpError;
use queue::Reason;
use tokio::time::Instant;

use crate::{
    age::is_expired,
    application,
    confirm::{commit_block, confirm},
    connection::Open,
    disposition::{Answer, Disposition, Match, decide},
    foreign,
    settle::settle,
    shared::{Counts, Shared},
    spans::Spans,
    table::Held,
};

/// Frames that are not the answer, until the connection is given up.
const MAX_STRAY_FRAMES: u32 = 3;
/// Messages of the peer on our connection that are refused while one of ours waits for its answer.
const MAX_FOREIGN_MESSAGES: u32 = 20;
/// What must be left of a lease beyond the time of an exchange.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// What became of the connection.
pub(crate) struct Finished {
    /// `None` when it must not be used again.
    pub(crate) connection: Option<Open>,
    /// Whether the endpoint accepted the message.
    pub(crate) accepted: bool,
}

/// The end of an exchange.
struct Outcome {
    disposition: Disposition,
    acknowledgment: Option<Acknowledgment>,
    /// Whether the connection is in a known state.
    clean: bool,
}

/// Delivers one message, or leaves it where it will be tried again.
///
/// # Cancel safety
/// None: the message would be left unsettled until its lease ends.
pub(crate) async fn deliver(shared: &Arc<Shared>, mut open: Open, mut held: Held) -> Finished {
    let began = Instant::now();
    let (payload, asked) = match prepare(shared, &held).await {
        Prepared::Send { payload, asked } => (payload, asked),
        Prepared::Settled(disposition) => {
            settle(shared, held, disposition, None).await;
            return Finished { connection: Some(open), accepted: false };
        }
        Prepared::NotOurs => {
            let control_id = &held.delivery.envelope.attributes.control_id;
            let trace_id = held.delivery.envelope.attributes.trace_id();
            tracing::warn!(
                hl7.control_id = control_id,
                trace_id,
                "the lease ended before the message was sent"
            );
            let followers = shared.table(|table| table.give_up(held.group()));
            shared.release(&followers).await;
            return Finished { connection: Some(open), accepted: false };
        }
    };
    let spans = Spans::begin(&held, open.connection.peer());
    shared.stop_point.reached();
    let (sent, size_bytes) = (open.connection.send(&payload).await, payload.len());
    if let Err(error) = &sent
        && !error.is_ambiguous()
    {
        spans.unsent();
        return unsent(shared, open, held, error).await;
    }
    held.history.attempts += 1;
    let outcome = match sent {
        Ok(()) => exchange(shared, &mut open, &mut held, asked).await,
        Err(error) => lost(shared, &mut held, &error, asked.application),
    };
    let _attempt =
        spans.exchanged(outcome.disposition, outcome.acknowledgment.as_ref(), held.history.attempts);
    let facts = &held.delivery.envelope.attributes;
    tracing::info!(
        hl7.control_id = facts.control_id,
        hl7.trigger_event = facts.event,
        hl7.ack_code = outcome.acknowledgment.as_ref().map(|ack| ack.code.as_str()),
        hl7.error_code = outcome.acknowledgment.as_ref().and_then(|ack| Some(ack.errors.first()?.code)),
        mllp.peer = %open.connection.peer(),
        queue.receive_count = held.delivery.receive_count,
        attempts = held.history.attempts,
        duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        size_bytes,
        trace_id = facts.trace_id(),
        disposition = outcome.disposition.as_str(),
        "message exchanged"
    );
    let accepted = matches!(outcome.disposition, Disposition::Delivered | Disposition::AwaitApplication);
    if let (true, Some(acknowledgment)) = (accepted, &outcome.acknowledgment) {
        shared.endpoint_time(&acknowledgment.time);
        shared.breaker(|breaker, _| breaker.accepted());
    }
    // A connection in doubt is closed before its message may go out on another one.
    let connection = if outcome.clean {
        Some(Open { used_at: Instant::now(), proven: true, ..open })
    } else {
        open.connection.abort();
        None
    };
    settle(shared, held, outcome.disposition, outcome.acknowledgment).await;
    Finished { connection, accepted }
}

/// Which acknowledgments the message asks for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// An application acknowledgment besides a commit (MSH-16).
    application: bool,
    /// One acknowledgment of either kind: neither MSH-15 nor MSH-16 is valued (HL7 v2.5.1 §2.9.2).
    original_mode: bool,
}

enum Prepared<'h> {
    Send {
        /// The body in the character set that its MSH-18 names.
        payload: Cow<'h, [u8]>,
        asked: Asked,
    },
    Settled(Disposition),
    NotOurs,
}

/// What is checked before the first byte.
async fn prepare<'h>(shared: &Shared, held: &'h Held) -> Prepared<'h> {
    let envelope = &held.delivery.envelope;
    if shared.ledger.knows(held.digest()) {
        return Prepared::Settled(Disposition::Delivered);
    }
    if held.delivery.receive_count > shared.config.policy.max_receives {
        return Prepared::Settled(Disposition::DeadLetter(Reason::ReceiveLimit));
    }
    let max_age = shared.config.policy.max_age;
    if !max_age.is_zero() && shared.wall_time().is_some_and(|now| is_expired(envelope, max_age, now)) {
        return Prepared::Settled(Disposition::DeadLetter(Reason::Expired));
    }
    let unsendable = Prepared::Settled(Disposition::DeadLetter(Reason::Unsendable));
    // What another program queued, or what was damaged, may be no message, or another one.
    let is_own =
        |msh: &RawSegment<'_>| msh.text(10).unwrap_or_default() == envelope.attributes.control_id.as_str();
    let Some(msh) = RawSegment::header_of(&envelope.body).ok().filter(is_own) else { return unsendable };
    let [accept, application] = [15, 16].map(|field| msh.text(field));
    let asked = Asked {
        application: application.as_deref().is_some_and(|when| when != "NE"),
        original_mode: accept.is_none() && application.is_none(),
    };
    let Some(payload) = wire_bytes(&envelope.body, &msh) else { return unsendable };
    if is_ours(shared, held).await { Prepared::Send { payload, asked } } else { Prepared::NotOurs }
}

/// Whether the lease covers an exchange, extended where it must be.
async fn is_ours(shared: &Shared, held: &Held) -> bool {
    let timeouts = shared.connector.timeouts();
    let needed = timeouts.write + timeouts.acknowledgment + LEASE_MARGIN;
    let left = || {
        let until = shared.look(|table| table.active_until(held.group()))?;
        Some(until.saturating_duration_since(shared.now()))
    };
    match left() {
        None => return false,
        Some(left) if left >= needed => return true,
        Some(_) => {}
    }
    // Measured from before the call, so that the lease is never thought longer than it is.
    let visible_in = needed.max(shared.queue.visibility()) + LEASE_MARGIN;
    let until = shared.now() + visible_in;
    let receipt = &held.delivery.receipt;
    let results = shared.queue.change_visibility(std::slice::from_ref(receipt), visible_in).await;
    if results.iter().any(Result::is_err) {
        return false;
    }
    shared.look(|table| table.extended(receipt, until));
    // The call may have taken long, or the host may have been suspended in it.
    left().is_some_and(|left| left >= needed)
}

/// What goes over the wire: decided by the body alone, so that every resend is the same. `None` when the character
/// set that MSH-18 names is not known or lacks a character; nothing is replaced here.
fn wire_bytes<'b>(body: &'b str, msh: &RawSegment<'_>) -> Option<Cow<'b, [u8]>> {
    if body.is_ascii() {
        return Some(body.as_bytes().into());
    }
    let charset = match msh.text(18) {
        None => Charset::Utf8,
        Some(name) => Charset::from_table_0211(&name)?,
    };
    let (bytes, lost) = charset.encode(body);
    (lost == 0).then_some(bytes)
}

/// Reads until there is an answer to this message.
async fn exchange(shared: &Shared, open: &mut Open, held: &mut Held, asked: Asked) -> Outcome {
    let application_wanted = asked.application;
    let sent = Instant::now();
    let deadline = Instant::now() + shared.connector.timeouts().acknowledgment;
    let mut cut_off = std::pin::pin!(shared.cut_off.reached());
    let (mut stray, mut foreign) = (0, 0);
    loop {
        let frame = tokio::select! {
            biased;
            frame = open.connection.receive_until(deadline) => frame,
            () = &mut cut_off => {
                Counts::add(&shared.counts.ambiguous);
                let disposition = decide(Answer::Lost, held.history, application_wanted, &shared.config.policy);
                return Outcome { disposition, acknowledgment: None, clean: false };
            }
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return lost(shared, held, &error, application_wanted),
        };
        let own = &held.delivery.envelope.attributes.control_id;
        let block = match shared.config.policy.mllp_release {
            2 => commit_block(&frame, own),
            _ => None,
        };
        if asked.original_mode && block.as_ref().is_some_and(|block| block.code == AckCode::CA) {
            // The message arrived; whether it is accepted is still to come.
            continue;
        }
        let acknowledgment = block.map_or_else(|| Acknowledgment::from_bytes(frame.as_bytes()), Ok);
        if let Ok(acknowledgment) = &acknowledgment {
            confirm(shared, open, &frame, acknowledgment).await;
        }
        let acknowledgment = match acknowledgment {
            Ok(acknowledgment) => match shared.awaiting.offer(acknowledgment) {
                Ok(()) => continue,
                Err(not_awaited) => Ok(not_awaited),
            },
            Err(AcknowledgmentError::NoMsa) if foreign < MAX_FOREIGN_MESSAGES => {
                if foreign::refuse(open, &frame).await {
                    foreign += 1;
                    continue;
                }
                Err(AcknowledgmentError::NoMsa)
            }
            Err(error) => Err(error),
        };
        let answer = match &acknowledgment {
            Ok(acknowledgment) => answer(acknowledgment, held),
            Err(_) => Answer::Other,
        };
        count(shared, answer, sent);
        if let Answer::Acknowledgment { code, control_id: Match::Own | Match::Blank, .. } = answer
            && !matches!(code, AckCode::AA | AckCode::CA)
        {
            held.history.negatives += 1;
        }
        match decide(answer, held.history, application_wanted, &shared.config.policy) {
            Disposition::KeepWaiting => {
                stray += 1;
                let reason =
                    acknowledgment.as_ref().map_or_else(ToString::to_string, |_| "other control id".into());
                tracing::warn!(mllp.peer = %open.connection.peer(), reason, stray, "not the answer, still waiting");
                if stray > MAX_STRAY_FRAMES {
                    return lost(shared, held, &MllpError::ReplyTimeout, application_wanted);
                }
            }
            disposition => {
                let known = matches!(answer, Answer::Acknowledgment { control_id: Match::Own, .. });
                let clean = known && stray == 0 && open.connection.counts().junk_bytes == 0;
                return Outcome { disposition, acknowledgment: acknowledgment.ok(), clean };
            }
        }
    }
}

pub(crate) fn answer(acknowledgment: &Acknowledgment, held: &Held) -> Answer {
    let own = held.delivery.envelope.attributes.control_id.trim();
    let control_id = match acknowledgment.control_id.as_deref().map(str::trim) {
        None | Some("") => Match::Blank,
        Some(id) if id == own => Match::Own,
        Some(_) => Match::Other,
    };
    Answer::Acknowledgment {
        code: acknowledgment.code,
        error: acknowledgment.errors.first().copied(),
        control_id,
    }
}

fn count(shared: &Shared, answer: Answer, sent: Instant) {
    let code = match answer {
        Answer::Other | Answer::Lost => "malformed",
        Answer::Acknowledgment { control_id: Match::Other, .. } => "mismatch",
        Answer::Acknowledgment { code, .. } => {
            shared.metrics.ack_duration.with([code.as_str()]).record(sent.elapsed());
            code.as_str()
        }
    };
    shared.metrics.acks.with([code]).increment(1);
}

/// No answer: the endpoint may have the message. If it accepted others since, the message may be what kills it.
fn lost(shared: &Shared, held: &mut Held, error: &MllpError, application_wanted: bool) -> Outcome {
    let facts = &held.delivery.envelope.attributes;
    tracing::warn!(
        %error,
        hl7.control_id = facts.control_id,
        hl7.trigger_event = facts.event,
        trace_id = facts.trace_id(),
        attempts = held.history.attempts,
        committed = held.history.committed,
        "no acknowledgment"
    );
    shared.metrics.unanswered(error);
    let accepted = shared.counts.delivered.load(Ordering::Relaxed);
    if accepted > held.accepted_before {
        held.history.suspicious_losses += 1;
        held.accepted_before = accepted;
    }
    let disposition = decide(Answer::Lost, held.history, application_wanted, &shared.config.policy);
    Outcome { disposition, acknowledgment: None, clean: false }
}

/// Nothing went out: the message is as it was.
async fn unsent(shared: &Arc<Shared>, mut open: Open, held: Held, error: &MllpError) -> Finished {
    let mut until = Instant::now();
    if matches!(error, MllpError::Stale) && application::hear(shared, &mut open).await {
        shared.table(|table| table.put_back(held, until));
        return Finished { connection: Some(open), accepted: false };
    }
    match error {
        MllpError::Unwritable(_) => {
            settle(shared, held, Disposition::DeadLetter(Reason::Unsendable), None).await;
            return Finished { connection: Some(open), accepted: false };
        }
        MllpError::Tls { .. } => shared.breaker(|breaker, now| breaker.connect_failed(true, now)),
        // The endpoint accepts connections only to close them: no reason to hurry.
        _ if !open.proven => {
            shared.breaker(|breaker, now| breaker.lost(now));
            until += shared.config.policy.retry_base;
        }
        _ => {}
    }
    tracing::debug!(%error, mllp.peer = %open.connection.peer(), "the connection ended before the message was sent");
    shared.metrics.retries.with(["unsent"]).increment(1);
    shared.table(|table| table.put_back(held, until));
    Finished { connection: None, accepted: false }
}
