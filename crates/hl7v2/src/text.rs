//! From bytes to the normal form that the parser reads.

use std::fmt;

use crate::{Charset, Header, Message, ParseError, RawSegment, Separators};

/// The text of one message in normal form: decoded, segments separated by single CRs, no blank lines, no byte
/// order mark, every segment with a valid name and a field separator, MSH-2 of four characters.
///
/// Holds patient data: `Debug` prints the size only.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    text: String,
    separators: Separators,
    charset: Charset,
}

impl Text {
    /// How many delimiters one message may hold. Bounds the memory that a hostile message of nothing but
    /// delimiters could take (a few hundred bytes for each).
    pub const MAX_SEPARATORS: usize = 200_000;

    /// Reads bytes as they came over the wire (without MLLP framing).
    ///
    /// The character set is that of MSH-18's first repetition; without one, UTF-8 if the bytes are valid UTF-8,
    /// else ISO 8859-1. CR, LF and CRLF all end a segment.
    ///
    /// # Errors
    /// [`ParseError`] for everything that is not one message.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let declared = declared_charset(bytes);
        let charset = match declared {
            Declared::Known(Charset::Utf8) => Charset::Utf8,
            Declared::Known(Charset::Latin1) => Charset::Latin1,
            _ if std::str::from_utf8(bytes).is_ok() => Charset::Utf8,
            Declared::Unknown => return Err(ParseError::UnsupportedCharset),
            Declared::Nothing | Declared::Known(Charset::Ascii) => Charset::Latin1,
        };
        let decoded = charset.decode(bytes).ok_or_else(|| ParseError::InvalidEncoding {
            offset: std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len),
        })?;
        Self::normalise(&decoded, charset)
    }

    /// Reads text, such as a queued message or a file.
    ///
    /// # Errors
    /// As [`Text::from_bytes`].
    pub fn from_text(text: &str) -> Result<Self, ParseError> {
        Self::normalise(text.strip_prefix('\u{feff}').unwrap_or(text), Charset::Utf8)
    }

    fn normalise(decoded: &str, charset: Charset) -> Result<Self, ParseError> {
        let (header, separators, lines) = open(decoded)?;
        let mut text = String::with_capacity(decoded.len());
        push_header(header, &separators, &mut text);
        for (index, line) in lines.enumerate() {
            let (name, fields) = split_segment(line, separators.field, index + 2)?;
            text.push('\r');
            text.push_str(name);
            // One that is a bare name gets a separator, because the parser would stop there.
            text.push(separators.field);
            text.push_str(fields);
        }
        check_size(&text, &separators)?;
        Ok(Self { text, separators, charset })
    }

    /// Splits the text into segments and fields.
    ///
    /// # Errors
    /// [`ParseError::InvalidSegment`] where the parser stopped before the end.
    pub fn parse(&self) -> Result<Message<'_>, ParseError> {
        Message::parse(self)
    }

    /// The segments, not taken apart.
    pub fn segments(&self) -> impl Iterator<Item = RawSegment<'_>> {
        let Self { text, separators, charset } = self;
        text.split('\r').map(|raw| RawSegment { raw, separators: *separators, charset: *charset })
    }

    /// The fields of MSH that say what the message is and how to answer it.
    #[must_use]
    pub fn header(&self) -> Header {
        Header::read(self)
    }

    /// The first segment of that name, not taken apart.
    #[must_use]
    pub fn segment(&self, name: &str) -> Option<RawSegment<'_>> {
        self.segments().find(|segment| segment.name() == name)
    }

    /// The normal form: segments separated by CR, no CR after the last.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn into_string(self) -> String {
        self.text
    }

    /// The delimiters of this message.
    #[must_use]
    pub fn separators(&self) -> &Separators {
        &self.separators
    }

    /// The character set the bytes were read in.
    #[must_use]
    pub fn charset(&self) -> Charset {
        self.charset
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("bytes", &self.text.len()).field("charset", &self.charset).finish()
    }
}

