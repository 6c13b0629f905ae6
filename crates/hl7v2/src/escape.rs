//! Escape sequences (HL7 v2.5.1 §2.7).
//!
//! Own code rather than the parser crate's: that one panics on non-ASCII text, loses what follows an unclosed
//! escape character, and knows two of the hexadecimal values only.

use std::borrow::Cow;

use crate::{Charset, Separators};

/// Appends `value` to `out` so that it reads back as one leaf: delimiters become `\F\ \S\ \T\ \R\ \E\`,
/// control characters (00–1F, 7F) become `\Xhh\`, CRLF together `\X0D0A\`, and a value of exactly two double quotes
/// becomes `\X2222\`, because raw it would mean "delete".
pub fn escape(value: &str, separators: &Separators, out: &mut String) {
    Escape::new(*separators).push(value, out);
}

/// [`escape`] for many values of one message.
#[derive(Clone)]
pub(crate) struct Escape {
    separators: Separators,
    /// The bytes that cannot stand for themselves: separators and control characters, which are ASCII.
    special: [bool; 256],
}

impl Escape {
    pub(crate) fn new(separators: Separators) -> Self {
        let mut special = [false; 256];
        special.iter_mut().take(0x20).for_each(|control| *control = true);
        let Separators { field, component, repetition, escape, subcomponent, .. } = separators;
        for c in [field, component, repetition, escape, subcomponent, '\x7f'] {
            if let Some(byte) = special.get_mut(c as usize).filter(|_| c.is_ascii()) {
                *byte = true;
            }
        }
        Self { separators, special }
    }

    pub(crate) fn push(&self, value: &str, out: &mut String) {
        let (separators, e) = (&self.separators, self.separators.escape);
        if value == "\"\"" {
            out.extend([e, 'X', '2', '2', '2', '2', e]);
            return;
        }
        let mut rest = value;
        while let Some(at) = self.position(rest.as_bytes()) {
            let (plain, special) = rest.split_at(at);
            out.push_str(plain);
            let mut chars = special.chars();
            let Some(c) = chars.next() else { break };
            rest = chars.as_str();
            if c.is_ascii_control() {
                out.extend([e, 'X']);
                push_hex(c, out);
                if c == '\r'
                    && let Some(after) = rest.strip_prefix('\n')
                {
                    push_hex('\n', out);
                    rest = after;
                }
                out.push(e);
            } else {
                let letter = match c {
                    _ if c == separators.field => 'F',
                    _ if c == separators.component => 'S',
                    _ if c == separators.subcomponent => 'T',
                    _ if c == separators.repetition => 'R',
                    _ => 'E',
                };
                out.extend([e, letter, e]);
            }
        }
        out.push_str(rest);
    }

    /// Where the first byte stands that cannot stand for itself. Few values have one: most are passed in fours.
    fn position(&self, bytes: &[u8]) -> Option<usize> {
        let is_special = |byte: &u8| self.special.get(usize::from(*byte)) == Some(&true);
        let (fours, _) = bytes.as_chunks::<4>();
        let plain = fours
            .iter()
            .take_while(|[a, b, c, d]| !(is_special(a) | is_special(b) | is_special(c) | is_special(d)));
        let start = plain.count() * 4;
        bytes.iter().skip(start).position(is_special).map(|at| start + at)
    }
}

fn push_hex(control: char, out: &mut String) {
    let nibble = |value: u32| char::from_digit(value, 16).unwrap_or('0').to_ascii_uppercase();
    out.extend([nibble(u32::from(control) / 16), nibble(u32::from(control) % 16)]);
}

