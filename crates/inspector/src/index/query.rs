//! The search language: words, and `key:value` for columns.
//!
//! `anna event:A31 mrn:123 from:LAB ack:AE state:dead "Old Street"`: all of it must fit. A word fits the start of any
//! word of the message.

use rusqlite::types::Value;

/// A search, compiled: a full-text expression, conditions on columns, and their values.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Query {
    pub(crate) words: String,
    pub(crate) conditions: Vec<(&'static str, Value)>,
}

impl Query {
    /// Reads what somebody typed. Nothing is an error: what is no key is a word.
    pub(crate) fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for term in terms(text).into_iter().take(MOST_TERMS) {
            query.add(&term);
        }
        query
    }

    fn add(&mut self, term: &Term) {
        let value = || Value::Text(term.value.clone());
        let upper = || Value::Text(term.value.to_ascii_uppercase());
        let start = || Value::Text(format!("{}*", term.value.replace(['*', '?', '['], "")));
        let condition = match term.key.as_deref() {
            Some("event") => match term.value.split_once('^') {
                Some((kind, event)) => {
                    self.conditions.push(("m.kind = ?", Value::Text(kind.to_ascii_uppercase())));
                    ("m.event = ?", Value::Text(event.to_ascii_uppercase()))
                }
                None => ("m.event = ?", upper()),
            },
            Some("type") => ("m.kind = ?", upper()),
            Some("ack") => ("m.ack_code = ?", upper()),
            Some("error") => ("m.error_code = ?", value()),
            Some("state") => ("m.state = ?", Value::Text(term.value.to_ascii_lowercase())),
            Some("id") => ("m.control_id GLOB ?", start()),
            Some("mrn") => {
                // The words lead there; the column says that it is this identifier and no other.
                self.word("ids", &term.value, term.quoted);
                ("m.mrn GLOB ?", start())
            }
            Some("from") => ("m.sender LIKE '%' || ? || '%'", value()),
            Some("to") => ("m.receiver LIKE '%' || ? || '%'", value()),
            Some("group") => ("m.queue_group = ?", value()),
            Some("name") => return self.word("names", &term.value, term.quoted),
            Some("ids") => return self.word("ids", &term.value, term.quoted),
            Some(_) | None => return self.word("", &term.value, term.quoted),
        };
        self.conditions.push(condition);
    }

    fn word(&mut self, column: &str, word: &str, quoted: bool) {
        // Punctuation alone has no token; FTS5 would find nothing.
        if !word.chars().any(char::is_alphanumeric) {
            return;
        }
        if !self.words.is_empty() {
            self.words.push_str(" AND ");
        }
        if !column.is_empty() {
            self.words.push_str(column);
            self.words.push_str(" : ");
        }
        self.words.push('"');
        self.words.push_str(&word.replace('"', "\"\""));
        self.words.push('"');
        if !quoted {
            self.words.push('*');
        }
    }
}

struct Term {
    key: Option<String>,
    value: String,
    quoted: bool,
}

fn terms(text: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = key(rest);
        let (value, quoted, after) = match after.strip_prefix('"') {
            Some(inside) => {
                let (value, after) = inside.split_once('"').unwrap_or((inside, ""));
                (value, true, after)
            }
            None => {
                let (value, after) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
                (value, false, after)
            }
        };
        if !value.is_empty() {
            terms.push(Term { key, value: value.to_owned(), quoted });
        }
        rest = after.trim_start();
    }
    terms
}

/// A key that is known, and what follows it.
fn key(text: &str) -> (Option<String>, &str) {
    match text.split_once(':') {
        Some((key, after)) if KEYS.contains(&key) => (Some(key.to_owned()), after),
        _ => (None, text),
    }
}

const KEYS: [&str; 12] =
    ["event", "type", "ack", "error", "state", "id", "mrn", "from", "to", "group", "name", "ids"];
const MOST_TERMS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_columns() {
        let query = Query::parse("anna event:adt^a31 name:\"de la\" 12:30 ack:ae");
        assert_eq!(query.words, "\"anna\"* AND names : \"de la\" AND \"12:30\"*");
        let conditions: Vec<&str> = query.conditions.iter().map(|(condition, _)| *condition).collect();
        assert_eq!(conditions, ["m.kind = ?", "m.event = ?", "m.ack_code = ?"]);
    }

    #[test]
    fn no_text_is_an_error_or_an_injection() {
        for text in ["", "\"", "\"\"", "AND OR NOT", "a\"b", "name:", "*", "words:x", "(", "^", "::", "\u{0}"]
        {
            let query = Query::parse(text);
            assert!(query.words.matches('"').count().is_multiple_of(2), "{text}");
        }
    }
}
