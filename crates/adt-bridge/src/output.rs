//! Standard output, for people and for pipes.

use std::{
    fmt,
    io::{self, Write as _},
};

/// Writes one line. A reader that went away is no error: `adt-bridge demo | head` must not complain.
///
/// # Errors
/// Any other failure to write.
pub(crate) fn line(text: impl fmt::Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// An HL7 message as people read it: one segment per line, each indented.
///
/// Control characters never reach a terminal: they are shown as `\u{..}`.
pub(crate) fn segments(er7: &str) -> String {
    written(er7, "    ")
}

/// The same for a pipe: not indented.
pub(crate) fn lines(er7: &str) -> String {
    written(er7, "")
}

fn written(er7: &str, indent: &str) -> String {
    let mut text = String::with_capacity(er7.len() + 64);
    for segment in er7.split(['\r', '\n']).filter(|segment| !segment.is_empty()) {
        text.push_str(indent);
        for character in segment.chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::segments;

    #[test]
    fn shows_one_segment_per_line_without_control_characters() {
        assert_eq!(segments("MSH|^~\\&|\rPID|1|\u{1b}[31m\r"), "    MSH|^~\\&|\n    PID|1|\\u{1b}[31m");
    }
}
