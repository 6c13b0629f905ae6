//! What a scripted endpoint does, and when.

use std::time::Duration;

use crate::proxy::Close;

/// The rules of an endpoint. The first rule that matches a frame decides; without one the frame is stored and
/// answered `AA`.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// What new connections meet.
    pub arrival: Arrival,
    /// In order; the first that matches and is not used up.
    pub rules: Vec<Rule>,
}

/// What a new connection meets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arrival {
    /// It is served.
    #[default]
    Serve,
    /// It is ended at once.
    End(Close),
    /// It is held open; nothing is read.
    Stall,
    /// It is ended after this many bytes were read, whatever they are.
    EndAfter(usize, Close),
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Which frames.
    pub when: When,
    /// How often the rule is used; `None` is always.
    pub times: Option<u64>,
    /// What is done, in order.
    pub then: Vec<Step>,
}

/// Which frames a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Every frame.
    Always,
    /// The frame of this number, from 1, over all connections.
    Nth(u64),
    /// Every frame whose number is a multiple.
    Every(u64),
    /// Frames that hold this text.
    Contains(String),
    /// Frames whose control id was received this often before.
    Seen(u64),
}

/// One thing an endpoint does with a frame.
#[derive(Debug, Clone)]
pub enum Step {
    /// Keeps the frame: from here on the message counts as stored.
    Store,
    /// Waits.
    Delay(Duration),
    /// Waits until [`Endpoint::release`](super::Endpoint::release).
    Hold,
    /// Sends an acknowledgment.
    Reply(Reply),
    /// Sends an acknowledgment byte by byte with this gap.
    ReplySlowly(Reply, Duration),
    /// Sends the first bytes of an acknowledgment's frame.
    ReplyPart(Reply, usize),
    /// Sends these bytes as they are.
    Raw(Vec<u8>),
    /// Ends the connection.
    End(Close),
    /// Reads and writes nothing more on this connection, which stays open.
    Stall,
    /// The process dies: every connection is reset, the port refuses for this time.
    Crash(Duration),
}

/// An acknowledgment to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// MSA-1, any text.
    pub code: String,
    /// MSA-2.
    pub control_id: AckId,
    /// ERR-3 and ERR-4, when there is an ERR segment.
    pub error: Option<(String, String)>,
    /// What it says to a human: MSA-3, ERR-7 and ERR-8.
    pub text: String,
}

/// Which message an acknowledgment names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckId {
    /// The one it answers.
    Own,
    /// None.
    Blank,
    /// The last other one before, on any connection; sends of this one do not count.
    Previous,
    /// This one.
    Other(String),
}

impl Script {
    /// Stores everything and answers `AA`.
    pub fn accept() -> Self {
        Self::default()
    }

    /// A script of one rule for all frames.
    pub fn always(then: Vec<Step>) -> Self {
        Self::accept().rule(When::Always, then)
    }

    /// Adds a rule without a limit.
    #[must_use]
    pub fn rule(mut self, when: When, then: Vec<Step>) -> Self {
        self.rules.push(Rule { when, times: None, then });
        self
    }

    /// Adds a rule that is used so often.
    #[must_use]
    pub fn times(mut self, times: u64, when: When, then: Vec<Step>) -> Self {
        self.rules.push(Rule { when, times: Some(times), then });
        self
    }

    /// Sets what new connections meet.
    #[must_use]
    pub fn arrival(mut self, arrival: Arrival) -> Self {
        self.arrival = arrival;
        self
    }

    /// The steps for a frame; counts the use.
    pub(crate) fn steps(&mut self, number: u64, body: &[u8], seen: u64) -> Vec<Step> {
        for rule in &mut self.rules {
            let matches = match &rule.when {
                When::Always => true,
                When::Nth(n) => number == *n,
                When::Every(n) => number.is_multiple_of(*n),
                When::Contains(text) => body.windows(text.len()).any(|window| window == text.as_bytes()),
                When::Seen(times) => seen == *times,
            };
            if !matches || rule.times == Some(0) {
                continue;
            }
            if let Some(times) = &mut rule.times {
                *times -= 1;
            }
            return rule.then.clone();
        }
        vec![Step::Store, Step::Reply(Reply::new("AA"))]
    }
}

impl Reply {
    /// Names the message it answers; no ERR.
    pub fn new(code: &str) -> Self {
        Self { code: code.to_owned(), control_id: AckId::Own, error: None, text: String::new() }
    }

    /// With ERR-3 `error` and ERR-4 `severity`.
    #[must_use]
    pub fn error(mut self, error: &str, severity: &str) -> Self {
        self.error = Some((error.to_owned(), severity.to_owned()));
        self
    }

    /// With a text for humans in MSA-3, ERR-7 and ERR-8.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        text.clone_into(&mut self.text);
        self
    }

    /// With another MSA-2.
    #[must_use]
    pub fn names(mut self, control_id: AckId) -> Self {
        self.control_id = control_id;
        self
    }

    /// The whole frame.
    pub(crate) fn frame(&self, own: &str, previous: &str, number: u64) -> Vec<u8> {
        let id = match &self.control_id {
            AckId::Own => own,
            AckId::Blank => "",
            AckId::Previous => previous,
            AckId::Other(id) => id,
        };
        let now = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S+0000");
        let said = match self.text.as_str() {
            "" => String::new(),
            text => format!("|{text}"),
        };
        let mut text = format!(
            "MSH|^~\\&|ENDPOINT|TEST|BRIDGE|TEST|{now}||ACK|E{number}|T|2.5.1\rMSA|{}|{id}{said}\r",
            self.code
        );
        if let Some((code, severity)) = &self.error {
            let said = if said.is_empty() { said } else { format!("||{said}{said}") };
            text.push_str(&format!("ERR|||{code}|{severity}{said}\r"));
        }
        super::frame(text.as_bytes())
    }
}
