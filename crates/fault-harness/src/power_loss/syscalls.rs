//! The log of `strace -f -y -xx`, read into calls.

use std::{collections::HashMap, path::PathBuf};

/// One finished system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) result: i64,
    /// The path of a descriptor that the call gave back.
    pub(super) opened: Option<PathBuf>,
    /// The line on which it began; a call of another thread may lie between this and the end.
    pub(super) began: usize,
    /// The line on which it ended.
    pub(super) ended: usize,
}

/// An argument, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    /// `3</path>`; sockets and pipes have a name here too.
    Descriptor(i64, PathBuf),
    /// `"\x41"`.
    Bytes(Vec<u8>),
    /// `[{iov_base="\x41", iov_len=1}]`, alone or inside a header, put together.
    Pieces(Vec<u8>),
    /// Numbers, flags and everything else.
    Other(String),
}

impl Call {
    pub(super) fn descriptor(&self) -> Option<(i64, &PathBuf)> {
        self.arguments.iter().find_map(|argument| match argument {
            Argument::Descriptor(number, path) => Some((*number, path)),
            Argument::Bytes(_) | Argument::Pieces(_) | Argument::Other(_) => None,
        })
    }

    /// What was read or written, cut to the result.
    pub(super) fn data(&self) -> Option<&[u8]> {
        let bytes = self.arguments.iter().find_map(|argument| match argument {
            Argument::Bytes(bytes) | Argument::Pieces(bytes) => Some(bytes),
            Argument::Descriptor(..) | Argument::Other(_) => None,
        })?;
        bytes.get(..usize::try_from(self.result).ok()?)
    }

    /// The n-th path argument.
    pub(super) fn path(&self, n: usize) -> Option<PathBuf> {
        let mut texts = self.arguments.iter().filter_map(|argument| match argument {
            Argument::Bytes(bytes) => Some(path(bytes)),
            Argument::Descriptor(..) | Argument::Pieces(_) | Argument::Other(_) => None,
        });
        texts.nth(n)
    }

    /// The n-th argument as a number.
    pub(super) fn number(&self, n: usize) -> Option<u64> {
        match self.arguments.get(n)? {
            Argument::Other(text) => text.parse().ok(),
            Argument::Descriptor(..) | Argument::Bytes(_) | Argument::Pieces(_) => None,
        }
    }

    /// Whether an argument holds this flag.
    pub(super) fn has_flag(&self, flag: &str) -> bool {
        self.arguments.iter().any(
            |argument| matches!(argument, Argument::Other(text) if text.split('|').any(|one| one == flag)),
        )
    }
}

/// The calls that succeeded, in the order in which they ended.
///
/// # Errors
/// A line that cannot be read, with its number.
pub(super) fn read(log: &str) -> Result<Vec<Call>, String> {
    let mut calls = Vec::new();
    // By thread: where the call began and its text so far.
    let mut unfinished: HashMap<&str, (usize, String)> = HashMap::new();
    for (number, line) in log.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        let (began, text) = if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, (number, start.to_owned()));
            continue;
        } else if rest.starts_with("<... ") {
            let (_, end) = rest.split_once(" resumed>").ok_or_else(|| format!("line {number}: no call"))?;
            let Some((began, mut text)) = unfinished.remove(thread) else { continue };
            text.push_str(end);
            (began, text)
        } else {
            (number, rest.to_owned())
        };
        let call = parse(&text, began, number).ok_or_else(|| format!("line {}: not a call", number + 1))?;
        if call.result >= 0 {
            calls.push(call);
        }
    }
    Ok(calls)
}

