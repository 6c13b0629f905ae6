//! What TOML lets through and makes no sense.

use super::{Action, ReplyId, Scenario, ScenarioError, Turn};

impl Scenario {
    /// The first rule that cannot work.
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        for (index, rule) in self.rules.iter().enumerate() {
            let reason = rule.condition.turn.mistake().or_else(|| mistake(&rule.then));
            if let Some(reason) = reason {
                return Err(ScenarioError::Rule { rule: rule.name(index), reason });
            }
        }
        for (index, rule) in self.connections.iter().enumerate() {
            if let Some(reason) = rule.condition.turn.mistake() {
                return Err(ScenarioError::Rule { rule: rule.name(index), reason });
            }
        }
        Ok(())
    }
}

impl Turn {
    fn mistake(&self) -> Option<&'static str> {
        let odd = self.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability));
        odd.then_some("probability is from 0 to 1")
    }
}

fn mistake(actions: &[Action]) -> Option<&'static str> {
    let is_store =
        |action: &Action| matches!(action, Action::Store | Action::StoreError(_) | Action::SlowStore(_));
    let is_sent = |action: &Action| matches!(action, Action::Answer | Action::Reply(_) | Action::Send(_));
    let is_end = |action: &Action| matches!(action, Action::Close | Action::Reset | Action::Stall);
    let sent = actions.iter().position(is_sent).unwrap_or(actions.len());
    if actions.iter().filter(|action| is_store(action)).count() > 1 {
        return Some("a message is stored once");
    }
    if actions.iter().skip(sent).any(is_store) {
        return Some("storing comes before the first reply");
    }
    if actions.iter().rev().skip(1).any(is_end) {
        return Some("close, reset and stall come last");
    }
    let replies = actions.iter().filter_map(|action| match action {
        Action::Reply(reply) => Some(reply),
        _ => None,
    });
    for reply in replies {
        let is_code = |code: &str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if reply.code.as_deref().is_some_and(|code| !is_code(code)) {
            return Some("a code is two capital letters");
        }
        if reply.severity.as_deref().is_some_and(|severity| !["E", "F", "I", "W"].contains(&severity)) {
            return Some("a severity is E, F, I or W");
        }
        if reply.code.is_none() && (reply.error.is_some() || reply.id != ReplyId::Own) {
            return Some("a reply with an error or another id needs a code");
        }
    }
    None
}
