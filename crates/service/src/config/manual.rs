//! The manual of the settings: commented TOML beside each struct, and what is printed from it.
//!
//! Every crate with settings has such a text. It is TOML that [`load`](super::load) takes as defaults, in a form that can
//! be read as a manual too:
//!
//! ```toml
//! # What the section is for. (A paragraph directly above the header.)
//! [server]
//! # What the key does.
//! #: "a" | "b"; secret
//! key = "a"
//! # A key without a default: the value is an example.
//! #other = 7
//!
//! # A section that is not there unless somebody writes it.
//! #[server.tls]
//! # Its values are defaults, unless the key is tagged.
//! #: path; required
//! #cert_file = "server.pem"
//! ```
//!
//! A line `#:` holds tags: a type where the value does not show it; `secret`; `content followed` for a file that is read
//! again when it changes and `followed` for a setting (or section) that is; `required` or `optional` for a key of an absent
//! section that has no default; `for kind "x"` for a key of one kind of a table; `named` for a section of which there may
//! be several, whose last name is an example.

mod file;
mod page;
mod parse;

use toml::{Table, Value};

use super::Problem;

/// What all sections of a program mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Manual {
    sections: Vec<ManualSection>,
}

/// One table of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct ManualSection {
    /// The names from the root; the last one of a named section is an example.
    pub path: Vec<String>,
    /// How many there may be.
    pub repeat: Repeat,
    /// Whether it is there by default.
    pub is_present: bool,
    /// What it is for; lines as they are written.
    pub text: Vec<String>,
    /// Its keys, in the order of the manual.
    pub keys: Vec<ManualKey>,
    followed: bool,
}

/// How many there may be of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// One.
    Once,
    /// Any number, each with a name: `[hook.auth.bearer.hapi]`.
    Named,
    /// Any number, in a list: `[[hook.source]]`.
    List,
}

/// One setting.
#[derive(Debug, Clone, PartialEq)]
pub struct ManualKey {
    /// Its name in the section.
    pub name: String,
    /// The default, or an example where there is none.
    pub value: Value,
    /// Whether `value` is the default.
    pub presence: Presence,
    /// What it does; lines as they are written.
    pub text: Vec<String>,
    /// What it takes: `duration`, `bytes`, `"a" | "b"`.
    pub takes: String,
    /// Whether it must not be shown.
    pub is_secret: bool,
    /// When a change counts.
    pub change: Change,
    /// The `kind` of the table for which the key exists; all when `None`.
    pub kind: Option<String>,
}

/// What is there when nobody sets a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The value of the manual.
    Default,
    /// Nothing.
    Optional,
    /// The section is refused without the key.
    Required,
}

/// When a change of a setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// At the next start.
    AtStart,
    /// At once: the setting is followed.
    Followed,
    /// At once for what is in the file that it names.
    ContentFollowed,
}

impl Manual {
    /// Reads the texts of all crates, each a complete TOML document with sections of its own.
    ///
    /// # Errors
    /// The first line that is not of the form above.
    pub fn parse(texts: &[&str]) -> Result<Self, Problem> {
        let mut sections = Vec::new();
        for text in texts {
            parse::parse(text, &mut sections)?;
        }
        Ok(Self { sections })
    }

    /// Every section, in the order of the texts.
    pub fn sections(&self) -> &[ManualSection] {
        &self.sections
    }

    /// The manual of some top-level sections alone.
    #[must_use]
    pub fn only(mut self, roots: &[&str]) -> Self {
        self.sections
            .retain(|section| section.path.first().is_some_and(|root| roots.contains(&root.as_str())));
        self
    }

    /// A settings file that says every default, `values`, and leaves out what has none; with the text of the manual and
    /// the environment variable of each key.
    pub fn to_file(&self, values: &Table) -> String {
        file::write(self, values)
    }

    /// A page in Markdown with a table for each section; the defaults are those of `values`.
    pub fn to_page(&self, values: &Table) -> String {
        page::write(self, values)
    }

    /// True where a section, or one that it is in, stands in a list: it has no variables.
    fn is_in_list(&self, section: &ManualSection) -> bool {
        self.sections
            .iter()
            .any(|other| other.repeat == Repeat::List && section.path.starts_with(&other.path))
    }
}

impl ManualSection {
    /// `hook.auth.bearer`, as it is written in the header; with `named` in place of an example's name.
    fn name(&self, named: Option<&str>) -> String {
        let (last, rest) = self.path.split_last().map_or(("", &[][..]), |(last, rest)| (last.as_str(), rest));
        let last = named.filter(|_| self.repeat == Repeat::Named).unwrap_or(last);
        rest.iter().map(String::as_str).chain([last]).collect::<Vec<_>>().join(".")
    }

    /// What the section is by default; `None` when it is absent.
    fn values<'v>(&self, values: &'v Table) -> Option<&'v Table> {
        if self.repeat != Repeat::Once {
            return None;
        }
        let mut table = values;
        for name in &self.path {
            table = table.get(name)?.as_table()?;
        }
        Some(table)
    }
}

impl ManualKey {
    /// The default of the key in a section that is by default `values`; `None` where nothing is.
    fn default<'v>(&'v self, values: Option<&'v Table>) -> Option<&'v Value> {
        let Some(values) = values else {
            return Some(&self.value).filter(|_| self.presence == Presence::Default);
        };
        let kind = values.get("kind").and_then(Value::as_str);
        if self.kind.is_some() && self.kind.as_deref() != kind {
            return Some(&self.value).filter(|_| self.presence == Presence::Default);
        }
        values.get(&self.name)
    }

    /// Whether the key is part of a section that is by default `values`.
    fn is_set(&self, values: Option<&Table>) -> bool {
        values.is_some_and(|values| {
            let kind = values.get("kind").and_then(Value::as_str);
            values.contains_key(&self.name) && (self.kind.is_none() || self.kind.as_deref() == kind)
        })
    }
}

#[cfg(test)]
mod tests;
