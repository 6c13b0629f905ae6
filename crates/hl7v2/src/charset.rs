//! Character sets (MSH-18, HL7 table 0211).

use std::borrow::Cow;

/// A character set that messages are read and written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// `UNICODE UTF-8`; the default.
    #[default]
    Utf8,
    /// `8859/1`.
    Latin1,
    /// `ASCII`, seven bits.
    Ascii,
}

impl Charset {
    /// The character set that a value of table 0211 names; `None` where it is not supported.
    #[must_use]
    pub fn from_table_0211(name: &str) -> Option<Self> {
        match name.trim().to_ascii_uppercase().as_str() {
            "UNICODE UTF-8" | "UNICODE" | "UTF-8" | "UTF8" => Some(Self::Utf8),
            "8859/1" | "ISO-8859-1" | "ISO 8859-1" | "ISO8859-1" => Some(Self::Latin1),
            "ASCII" | "US-ASCII" | "ISO IR6" => Some(Self::Ascii),
            _ => None,
        }
    }

    /// Bytes as text; `None` where the bytes are not valid in this character set.
    #[must_use]
    pub fn decode<'a>(self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Latin1 => Some(Cow::Owned(bytes.iter().copied().map(char::from).collect())),
            Self::Ascii => {
                bytes.is_ascii().then(|| std::str::from_utf8(bytes).ok().map(Cow::Borrowed)).flatten()
            }
        }
    }

    /// Text as bytes. A character that the set lacks becomes `?`; the second value counts those.
    #[must_use]
    pub fn encode<'a>(self, text: &'a str) -> (Cow<'a, [u8]>, usize) {
        let limit = match self {
            Self::Utf8 => return (Cow::Borrowed(text.as_bytes()), 0),
            Self::Latin1 => 0xff,
            Self::Ascii => 0x7f,
        };
        if text.is_ascii() {
            return (Cow::Borrowed(text.as_bytes()), 0);
        }
        let mut lost = 0;
        let bytes = text
            .chars()
            .map(|c| match u8::try_from(u32::from(c)) {
                Ok(byte) if byte <= limit => byte,
                _ => {
                    lost += 1;
                    b'?'
                }
            })
            .collect();
        (Cow::Owned(bytes), lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esc_6_a_missing_character_becomes_a_question_mark_and_is_counted() {
        assert_eq!(Charset::Latin1.encode("é€"), (Cow::Owned(vec![0xe9, b'?']), 1));
        assert_eq!(Charset::Ascii.encode("é"), (Cow::Owned(vec![b'?']), 1));
        assert_eq!(Charset::Utf8.encode("é€").1, 0);
    }

    #[test]
    fn decodes_only_valid_bytes() {
        assert_eq!(Charset::Utf8.decode(&[0xe9]), None);
        assert_eq!(Charset::Ascii.decode(&[0xe9]), None);
        assert_eq!(Charset::Latin1.decode(&[0xe9]).as_deref(), Some("é"));
    }
}
