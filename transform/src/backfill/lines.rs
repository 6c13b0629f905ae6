//! Lines of a streamed body, gzip or not, whatever its length.

use std::{fmt, io::Write, time::Duration};

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;

use crate::error::HookError;

/// Reads a body line by line; holds one line and what came with it.
pub(super) struct Lines {
    body: Body,
    decoder: Option<Decoder>,
    buffer: BytesMut,
    /// How far `buffer` is known to have no line end.
    searched: usize,
    /// Lines given so far, blank ones too.
    number: u64,
    /// Within a line that is over the limit.
    skipping: bool,
    ended: bool,
    max_line_bytes: usize,
    timeout: Duration,
}

/// A line that is not blank. `Debug` shows its size.
#[derive(PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    /// `None` when it is over the limit.
    pub(super) text: Option<Bytes>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.text.as_ref().map(Bytes::len);
        f.debug_struct("Line").field("number", &self.number).field("bytes", &bytes).finish()
    }
}

struct Decoder {
    gzip: MultiGzDecoder<Vec<u8>>,
    taken: usize,
    given: usize,
}

impl Lines {
    pub(super) fn new(body: Body, gzip: bool, max_line_bytes: usize, timeout: Duration) -> Self {
        let decoder = gzip.then(|| Decoder { gzip: MultiGzDecoder::new(Vec::new()), taken: 0, given: 0 });
        Self {
            body,
            decoder,
            buffer: BytesMut::new(),
            searched: 0,
            number: 0,
            skipping: false,
            ended: false,
            max_line_bytes,
            timeout,
        }
    }

    /// The number of the last line that was given or passed over.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// The body ended early, paused too long, or is no gzip. What was given before stands.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, HookError> {
        loop {
            let unseen = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', unseen) {
                let mut text = self.buffer.split_to(self.searched + end + 1);
                text.truncate(text.len() - 1);
                if let Some(line) = self.line(text.freeze()) {
                    return Ok(Some(line));
                }
                continue;
            }
            self.searched = self.buffer.len();
            if self.skipping || self.buffer.len() > self.max_line_bytes {
                self.skipping = true;
                self.buffer.clear();
                self.searched = 0;
            }
            if !self.ended {
                self.fill().await?;
                continue;
            }
            if self.buffer.is_empty() && !self.skipping {
                return Ok(None);
            }
            let last = self.buffer.split().freeze();
            return Ok(self.line(last));
        }
    }

    /// Counts a line; blank ones are passed over.
    fn line(&mut self, text: Bytes) -> Option<Line> {
        self.searched = 0;
        self.number += 1;
        let too_long = std::mem::take(&mut self.skipping) || text.len() > self.max_line_bytes;
        if too_long {
            return Some(Line { number: self.number, text: None });
        }
        let blank = text.iter().all(u8::is_ascii_whitespace);
        (!blank).then_some(Line { number: self.number, text: Some(text) })
    }

    /// Reads on until there is something new, or the end.
    async fn fill(&mut self) -> Result<(), HookError> {
        let frame = tokio::time::timeout(self.timeout, self.body.frame()).await;
        match frame.map_err(|_| HookError::BodyTimeout)? {
            None => {
                self.ended = true;
                if let Some(decoder) = &mut self.decoder {
                    decoder.gzip.try_finish().map_err(|_| HookError::BodyCutOff)?;
                    self.buffer.extend_from_slice(&std::mem::take(decoder.gzip.get_mut()));
                }
            }
            Some(Err(_)) => return Err(HookError::BodyCutOff),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { return Ok(()) };
                match &mut self.decoder {
                    None => self.buffer.extend_from_slice(&data),
                    Some(decoder) => decoder.decode(data, &mut self.buffer)?,
                }
            }
        }
        Ok(())
    }
}

impl Decoder {
    /// In small steps: a little of a gzip bomb is a lot.
    fn decode(&mut self, mut data: Bytes, buffer: &mut BytesMut) -> Result<(), HookError> {
        while data.has_remaining() {
            let step = data.split_to(data.len().min(STEP));
            self.gzip.write_all(&step).map_err(|_| HookError::ContentEncoding)?;
            let plain = std::mem::take(self.gzip.get_mut());
            self.taken = self.taken.saturating_add(step.len());
            self.given = self.given.saturating_add(plain.len());
            if self.given > self.taken.saturating_mul(MOST_RATIO).saturating_add(SLACK) {
                return Err(HookError::BodyTooLarge { limit: self.taken.saturating_mul(MOST_RATIO) });
            }
            buffer.extend_from_slice(&plain);
        }
        Ok(())
    }
}

const STEP: usize = 4096;
/// Lines of Patients shrink to a tenth or a fiftieth; gzip itself ends at a thousand.
const MOST_RATIO: usize = 200;
const SLACK: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&'static [u8]], gzip: bool, limit: usize) -> Lines {
        let chunks: Vec<_> =
            chunks.iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk))).collect();
        Lines::new(Body::from_stream(futures::stream::iter(chunks)), gzip, limit, Duration::from_secs(1))
    }

    async fn all(mut lines: Lines) -> Vec<(u64, Option<String>)> {
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push((line.number, line.text.map(|text| String::from_utf8(text.to_vec()).unwrap())));
        }
        all
    }

    fn some(number: u64, text: &str) -> (u64, Option<String>) {
        (number, Some(text.to_owned()))
    }

    #[tokio::test]
    async fn any_chunks_give_the_same_lines() {
        let expected = vec![some(1, "{\"a\":1}"), some(3, "b\r"), some(4, "c")];
        let text = b"{\"a\":1}\n\nb\r\nc";
        assert_eq!(all(lines(&[text], false, 100)).await, expected);
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(all(lines(&single, false, 100)).await, expected);
        assert_eq!(all(lines(&[], false, 100)).await, vec![]);
        assert_eq!(all(lines(&[b"\n \n"], false, 100)).await, vec![]);
    }

    #[tokio::test]
    async fn a_line_over_the_limit_is_told_and_not_kept() {
        let expected = vec![some(1, "12345"), (2, None), some(3, "x"), (4, None)];
        let text = b"12345\n123456789012345\nx\n123456";
        assert_eq!(all(lines(&[text], false, 5)).await, expected);
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(all(lines(&single, false, 5)).await, expected);
    }

    fn gzip(text: &[u8]) -> &'static [u8] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().leak()
    }

    #[tokio::test]
    async fn reads_gzip_of_several_members() {
        let (one, two) = (gzip(b"a\nb"), gzip(b"c\nd\n"));
        let chunks: Vec<&'static [u8]> = one.chunks(3).chain(two.chunks(5)).collect();
        assert_eq!(all(lines(&chunks, true, 10)).await, vec![some(1, "a"), some(2, "bc"), some(3, "d")]);
    }

    #[tokio::test]
    async fn refuses_a_bomb_and_what_is_no_gzip() {
        let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
        let mut lines_of_bomb = lines(&[bomb], true, 1024);
        assert!(matches!(lines_of_bomb.next().await, Err(HookError::BodyTooLarge { .. })));
        assert!(lines(&[b"plain\n"], true, 1024).next().await.is_err());
        let cut = &gzip(b"a\nb\nc\n")[..12];
        let mut cut = lines(&[cut], true, 1024);
        while let Ok(Some(_)) = cut.next().await {}
        assert!(matches!(cut.next().await, Err(HookError::BodyCutOff) | Ok(None)), "told once");
    }
}
