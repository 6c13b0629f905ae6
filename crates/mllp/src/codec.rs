//! The MLLP block: `0x0B payload 0x1C 0x0D` (HL7 v2 transport specification, MLLP release 1).
//!
//! | On the wire | What the decoder does |
//! |---|---|
//! | bytes before `0x0B` | skipped; all but padding (NUL, CR, LF, space) count as junk, with a cap |
//! | missing `0x0B` | the text is junk: it is never joined to another message |
//! | `0x0B` inside a block | resynchronise: the unfinished block is dropped, a new one starts |
//! | `0x1C 0x0D` | end of the block |
//! | `0x1C` and then LF, NUL, `0x0B` or the end of the stream | [`Trailer::Lenient`]: end of the block |
//! | `0x1C` and then silence | [`Trailer::Lenient`]: the reader ends the block after a short wait |
//! | `0x1C` and then any other byte | part of the payload |
//! | `0x0B 0x1C 0x0D` | a frame of zero bytes |
//!
//! Any split of the same bytes gives the same frames; each byte is looked at once.

use std::fmt;
use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// First byte of a block (VT).
pub const START_BLOCK: u8 = 0x0B;
/// Byte that ends the payload (FS); a carriage return follows.
pub const END_BLOCK: u8 = 0x1C;
/// Last byte of a block (CR).
pub const CARRIAGE_RETURN: u8 = 0x0D;
/// Default for [`MllpCodec::new`]: 16 MiB.
pub const DEFAULT_MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;
/// Junk a peer may send between two frames before it is given up: 4 KiB.
pub const MAX_JUNK_BYTES: usize = 4096;

/// The payload of one block. `Debug` prints its size only: the bytes are patient data.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// Wraps a payload, without the framing bytes.
    pub fn new(payload: impl Into<Bytes>) -> Self {
        Self(payload.into())
    }

    /// The payload.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The payload, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Payload size in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for `0x0B 0x1C 0x0D`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.0.len())
    }
}

/// Which ends of a block are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trailer {
    /// Only `0x1C 0x0D`.
    Strict,
    /// Also `0x1C` alone, `0x1C 0x0A` and `0x1C 0x0D 0x0A`; see the table of the module.
    #[default]
    Lenient,
}

/// Why a stream of bytes cannot be read as MLLP, or a payload cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A block grew past the limit. The rest of the stream cannot be used.
    #[error("a frame is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was passed.
        limit_bytes: usize,
    },
    /// The peer sends something that is not MLLP. The stream is to be closed.
    #[error("more than {limit_bytes} bytes that are not MLLP")]
    TooMuchJunk {
        /// The limit that was passed.
        limit_bytes: usize,
    },
    /// The stream ended inside a block: the message was never complete.
    #[error("the stream ended inside a frame, after {received_bytes} bytes")]
    Truncated {
        /// Payload bytes that had arrived.
        received_bytes: usize,
    },
    /// A payload to be written holds `0x0B` or `0x1C`. The message is to be refused.
    #[error("the payload holds a framing byte at offset {offset}")]
    FramingByte {
        /// Where, counted in bytes from zero.
        offset: usize,
    },
    /// The stream itself failed.
    #[error("the stream failed")]
    Io(#[from] io::Error),
}

/// What a decoder saw besides good frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CodecCounts {
    /// Bytes outside blocks that are not padding.
    pub junk_bytes: u64,
    /// Blocks dropped because another one started inside them.
    pub resyncs: u64,
    /// Frames taken although their trailer was not `0x1C 0x0D`.
    pub odd_trailers: u64,
}

/// Decoder and encoder of MLLP blocks, with a bound on each frame.
#[derive(Debug)]
pub struct MllpCodec {
    max_frame_bytes: usize,
    trailer: Trailer,
    inside: bool,
    /// Bytes of the unfinished payload that need no second look.
    scanned: usize,
    /// Junk since the last frame.
    junk: usize,
    counts: CodecCounts,
}

impl MllpCodec {
    /// A codec that refuses payloads of more than `max_frame_bytes`.
    pub fn new(max_frame_bytes: usize, trailer: Trailer) -> Self {
        Self { max_frame_bytes, trailer, inside: false, scanned: 0, junk: 0, counts: CodecCounts::default() }
    }

