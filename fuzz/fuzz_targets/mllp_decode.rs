//! Any bytes, in any chunks, give the same frames and the same end; a frame that is written is read again.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mllp::codec::{CodecError, MllpCodec, Trailer, encode};
use tokio_util::codec::Decoder;

const MAX_FRAME_BYTES: usize = 512;

fuzz_target!(|data: &[u8]| {
    let Some((&seed, stream)) = data.split_first() else { return };
    for trailer in [Trailer::Strict, Trailer::Lenient] {
        let whole = decode(trailer, std::iter::once(stream));
        let chunk = usize::from(seed % 7) + 1;
        assert_eq!(whole, decode(trailer, stream.chunks(chunk)));
        for frame in &whole.0 {
            assert!(frame.len() <= MAX_FRAME_BYTES);
            if let Ok(block) = encode(frame) {
                assert_eq!(decode(trailer, std::iter::once(&block[..])), (vec![frame.clone()], None));
            }
        }
    }
});

/// The frames, and what ended the stream early.
fn decode<'a>(
    trailer: Trailer,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Vec<u8>>, Option<&'static str>) {
    let mut codec = MllpCodec::new(MAX_FRAME_BYTES, trailer);
    let mut received = BytesMut::new();
    let mut frames = Vec::new();
    for chunk in chunks {
        received.extend_from_slice(chunk);
        loop {
            match codec.decode(&mut received) {
                Ok(Some(frame)) => frames.push(frame.as_bytes().to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(name(&error))),
            }
        }
    }
    loop {
        match codec.decode_eof(&mut received) {
            Ok(Some(frame)) => frames.push(frame.as_bytes().to_vec()),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(name(&error))),
        }
    }
}

fn name(error: &CodecError) -> &'static str {
    match error {
        CodecError::TooLarge { .. } => "too large",
        CodecError::TooMuchJunk { .. } => "too much junk",
        CodecError::Truncated { .. } => "truncated",
        CodecError::FramingByte { .. } => "framing byte",
        CodecError::Io(_) => "stream",
    }
}