/// Reads the escape sequences of one leaf. `\F\ \S\ \T\ \R\ \E\ \P\` become characters, `\Xhh…\` the bytes in
/// the message's character set, `\.br\` a line feed; `\H\` and `\N\` (highlighting) vanish; every other sequence,
/// and an escape character without a partner, stays as it is.
#[must_use]
pub fn unescape<'a>(raw: &'a str, separators: &Separators, charset: Charset) -> Cow<'a, str> {
    let e = separators.escape;
    if !raw.contains(e) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, after)) = rest.split_once(e) {
        out.push_str(plain);
        rest = match after.split_once(e) {
            Some((sequence, tail)) if push_sequence(sequence, separators, charset, &mut out) => tail,
            // Unknown, or without a partner: it stands for itself, and its partner may open the next sequence.
            _ => {
                out.push(e);
                after
            }
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Appends what `sequence` (without its escape characters) stands for; false when it stands for nothing known.
fn push_sequence(sequence: &str, separators: &Separators, charset: Charset, out: &mut String) -> bool {
    match sequence {
        "F" => out.push(separators.field),
        "S" => out.push(separators.component),
        "T" => out.push(separators.subcomponent),
        "R" => out.push(separators.repetition),
        "E" => out.push(separators.escape),
        "P" => out.push(separators.truncation.unwrap_or('#')),
        ".br" => out.push('\n'),
        "H" | "N" => {}
        _ => {
            let Some(bytes) = sequence.strip_prefix('X').and_then(hex_bytes) else { return false };
            let Some(text) = charset.decode(&bytes) else { return false };
            out.push_str(&text);
        }
    }
    true
}

fn hex_bytes(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if digits.is_empty() {
        return None;
    }
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|&[high, low]| {
            let value = char::from(high).to_digit(16)? * 16 + char::from(low).to_digit(16)?;
            u8::try_from(value).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(value: &str) -> String {
        let mut out = String::new();
        escape(value, &Separators::default(), &mut out);
        out
    }

    fn unescaped(raw: &str) -> String {
        unescape(raw, &Separators::default(), Charset::Utf8).into_owned()
    }

    #[test]
    fn esc_1_delimiters_become_their_letters() {
        assert_eq!(escaped("a|b^c&d~e\\f"), r"a\F\b\S\c\T\d\R\e\E\f");
        assert_eq!(unescaped(r"a\F\b\S\c\T\d\R\e\E\f"), "a|b^c&d~e\\f");
    }

    #[test]
    fn esc_2_control_characters_become_hexadecimal() {
        assert_eq!(escaped("a\r\nb\rc\nd\u{7f}"), r"a\X0D0A\b\X0D\c\X0A\d\X7F\");
    }

    #[test]
    fn esc_3_reads_every_known_sequence_and_keeps_the_others() {
        assert_eq!(unescaped(r"a\.br\b\H\c\N\d\P\e"), "a\nbcd#e");
        assert_eq!(unescaped(r"\XC3A9\t\X41\"), "étA");
        for kept in [
            r"\Zab\x",
            r"\.sp+2\x",
            r"\Xzz\",
            r"\X4\",
            r"\XFF\",
            r"\Cab12\",
            "half\\",
            r"\é\",
            r"a\b",
            r"C:\dir\file",
        ] {
            assert_eq!(unescaped(kept), kept);
        }
    }

    #[test]
    fn esc_3_an_unknown_sequence_does_not_swallow_the_next() {
        assert_eq!(unescaped(r"a\b\F\c"), r"a\b|c");
        assert_eq!(unescaped(r"\\F\"), "\\|");
    }

    #[test]
    fn esc_4_two_quotes_are_not_null() {
        assert_eq!(escaped("\"\""), r"\X2222\");
        assert_eq!(unescaped(r"\X2222\"), "\"\"");
    }

    #[test]
    fn latin_1_bytes_are_read_in_the_message_charset() {
        assert_eq!(unescape(r"\XE9\", &Separators::default(), Charset::Latin1), "é");
    }

    proptest! {
        #[test]
        fn any_text_survives_escaping(value in any::<String>()) {
            prop_assert_eq!(unescaped(&escaped(&value)), value);
        }

        #[test]
        fn escaped_text_has_no_delimiter_and_no_control_character(value in any::<String>()) {
            let out = escaped(&value);
            let bad = |c: char| c.is_ascii_control() || "|^~&".contains(c);
            prop_assert!(!out.chars().any(bad));
        }

        #[test]
        fn any_raw_text_is_read_without_panic(raw in r"[\\XFSé0-9A-F.br]{0,40}") {
            unescaped(&raw);
        }
    }
}
