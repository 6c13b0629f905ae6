//! What reading MLLP costs, beside one look at the same bytes: `cargo bench -p mllp`.
//!
//! The unit is `memchr2` for the two framing bytes over what is decoded. Decoding also copies what was read into its
//! buffer, as the reader of a connection does, and lets go of each frame. Rounds alternate and medians count; time is
//! what the thread runs. `docs/explanation/performance.md` has the results.
#![expect(clippy::expect_used, reason = "a benchmark may stop where it stands")]
#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::hint::black_box;

use bytes::BytesMut;
use mllp::codec::{self, DEFAULT_MAX_FRAME_BYTES, END_BLOCK, MllpCodec, START_BLOCK, Trailer};
use tokio_util::codec::Decoder as _;
use turns::medians;

/// Frames of one read, where there are many.
const MANY: usize = 64;

fn main() {
    // `cargo test` runs benchmarks too, and wants to know only that they run.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let block = codec::encode(message(1024).as_bytes()).expect("a block");
    let many = block.repeat(MANY);
    let long = codec::encode(message(1024 * 1024).as_bytes()).expect("a block");
    let look = |bytes: &[u8]| {
        black_box(memchr::memchr2_iter(START_BLOCK, END_BLOCK, black_box(bytes)).count());
    };
    // The next place of each call, so that all have their turn.
    let place = std::cell::Cell::new(0);
    let split = || {
        place.set(place.get() % (block.len() - 1) + 1);
        let (begin, end) = block.split_at(place.get());
        assert_eq!(decode([begin, end].into_iter()), 1);
    };
    let whole = |bytes: &[u8], frames: usize| assert_eq!(decode([bytes].into_iter()), frames);
    let rows: [Row<'_>; 5] = [
        Row { name: "a frame in one read", bytes: &block, frames: 1, decode: &|| whole(&block, 1) },
        Row {
            name: "a frame in two reads, split at every place in turn",
            bytes: &block,
            frames: 1,
            decode: &split,
        },
        Row {
            name: "a frame byte by byte",
            bytes: &block,
            frames: 1,
            decode: &|| assert_eq!(decode(block.chunks(1)), 1),
        },
        Row { name: "64 frames in one read", bytes: &many, frames: MANY, decode: &|| whole(&many, MANY) },
        Row {
            name: "a frame of 1 MiB in reads of 4 KiB",
            bytes: &long,
            frames: 1,
            decode: &|| assert_eq!(decode(long.chunks(4096)), 1),
        },
    ];
    if !measured {
        rows.iter().for_each(|row| (row.decode)());
        return;
    }
    println!(
        "| decoding | ns per frame | MB/s | memchr2 | time / memchr2 |\n| --- | --- | --- | --- | --- |"
    );
    for row in rows {
        let [unit, time] = medians(&[&|| look(row.bytes), row.decode]);
        let rate = |time: f64| row.bytes.len() as f64 / time / 1e6;
        println!(
            "| {}, {} bytes | {:.0} | {:.0} | {:.0} | {:.1} |",
            row.name,
            row.bytes.len(),
            time * 1e9 / row.frames as f64,
            rate(time),
            rate(unit),
            time / unit
        );
    }
}

struct Row<'a> {
    name: &'a str,
    bytes: &'a [u8],
    frames: usize,
    decode: &'a dyn Fn(),
}

/// Segments of text, about so many bytes.
fn message(bytes: usize) -> String {
    let segment = "NTE|1|L|A line of text as long as those of an ordinary message are, more or less\r";
    let header = "MSH|^~\\&|A|B|C|D|20240101120000||ADT^A31^ADT_A05|1|P|2.5\r";
    format!("{header}{}", segment.repeat(bytes.saturating_sub(header.len()) / segment.len()))
}

/// As the reader of a connection does: what was read goes into the buffer, then every frame is taken out.
fn decode<'a>(reads: impl Iterator<Item = &'a [u8]>) -> usize {
    let mut codec = MllpCodec::new(DEFAULT_MAX_FRAME_BYTES, Trailer::Lenient);
    let (mut buffer, mut frames) = (BytesMut::new(), 0);
    for read in reads {
        buffer.extend_from_slice(read);
        while let Some(frame) = codec.decode(&mut buffer).expect("frames") {
            black_box(frame.as_bytes());
            frames += 1;
        }
    }
    frames
}
