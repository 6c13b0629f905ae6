//! The scenario in force and the journal, shared by all connections.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use inspector::{Faults, FaultsState};
use mllp::ServerTls;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::decide::{Arrived, Decider, Decision};
use super::journal::{Fault, Journal, Received};
use super::scenario::{Action, CertificateFiles, ConnectionAction, Scenario, ScenarioError};

/// Ends the process with a code. The library never does that by itself.
pub type Exit = fn(i32) -> !;

#[derive(Debug)]
pub(crate) struct Control {
    state: Mutex<State>,
    exit: Option<Exit>,
    /// Rises with every new scenario.
    version: watch::Sender<u64>,
}

/// What is to be done about a message.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its number.
    pub(crate) sequence: u64,
    /// `None` where no rule matches.
    pub(crate) actions: Option<Vec<Action>>,
    /// MSH-10 of the message before it.
    pub(crate) previous: String,
}

#[derive(Debug)]
struct State {
    decider: Decider,
    /// What was put in place, as it was written; empty for what a file said.
    text: String,
    certificates: Certificates,
    since: Instant,
    journal: Journal,
    connections: u64,
    /// MSH-10 of the last message.
    previous: String,
}

type Certificates = HashMap<CertificateFiles, ServerTls>;

impl Control {
    pub(crate) fn new(scenario: Scenario, exit: Option<Exit>) -> Result<Self, ScenarioError> {
        let certificates = certificates(&scenario, exit)?;
        let state = State {
            decider: Decider::new(scenario),
            text: String::new(),
            certificates,
            since: Instant::now(),
            journal: Journal::default(),
            connections: 0,
            previous: String::new(),
        };
        Ok(Self { state: Mutex::new(state), exit, version: watch::Sender::default() })
    }

    /// Puts a scenario in place of the one in force; counting and time start again.
    pub(crate) fn replace(&self, text: &str) -> Result<(), ScenarioError> {
        let scenario = Scenario::parse(text)?;
        let certificates = certificates(&scenario, self.exit)?;
        let mut state = self.lock();
        state.decider = Decider::new(scenario);
        state.text = text.to_owned();
        state.certificates = certificates;
        state.since = Instant::now();
        drop(state);
        self.version.send_modify(|version| *version += 1);
        Ok(())
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// The number of a new connection, and what it meets.
    pub(crate) fn connection(&self) -> (u64, Option<Decision<ConnectionAction>>) {
        let mut state = self.lock();
        state.connections += 1;
        let (number, elapsed) = (state.connections, state.since.elapsed());
        let decision = state.decider.connection(number, elapsed);
        if let Some(decision) = &decision {
            let actions = decision.actions.iter().map(ToString::to_string).collect();
            state.injected(None, number, &decision.rule, actions);
        }
        (number, decision)
    }

    pub(crate) fn certificate(&self, files: &CertificateFiles) -> Option<ServerTls> {
        self.lock().certificates.get(files).cloned()
    }

    /// Notes a message, and says what is to be done about it and which control id came before. In one step, so that
    /// numbers and decisions have one order.
    pub(crate) fn message(&self, received: Received) -> Message {
        let mut state = self.lock();
        let elapsed = state.since.elapsed();
        let sequence = state.journal.arrived(received.clone());
        let arrived = Arrived {
            sequence,
            connection: received.connection,
            control_id: &received.control_id,
            event: &received.event,
            groups: &received.groups,
        };
        let decision = state.decider.message(arrived, elapsed);
        if let Some(decision) = &decision {
            let actions = decision.actions.iter().map(ToString::to_string).collect();
            state.injected(Some(sequence), received.connection, &decision.rule, actions);
        }
        let previous = std::mem::replace(&mut state.previous, received.control_id);
        Message { sequence, actions: decision.map(|decision| decision.actions), previous }
    }

    pub(crate) fn journal<T>(&self, look: impl FnOnce(&mut Journal) -> T) -> T {
        look(&mut self.lock().journal)
    }

    /// Returns when connections are refused, or are not any more.
    pub(crate) async fn until_refused(&self, wanted: bool) {
        let mut version = self.version.subscribe();
        loop {
            version.borrow_and_update();
            let (refused, change) = {
                let state = self.lock();
                let elapsed = state.since.elapsed();
                let (refused, next) = state.decider.outage(elapsed);
                (refused, next.map(|next| next.saturating_sub(elapsed)))
            };
            if refused == wanted {
                return;
            }
            tokio::select! {
                changed = version.changed() => if changed.is_err() { return },
                () = sleep(change.unwrap_or(Duration::MAX)) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults for Control {
    fn state(&self) -> FaultsState {
        let state = self.lock();
        let faults = state.journal.faults().into_iter().rev().take(SHOWN_FAULTS);
        let injected = faults.filter_map(|fault| serde_json::to_value(fault).ok()).collect();
        FaultsState { scenario: state.text.clone(), injected }
    }

    fn replace(&self, scenario: &str) -> Result<(), String> {
        Self::replace(self, scenario).map_err(|error| error.to_string())
    }
}

impl State {
    fn injected(&mut self, recv_seq: Option<u64>, connection: u64, rule: &str, actions: Vec<String>) {
        tracing::warn!(recv_seq, connection, rule, actions = actions.join(", "), "fault injected");
        let elapsed_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.journal.injected(Fault { recv_seq, connection, elapsed_ms, rule: rule.to_owned(), actions });
    }
}

/// Reads the files of every rule, so that a mistake shows before the scenario is in force.
fn certificates(scenario: &Scenario, exit: Option<Exit>) -> Result<Certificates, ScenarioError> {
    if exit.is_none() && scenario.exits() {
        let reason = "exit works only where the server is a process of its own";
        return Err(ScenarioError::Rule { rule: "exit".to_owned(), reason });
    }
    let mut certificates = Certificates::new();
    for (index, rule) in scenario.connections.iter().enumerate() {
        for action in &rule.then {
            if let ConnectionAction::Certificate(files) = action {
                let tls = ServerTls::new(&files.into())
                    .map_err(Box::new)
                    .map_err(|source| ScenarioError::Certificate { rule: rule.name(index), source })?;
                certificates.insert(files.clone(), tls);
            }
        }
    }
    Ok(certificates)
}

/// On a page.
const SHOWN_FAULTS: usize = 50;