impl<'t> RawSegment<'t> {
    /// MSH of a text that is one message. Nothing is copied; the other segments are looked at, no more.
    ///
    /// # Errors
    /// As [`Text::from_text`].
    pub fn header_of(text: &'t str) -> Result<Self, ParseError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (raw, separators, lines) = open(text)?;
        for (index, line) in lines.enumerate() {
            split_segment(line, separators.field, index + 2)?;
        }
        check_size(text, &separators)?;
        Ok(Self { raw, separators, charset: Charset::Utf8 })
    }
}

/// MSH, its delimiters, and the lines after it that are not blank.
fn open(decoded: &str) -> Result<(&str, Separators, impl Iterator<Item = &str>), ParseError> {
    let mut lines = Lines(Some(decoded)).filter(|line| !line.trim().is_empty());
    let header = lines.next().map(str::trim_start).ok_or(ParseError::NoHeader)?;
    if header.starts_with("FHS") || header.starts_with("BHS") {
        return Err(ParseError::Batch);
    }
    Ok((header, Separators::read(header)?, lines))
}

/// The pieces between CR and LF.
struct Lines<'a>(Option<&'a str>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0?;
        let Some(end) = memchr::memchr2(b'\r', b'\n', rest.as_bytes()) else {
            return self.0.take();
        };
        self.0 = rest.get(end + 1..);
        rest.get(..end)
    }
}

/// Copies MSH; a fifth encoding character is left out, because the parser takes exactly four.
fn push_header(header: &str, separators: &Separators, text: &mut String) {
    match separators.truncation {
        None => text.push_str(header),
        Some(_) => {
            let four: String = separators.encoding_characters().chars().take(4).collect();
            let rest = header.strip_prefix("MSH").and_then(|rest| rest.strip_prefix(separators.field));
            let after = rest.and_then(|rest| rest.split_once(separators.field)).map(|(_, after)| after);
            text.push_str("MSH");
            text.push(separators.field);
            text.push_str(&four);
            if let Some(after) = after {
                text.push(separators.field);
                text.push_str(after);
            }
        }
    }
}

/// Name and fields of a segment whose name is one.
fn split_segment(line: &str, field: char, segment: usize) -> Result<(&str, &str), ParseError> {
    let line = line.trim_start();
    let (name, fields) = line.split_once(field).unwrap_or((line, ""));
    let name = name.trim_end();
    let valid = name.len() == 3
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if valid { Ok((name, fields)) } else { Err(ParseError::InvalidSegment { segment }) }
}

fn check_size(text: &str, separators: &Separators) -> Result<(), ParseError> {
    if text.len() <= Text::MAX_SEPARATORS {
        return Ok(());
    }
    let Separators { field, component, repetition, subcomponent, .. } = *separators;
    // All ASCII, so bytes can be counted.
    let structural = [field, component, repetition, subcomponent].map(|c| u8::try_from(c).unwrap_or(0));
    if text.bytes().filter(|byte| structural.contains(byte)).count() > Text::MAX_SEPARATORS {
        return Err(ParseError::TooManyFields);
    }
    Ok(())
}

enum Declared {
    Nothing,
    Known(Charset),
    Unknown,
}

/// MSH-18, first repetition, read from the raw bytes: all supported sets agree with ASCII there.
fn declared_charset(bytes: &[u8]) -> Declared {
    let start = bytes.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(0);
    let bytes = bytes.get(start..).unwrap_or_default();
    let (Some(&field), Some(&repetition)) = (bytes.get(3), bytes.get(5)) else { return Declared::Nothing };
    let header = bytes.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
    let value = header.split(|&b| b == field).nth(17).unwrap_or_default();
    let first = value.split(|&b| b == repetition).next().unwrap_or_default();
    match std::str::from_utf8(first).map(str::trim) {
        Ok("" | "\"\"") => Declared::Nothing,
        Ok(name) => Charset::from_table_0211(name).map_or(Declared::Unknown, Declared::Known),
        Err(_) => Declared::Unknown,
    }
}

#[cfg(test)]
mod tests;
