//! MSH-1 and MSH-2.

use crate::ParseError;

/// The delimiters of one message (HL7 v2.5.1 §2.5.4), all ASCII and all different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separators {
    /// MSH-1, usually `|`.
    pub field: char,
    /// First character of MSH-2, usually `^`.
    pub component: char,
    /// Second character of MSH-2, usually `~`.
    pub repetition: char,
    /// Third character of MSH-2, usually `\`.
    pub escape: char,
    /// Fourth character of MSH-2, usually `&`.
    pub subcomponent: char,
    /// Fifth character of MSH-2, the truncation character of HL7 v2.7 §2.5.5.2, usually `#` where present.
    pub truncation: Option<char>,
}

impl Default for Separators {
    fn default() -> Self {
        Self {
            field: '|',
            component: '^',
            repetition: '~',
            escape: '\\',
            subcomponent: '&',
            truncation: None,
        }
    }
}

impl Separators {
    /// Reads MSH-1 and MSH-2 from the start of a message.
    ///
    /// # Errors
    /// [`ParseError::NoHeader`] where the text does not begin with `MSH`, [`ParseError::InvalidSeparators`] where
    /// MSH-2 has not four or five characters, or a character is alphanumeric, blank, not ASCII or used twice.
    pub fn read(message: &str) -> Result<Self, ParseError> {
        let rest = message.strip_prefix("MSH").ok_or(ParseError::NoHeader)?;
        let field = rest.chars().next().ok_or(ParseError::InvalidSeparators)?;
        let mut encoding = rest.chars().skip(1).take_while(|&c| c != field && c != '\r' && c != '\n');
        let mut next = || encoding.next();
        let (Some(component), Some(repetition), Some(escape), Some(subcomponent), truncation, None) =
            (next(), next(), next(), next(), next(), next())
        else {
            return Err(ParseError::InvalidSeparators);
        };
        let separators = Self { field, component, repetition, escape, subcomponent, truncation };
        if separators.are_valid() { Ok(separators) } else { Err(ParseError::InvalidSeparators) }
    }

    fn are_valid(&self) -> bool {
        let mut all = self.all();
        while let Some(c) = all.next() {
            if !c.is_ascii_punctuation() || all.clone().any(|other| other == c) {
                return false;
            }
        }
        true
    }

    fn all(&self) -> impl Iterator<Item = char> + Clone {
        let Self { field, component, repetition, escape, subcomponent, truncation } = *self;
        [field, component, repetition, escape, subcomponent].into_iter().chain(truncation)
    }

    /// MSH-2 as it is written, four or five characters.
    #[must_use]
    pub fn encoding_characters(&self) -> String {
        self.all().skip(1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_and_custom_separators() {
        assert_eq!(Separators::read("MSH|^~\\&|A"), Ok(Separators::default()));
        let custom = Separators::read("MSH#$%!*#A").unwrap();
        assert_eq!(custom.encoding_characters(), "$%!*");
    }

    #[test]
    fn reads_the_truncation_character() {
        assert_eq!(Separators::read("MSH|^~\\&#|A").unwrap().truncation, Some('#'));
    }

    #[test]
    fn rejects_repeated_short_long_and_alphanumeric_separators() {
        for bad in [
            "MSH",
            "MSH|",
            "MSH|^~\\|",
            "MSH|^^\\&|",
            "MSH|^~\\&#!|",
            "MSH|a~\\&|",
            "MSHé^~\\&é",
            "MSH|^~\\ |",
        ] {
            assert_eq!(Separators::read(bad), Err(ParseError::InvalidSeparators), "{bad}");
        }
        assert_eq!(Separators::read("PID|1"), Err(ParseError::NoHeader));
    }
}