    /// True while a block has begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.inside
    }

    /// What was seen besides good frames.
    pub fn counts(&self) -> CodecCounts {
        self.counts
    }

    /// True when everything up to `0x1C` has arrived and only the next byte, or its absence, can tell whether that
    /// was the end. Never under [`Trailer::Strict`].
    pub fn awaits_trailer(&self, source: &[u8]) -> bool {
        self.trailer == Trailer::Lenient
            && self.inside
            && self.scanned.checked_add(1) == Some(source.len())
            && source.last() == Some(&END_BLOCK)
    }

    /// Ends the block at a final `0x1C` whose carriage return never came. For a reader that has waited long
    /// enough; `None` under [`Trailer::Strict`] and when the block is not at that point.
    pub fn take_without_trailer(&mut self, source: &mut BytesMut) -> Option<Frame> {
        self.awaits_trailer(source).then(|| {
            self.counts.odd_trailers += 1;
            self.take(source, self.scanned, 1)
        })
    }

    fn find_start(&mut self, source: &mut BytesMut) -> Result<bool, CodecError> {
        let start = memchr::memchr(START_BLOCK, source);
        let outside = source.get(..start.unwrap_or(source.len())).unwrap_or_default();
        let junk = outside.iter().filter(|byte| !is_padding(**byte)).count();
        self.junk = self.junk.saturating_add(junk);
        self.counts.junk_bytes += junk as u64;
        if self.junk > MAX_JUNK_BYTES {
            source.clear();
            return Err(CodecError::TooMuchJunk { limit_bytes: MAX_JUNK_BYTES });
        }
        let Some(start) = start else {
            source.clear();
            return Ok(false);
        };
        source.advance(start + 1);
        self.junk = 0;
        self.inside = true;
        self.scanned = 0;
        Ok(true)
    }

    fn check_size(&self, payload_bytes: usize) -> Result<(), CodecError> {
        if payload_bytes > self.max_frame_bytes {
            return Err(CodecError::TooLarge { limit_bytes: self.max_frame_bytes });
        }
        Ok(())
    }

    fn take(&mut self, source: &mut BytesMut, end: usize, trailer_bytes: usize) -> Frame {
        let payload = source.split_to(end).freeze();
        source.advance(trailer_bytes);
        self.inside = false;
        self.scanned = 0;
        Frame(payload)
    }
}

impl Decoder for MllpCodec {
    type Item = Frame;
    type Error = CodecError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        if !self.inside && !self.find_start(source)? {
            return Ok(None);
        }
        loop {
            let window = source.get(self.scanned..).unwrap_or_default();
            let Some(offset) = memchr::memchr2(START_BLOCK, END_BLOCK, window) else {
                self.scanned = source.len();
                self.check_size(source.len())?;
                return Ok(None);
            };
            let at = self.scanned + offset;
            self.check_size(at)?;
            if source.get(at) == Some(&START_BLOCK) {
                self.counts.resyncs += 1;
                source.advance(at + 1);
                self.scanned = 0;
                continue;
            }
            match source.get(at + 1).copied() {
                None => {
                    self.scanned = at;
                    return Ok(None);
                }
                Some(CARRIAGE_RETURN) => return Ok(Some(self.take(source, at, 2))),
                Some(b'\n' | 0 | START_BLOCK) if self.trailer == Trailer::Lenient => {
                    self.counts.odd_trailers += 1;
                    return Ok(Some(self.take(source, at, 1)));
                }
                Some(_) => self.scanned = at + 1,
            }
        }
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        if let Some(frame) = self.decode(source)? {
            return Ok(Some(frame));
        }
        if let Some(frame) = self.take_without_trailer(source) {
            return Ok(Some(frame));
        }
        if self.inside {
            self.inside = false;
            return Err(CodecError::Truncated { received_bytes: source.len() });
        }
        Ok(None)
    }
}

impl Encoder<&[u8]> for MllpCodec {
    type Error = CodecError;

    fn encode(&mut self, payload: &[u8], target: &mut BytesMut) -> Result<(), CodecError> {
        self.check_size(payload.len())?;
        put_block(payload, target)
    }
}

/// One block in one buffer, so that it leaves in one write.
///
/// # Errors
/// [`CodecError::FramingByte`] when the payload could not be told from framing.
pub fn encode(payload: &[u8]) -> Result<Bytes, CodecError> {
    let mut block = BytesMut::new();
    put_block(payload, &mut block)?;
    Ok(block.freeze())
}

fn put_block(payload: &[u8], target: &mut BytesMut) -> Result<(), CodecError> {
    if let Some(offset) = memchr::memchr2(START_BLOCK, END_BLOCK, payload) {
        return Err(CodecError::FramingByte { offset });
    }
    target.reserve(payload.len() + 3);
    target.put_u8(START_BLOCK);
    target.put_slice(payload);
    target.put_slice(&[END_BLOCK, CARRIAGE_RETURN]);
    Ok(())
}

fn is_padding(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n' | b' ')
}

#[cfg(test)]
mod tests;
