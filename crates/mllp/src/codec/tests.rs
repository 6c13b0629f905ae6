#![expect(clippy::indexing_slicing, reason = "a panic is a failed test")]

use proptest::prelude::*;

use super::*;

/// Feeds the pieces one after the other, then the end of the stream.
fn run(pieces: &[&[u8]], max: usize, trailer: Trailer) -> (Vec<Vec<u8>>, Option<String>) {
    let mut codec = MllpCodec::new(max, trailer);
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame.as_bytes().to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error.to_string())),
            }
        }
    }
    loop {
        match codec.decode_eof(&mut buffer) {
            Ok(Some(frame)) => frames.push(frame.as_bytes().to_vec()),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error.to_string())),
        }
    }
}

/// Name, bytes on the wire, trailer, payloads.
type Case = (&'static str, &'static [u8], Trailer, &'static [&'static [u8]]);

/// Every row of the table in the module's header, then some.
#[test]
fn tolerates_what_the_table_says() {
    use Trailer::{Lenient, Strict};
    let cases: &[Case] = &[
        ("one frame", b"\x0bA\x1c\r", Strict, &[b"A"]),
        ("missing start", b"A\x1c\r\x0bB\x1c\r", Lenient, &[b"B"]),
        ("junk before", b"junk\x0bA\x1c\r", Lenient, &[b"A"]),
        ("start twice", b"\x0bA\x0bB\x1c\r", Lenient, &[b"B"]),
        ("missing end merges nothing", b"\x0bA\r\x0bB\x1c\r", Lenient, &[b"B"]),
        ("missing return at the end", b"\x0bA\x1c", Lenient, &[b"A"]),
        ("missing return before the next", b"\x0bA\x1c\x0bB\x1c\r", Lenient, &[b"A", b"B"]),
        ("line feed", b"\x0bA\x1c\n\x0bB\x1c\r", Lenient, &[b"A", b"B"]),
        ("return and line feed", b"\x0bA\x1c\r\n\x0bB\x1c\r\n", Lenient, &[b"A", b"B"]),
        ("return and line feed, strict", b"\x0bA\x1c\r\n\x0bB\x1c\r\n", Strict, &[b"A", b"B"]),
        ("nul between", b"\0\0\x0bA\x1c\r\0\0\x0bB\x1c\r\0", Strict, &[b"A", b"B"]),
        ("nul as trailer", b"\x0bA\x1c\0\x0bB\x1c\r", Lenient, &[b"A", b"B"]),
        ("end byte in the payload", b"\x0bA\x1cB\x1c\r", Lenient, &[b"A\x1cB"]),
        ("end byte twice", b"\x0bA\x1c\x1c\r", Lenient, &[b"A\x1c"]),
        ("line feed, strict", b"\x0bA\x1c\nB\x1c\r", Strict, &[b"A\x1c\nB"]),
        ("empty", b"\x0b\x1c\r\x0bA\x1c\r", Strict, &[b"", b"A"]),
        ("nothing", b"", Strict, &[]),
    ];
    for (name, bytes, trailer, expected) in cases {
        let whole = run(&[bytes], 64, *trailer);
        assert_eq!(
            (whole.0.iter().map(Vec::as_slice).collect::<Vec<_>>(), None),
            (expected.to_vec(), whole.1),
            "{name}"
        );
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(run(&single, 64, *trailer).0, run(&[bytes], 64, *trailer).0, "{name}, byte by byte");
    }
}

#[test]
fn a_hundred_frames_in_one_packet() {
    let packet = b"\x0bMSH|\x1c\r".repeat(100);
    assert_eq!(run(&[&packet], 64, Trailer::Strict).0.len(), 100);
}

#[test]
fn an_unfinished_frame_is_an_error_at_the_end() {
    let (frames, error) = run(&[b"\x0bABC"], 64, Trailer::Lenient);
    assert!(frames.is_empty());
    assert_eq!(error.as_deref(), Some("the stream ended inside a frame, after 3 bytes"));
    assert!(run(&[b"\x0bA\x1c"], 64, Trailer::Strict).1.is_some(), "strict wants the carriage return");
}

