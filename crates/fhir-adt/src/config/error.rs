//! What is wrong with a configuration.

use std::borrow::Cow;

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConfigError {
    /// The problems, in the order of the settings.
    pub problems: Vec<ConfigProblem>,
}

/// One wrong setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message.{key}: {reason}")]
pub struct ConfigProblem {
    /// The setting, such as `registry[2].namespace`.
    pub key: String,
    /// What is wrong with it.
    pub reason: Cow<'static, str>,
}

impl ConfigProblem {
    /// The parts of the key, positions in lists included: `registry`, `2`, `namespace`.
    #[must_use]
    pub fn path(&self) -> Vec<String> {
        let mut path = vec![String::new()];
        let mut is_quoted = false;
        for c in self.key.chars() {
            match c {
                '"' => is_quoted = !is_quoted,
                '.' | '[' if !is_quoted => path.push(String::new()),
                ']' if !is_quoted => {}
                c => path.iter_mut().last().into_iter().for_each(|part| part.push(c)),
            }
        }
        path
    }
}
