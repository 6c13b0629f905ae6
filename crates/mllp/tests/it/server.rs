use std::time::Duration;

use mllp::server::Count;
use mllp::{ClientTlsConfig, Limits};
use tokio::io::AsyncWriteExt as _;

use crate::listener::{LIMITS, connector, exchange, rest, start, start_gated};

#[tokio::test]
async fn answers_each_frame_in_order_also_when_several_come_at_once() {
    let server = start(LIMITS, None).await;
    let mut raw = server.raw().await;
    let replies = exchange(&mut raw, b"\x0b1\x1c\r\x0b2\x1c\r\r\n\x0b3\x1c\r", 24).await;
    assert_eq!(replies, b"\x0back:1\x1c\r\x0back:2\x1c\r\x0back:3\x1c\r");
}

#[tokio::test]
async fn answers_a_frame_that_comes_byte_by_byte_and_one_without_carriage_return() {
    let server = start(LIMITS, None).await;
    let mut raw = server.raw().await;
    raw.set_nodelay(true).unwrap();
    for byte in b"\x0bA\x1c" {
        raw.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(exchange(&mut raw, b"", 8).await, b"\x0back:A\x1c\r", "no carriage return had come");
}

#[tokio::test]
async fn a_peer_that_half_closes_still_gets_its_reply() {
    let server = start(LIMITS, None).await;
    let mut raw = server.raw().await;
    raw.write_all(b"\x0bA\x1c\r").await.unwrap();
    raw.shutdown().await.unwrap();
    assert_eq!(rest(&mut raw).await, b"\x0back:A\x1c\r");
}

#[tokio::test]
async fn a_handler_may_say_nothing_or_more_than_one_thing() {
    let server = start(LIMITS, None).await;
    let mut raw = server.raw().await;
    let replies = exchange(&mut raw, b"\x0bsilence\x1c\r\x0btwice\x1c\r", 17).await;
    assert_eq!(replies, b"\x0bfirst\x1c\r\x0bsecond\x1c\r");
}

#[tokio::test]
async fn closes_when_the_handler_wishes() {
    let server = start(LIMITS, None).await;
    let mut raw = server.raw().await;
    raw.write_all(b"\x0blast\x1c\r\x0bnever\x1c\r").await.unwrap();
    assert_eq!(rest(&mut raw).await, b"\x0back:last\x1c\r");
    let mut raw = server.raw().await;
    raw.write_all(b"\x0bclose\x1c\r").await.unwrap();
    assert_eq!(rest(&mut raw).await, b"");
}

#[tokio::test]
async fn an_endless_frame_gets_a_last_word_and_the_door() {
    let server = start(LIMITS, None).await;
    let mut raw = server.raw().await;
    raw.write_all(b"\x0b").await.unwrap();
    // More than the limit, and more than one read: the last word must survive the unread rest.
    raw.write_all(&[b'x'; 64 * 1024]).await.unwrap();
    raw.shutdown().await.unwrap();
    assert_eq!(rest(&mut raw).await, b"\x0btoo large\x1c\r");
    server.counted(Count::TooLarge, 1).await;
}

#[tokio::test]
async fn junk_and_half_frames_touch_only_their_own_connection() {
    let server = start(LIMITS, None).await;
    let mut good = server.raw().await;
    exchange(&mut good, b"\x0bA\x1c\r", 8).await;
    let mut junk = server.raw().await;
    junk.write_all(&[b'j'; 8192]).await.unwrap();
    assert_eq!(rest(&mut junk).await, b"");
    let mut half = server.raw().await;
    half.write_all(b"\x0bhalf").await.unwrap();
    half.shutdown().await.unwrap();
    assert_eq!(rest(&mut half).await, b"");
    server.counted(Count::Junk, 1).await;
    server.counted(Count::Truncated, 1).await;
    assert_eq!(exchange(&mut good, b"\x0bB\x1c\r", 8).await, b"\x0back:B\x1c\r");
    assert_eq!(server.statistics.get(Count::Frame), 2, "{:?}", server.statistics);
}

#[tokio::test]
async fn a_connection_without_bytes_is_a_probe() {
    let server = start(LIMITS, None).await;
    drop(server.raw().await);
    server.counted(Count::Probe, 1).await;
    assert_eq!(server.statistics.get(Count::Truncated), 0);
}

#[tokio::test]
async fn silence_and_slow_frames_have_an_end() {
    let limits = Limits {
        idle: Duration::from_millis(80),
        between_bytes: Duration::from_millis(60),
        frame: Duration::from_millis(150),
        ..LIMITS
    };
    let server = start(limits, None).await;
    let mut silent = server.raw().await;
    assert_eq!(rest(&mut silent).await, b"");
    server.counted(Count::Idle, 1).await;
    let mut stalled = server.raw().await;
    stalled.write_all(b"\x0bst").await.unwrap();
    assert_eq!(rest(&mut stalled).await, b"");
    server.counted(Count::Slow, 1).await;
    // Never silent for long, but too slow as a whole.
    let (_, mut dribble) = server.raw().await.into_split();
    dribble.write_all(b"\x0b").await.unwrap();
    let dribbling = async {
        while dribble.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), dribbling).await.expect("the server gives up");
    server.counted(Count::Slow, 2).await;
}

/// Many peers that hold their connections, silent or trickling, against eight places.
#[tokio::test]
async fn slow_peers_do_not_lock_out_a_working_one() {
    let server = start(LIMITS, None).await;
    let mut working = server.raw().await;
    exchange(&mut working, b"\x0bA\x1c\r", 8).await;
    let mut slow = Vec::new();
    for number in 0..20 {
        let mut raw = server.raw().await;
        if number % 2 == 0 {
            raw.write_all(b"\x0bs").await.unwrap();
        }
        slow.push(raw);
    }
    assert_eq!(exchange(&mut working, b"\x0bB\x1c\r", 8).await, b"\x0back:B\x1c\r");
    server.counted(Count::Evicted, 8).await;
    assert_eq!(exchange(&mut working, b"\x0bC\x1c\r", 8).await, b"\x0back:C\x1c\r", "never evicted");
    // All the slow ones have to go before this one's turn comes.
    let mut late = server.raw().await;
    assert_eq!(exchange(&mut late, b"\x0bD\x1c\r", 8).await, b"\x0back:D\x1c\r");
}

#[tokio::test]
async fn shutdown_waits_for_the_reply_and_then_closes() {
    let server = start_gated(LIMITS, None, 0).await;
    let mut client = connector(&server.address, ClientTlsConfig::default()).connect().await.unwrap();
    client.send(b"in flight").await.unwrap();
    server.counted(Count::Frame, 1).await;
    let mut begun = server.raw().await;
    begun.write_all(b"\x0bbeg").await.unwrap();
    let mut idle = server.raw().await;
    server.counted(Count::Connection, 3).await;

    server.shutdown.cancel();
    assert_eq!(rest(&mut idle).await, b"", "an idle connection is closed at once");
    begun.write_all(b"un\x1c\r").await.unwrap();
    server.counted(Count::Frame, 2).await;
    assert!(!server.served.is_finished());
    server.handler.gate.add_permits(2);
    assert_eq!(client.receive().await.unwrap().as_bytes(), b"ack:in flight");
    assert_eq!(rest(&mut begun).await, b"\x0back:begun\x1c\r");
    tokio::time::timeout(Duration::from_secs(10), server.served).await.expect("an end").unwrap();
    assert!(tokio::net::TcpStream::connect(&server.address).await.is_err(), "the port is free");
}