#[test]
fn the_limit_is_exact_and_does_not_wait_for_the_end() {
    assert_eq!(run(&[b"\x0b12345678\x1c\r"], 8, Trailer::Strict), (vec![b"12345678".to_vec()], None));
    let error = Some("a frame is larger than 8 bytes".to_owned());
    assert_eq!(run(&[b"\x0b123456789"], 8, Trailer::Strict), (vec![], error.clone()));
    assert_eq!(run(&[b"\x0b123456789\x1c\r"], 8, Trailer::Strict), (vec![], error));
}

#[test]
fn junk_has_a_cap_and_padding_has_none() {
    let junk = vec![b'x'; MAX_JUNK_BYTES + 1];
    assert!(run(&[&junk], 8, Trailer::Strict).1.is_some());
    let mut padded = vec![0; MAX_JUNK_BYTES * 2];
    padded.extend_from_slice(b"\x0bA\x1c\r");
    assert_eq!(run(&[&padded], 8, Trailer::Strict), (vec![b"A".to_vec()], None));
}

#[test]
fn a_quiet_peer_without_carriage_return_is_understood() {
    let mut codec = MllpCodec::new(64, Trailer::Lenient);
    let mut buffer = BytesMut::from(&b"\x0bA\x1c"[..]);
    assert!(codec.decode(&mut buffer).unwrap().is_none());
    assert!(codec.awaits_trailer(&buffer));
    assert_eq!(codec.take_without_trailer(&mut buffer), Some(Frame::new("A")));
    buffer.extend_from_slice(b"\r\x0bB\x1c\r");
    assert_eq!(codec.decode(&mut buffer).unwrap(), Some(Frame::new("B")), "the late return is padding");
    assert_eq!(codec.counts(), CodecCounts { odd_trailers: 1, ..CodecCounts::default() });
}

#[test]
fn refuses_to_write_framing_bytes() {
    assert!(matches!(encode(b"A\x1cB"), Err(CodecError::FramingByte { offset: 1 })));
    assert!(matches!(encode(b"\x0b"), Err(CodecError::FramingByte { offset: 0 })));
    assert_eq!(&encode(b"A").unwrap()[..], b"\x0bA\x1c\r");
}

#[test]
fn debug_tells_no_content() {
    assert_eq!(format!("{:?}", Frame::new("PID|1||SECRET")), "Frame(13 bytes)");
}

#[test]
fn one_mebibyte_byte_by_byte_is_linear() {
    let started = std::time::Instant::now();
    let mut codec = MllpCodec::new(DEFAULT_MAX_FRAME_BYTES, Trailer::Lenient);
    let mut buffer = BytesMut::from(&[START_BLOCK][..]);
    for _ in 0..1024 * 1024 {
        buffer.extend_from_slice(b"x");
        assert!(codec.decode(&mut buffer).unwrap().is_none());
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "took {:?}", started.elapsed());
}

/// Bytes that often look like framing.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => Just(START_BLOCK), 3 => Just(END_BLOCK), 3 => Just(CARRIAGE_RETURN),
        1 => Just(b'\n'), 1 => Just(0u8), 6 => any::<u8>(),
    ];
    proptest::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        bytes in stream(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        lenient in any::<bool>(),
        max in 1usize..60,
    ) {
        let trailer = if lenient { Trailer::Lenient } else { Trailer::Strict };
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(run(&pieces, max, trailer), run(&[&bytes], max, trailer));
    }

    #[test]
    fn what_is_written_is_read_back(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        match encode(&payload) {
            Ok(block) => prop_assert_eq!(run(&[&block], 300, Trailer::Strict), (vec![payload], None)),
            Err(_) => prop_assert!(payload.contains(&START_BLOCK) || payload.contains(&END_BLOCK)),
        }
    }
}