/// `name(argument, …) = result`.
fn parse(text: &str, began: usize, ended: usize) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let mut arguments = Vec::new();
    let mut rest = rest.trim_start();
    while let Some(after) = rest.strip_prefix(')').map_or(Some(rest), |_| None) {
        let length = argument_length(after)?;
        let (argument, tail) = after.split_at_checked(length)?;
        arguments.push(to_argument(argument));
        rest = tail.strip_prefix(',').unwrap_or(tail).trim_start();
    }
    let result = rest.strip_prefix(')')?.trim_start().strip_prefix('=')?.trim_start();
    let digits = result.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(result.len());
    let (value, opened) = result.split_at_checked(digits)?;
    let opened =
        opened.strip_prefix('<').and_then(|tail| tail.split_once('>')).map(|(hex, _)| path(&unhex(hex)));
    // `?` stands where the process ended inside the call.
    Some(Call { name: name.to_owned(), arguments, result: value.parse().unwrap_or(-1), opened, began, ended })
}

/// Up to the comma or bracket that ends the argument.
fn argument_length(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0_u32, false);
    for (place, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' | '{' | '<' | '(' => depth += 1,
            ')' | ',' if depth == 0 => return Some(place),
            ']' | '}' | '>' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn to_argument(text: &str) -> Argument {
    if let Some(quoted) = text.strip_prefix('"') {
        return Argument::Bytes(unhex(quoted.split('"').next().unwrap_or_default()));
    }
    if text.contains("iov_base=\"") {
        let pieces = text.split("iov_base=\"").skip(1).filter_map(|piece| piece.split('"').next());
        return Argument::Pieces(pieces.flat_map(unhex).collect());
    }
    let descriptor = text
        .split_once('<')
        .and_then(|(number, rest)| Some((number.parse().ok()?, path(&unhex(rest.strip_suffix('>')?)))));
    match descriptor {
        Some((number, path)) => Argument::Descriptor(number, path),
        None => Argument::Other(text.to_owned()),
    }
}

/// Undoes `\x41`; everything else stays.
fn unhex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.strip_prefix(b"x").filter(|_| first == b'\\').and_then(|hex| hex.get(..2));
        match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"7 openat(AT_FDCWD<\x2f\x61>, "\x62", O_RDWR|O_CREAT, 0600) = 3<\x2f\x61\x2f\x62>
7 write(3<\x2f\x61\x2f\x62>, "\x68\x69\x22\x2c", 4 <unfinished ...>
8 fsync(3<\x2f\x61\x2f\x62>)        = 0
7 <... write resumed>)              = 3
8 writev(4<\x54\x43\x50>, [{iov_base="\x41", iov_len=1}, {iov_base="\x42\x43", iov_len=2}], 2) = 3
8 openat(AT_FDCWD<\x2f\x61>, "\x63", O_RDONLY) = -1 ENOENT (No such file or directory)
8 pwrite64(3<\x2f\x61\x2f\x62>, "\x41", 1, 4096) = 1
7 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---
8 read(3<\x2f\x61\x2f\x62>,  <unfinished ...>) = ?
7 +++ killed by SIGKILL +++
"#;

    #[test]
    fn reads_calls_that_end_after_others() {
        let calls = read(LOG).expect("readable");
        let names: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.began, call.ended)).collect();
        assert_eq!(
            names,
            [("openat", 0, 0), ("fsync", 2, 2), ("write", 1, 3), ("writev", 4, 4), ("pwrite64", 6, 6)]
        );
        let [open, _, write, writev, pwrite] = calls.as_slice() else { panic!("five") };
        assert_eq!(open.opened, Some("/a/b".into()));
        assert!(open.has_flag("O_CREAT") && !open.has_flag("O_TRUNC"));
        assert_eq!(open.path(0), Some("b".into()));
        assert_eq!(write.descriptor(), Some((3, &"/a/b".into())));
        assert_eq!(write.data(), Some(b"hi\"".as_slice()), "cut to what was written");
        assert_eq!(writev.data(), Some(b"ABC".as_slice()));
        assert_eq!(pwrite.number(3), Some(4096));
    }

    #[test]
    fn says_which_line_it_cannot_read() {
        assert_eq!(read("7 write(3, \"\\x41\n"), Err("line 1: not a call".into()));
    }
}
