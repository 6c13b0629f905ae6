//! The JSON text of an ordinary Patient, read in one pass. Not a general reader: it says whether the text is one of the
//! expected ones, not what else it is, and leaves every other text to `serde_json`. That is why it takes a third of the
//! time.

use super::Str;

/// JSON text, as far as it is read. `None` anywhere is a surprise: not JSON, or not what was expected there.
pub(crate) struct Json<'de> {
    text: &'de str,
    at: usize,
    /// How many objects are open.
    depth: usize,
}

/// A Patient has far fewer objects within each other.
const MAX_DEPTH: usize = 32;

impl<'de> Json<'de> {
    pub(crate) fn new(text: &'de str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Reads an object that has a member; `member` reads the value of each, given its name.
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self, &'de str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        loop {
            let name = self.name()?;
            self.take(b':')?;
            member(self, name)?;
            match self.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// Reads a list that has a member; `member` reads each.
    pub(super) fn list(&mut self, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        loop {
            member(self)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Reads a string, borrowed where it has no escape sequence.
    pub(super) fn string(&mut self) -> Option<Str<'de>> {
        self.take(b'"')?;
        let start = self.at;
        match self.until_special()? {
            b'"' => self.since(start).map(Str::Borrowed),
            _ => self.escaped(start),
        }
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self) -> Option<bool> {
        self.peek()?;
        let rest = self.text.get(self.at..)?;
        let value = rest.starts_with("true");
        if !value && !rest.starts_with("false") {
            return None;
        }
        self.at += if value { 4 } else { 5 };
        Some(value)
    }

    /// Reads a number, which `serde_json` makes of its text.
    pub(super) fn number<T: serde::Deserialize<'de>>(&mut self) -> Option<T> {
        self.peek()?;
        let start = self.at;
        let rest = self.text.as_bytes().get(start..)?;
        self.at += rest
            .iter()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            .count();
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    /// The end of the text.
    pub(crate) fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// The name of a member; names that are known have no escape sequences.
    fn name(&mut self) -> Option<&'de str> {
        self.take(b'"')?;
        let start = self.at;
        (self.until_special()? == b'"').then_some(())?;
        self.since(start)
    }

    /// What stands from `start` up to the byte before.
    fn since(&self, start: usize) -> Option<&'de str> {
        self.text.get(start..self.at - 1)
    }

    /// The rest of a string with escape sequences, of which `serde_json` makes a text.
    #[cold]
    fn escaped(&mut self, start: usize) -> Option<Str<'de>> {
        self.at -= 1;
        loop {
            match self.until_special()? {
                b'"' => break,
                b'\\' => self.at += 1,
                _ => return None,
            }
        }
        serde_json::from_str(self.text.get(start - 1..self.at)?).ok().map(Str::Owned)
    }

    /// The next byte that is not white space, which stays.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match *bytes.get(self.at)? {
                b'\n' | b'\r' | b'\t' => self.at += 1,
                // Lines are indented: up to eight blanks at a time.
                b' ' => {
                    let blanks = bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>).map_or(1, |eight| {
                        (u64::from_le_bytes(*eight) ^ every(b' ')).trailing_zeros() as usize / 8
                    });
                    self.at += blanks;
                }
                byte => return Some(byte),
            }
        }
    }

    /// The next byte that is not white space.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    /// Goes past the next quote, backslash or control character of a string, eight bytes at a time; which it is.
    fn until_special(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(eight) = bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            match specials(u64::from_le_bytes(*eight)) {
                0 => self.at += 8,
                found => {
                    self.at += found.trailing_zeros() as usize / 8 + 1;
                    return bytes.get(self.at - 1).copied();
                }
            }
        }
        loop {
            let byte = *bytes.get(self.at)?;
            self.at += 1;
            if matches!(byte, b'"' | b'\\' | ..0x20) {
                return Some(byte);
            }
        }
    }
}

/// Eight times the same byte.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bit of each byte that is a quote, a backslash or a control character. Bits above the lowest one may be
/// wrong, because a difference may borrow from the byte above.
fn specials(eight: u64) -> u64 {
    let control = eight.wrapping_sub(every(0x20));
    let quote = (eight ^ every(b'"')).wrapping_sub(every(1));
    let backslash = (eight ^ every(b'\\')).wrapping_sub(every(1));
    (control | quote | backslash) & !eight & every(0x80)
}

#[cfg(test)]
mod tests;
