use mllp::ServerConfig;
use test_hl7_server::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::sut::{adt, codes, exchange, frame, start, start_with};

#[tokio::test]
async fn a_frame_over_the_limit_is_rejected_and_the_connection_closed() {
    let limits = ServerConfig { max_frame_bytes: 4096, ..ServerConfig::default() };
    let sut = start_with(Config { limits, ..Config::default() }).await;
    let mut raw = sut.raw().await;
    let endless = [b"\x0bMSH|^~\\&|".as_slice(), &[b'x'; 100_000]].concat();
    raw.write_all(&endless).await.unwrap();
    assert_eq!(codes(&frame(&mut raw).await), "AR 207");
    let mut rest = Vec::new();
    drop(raw.read_to_end(&mut rest).await);
    assert!(rest.is_empty());
    assert_eq!(sut.send(adt("C1", "A28", "p-1", "2024")).await, "AA", "others are served");
}

/// Every cut of a message: the server never stores part of one.
#[tokio::test]
async fn part_of_a_message_is_never_stored() {
    let sut = start().await;
    let block = [b"\x0b", adt("C1", "A28", "p-1", "2024").as_bytes(), b"\x1c\r"].concat();
    // Without its carriage return the block is complete already.
    for cut in 0..block.len() - 2 {
        let mut raw = sut.raw().await;
        raw.write_all(block.get(..cut).unwrap()).await.unwrap();
        raw.shutdown().await.unwrap();
        let mut reply = Vec::new();
        raw.read_to_end(&mut reply).await.unwrap();
        assert!(reply.is_empty(), "cut at {cut}");
    }
    assert_eq!(sut.received().await, 0);
}

#[tokio::test]
async fn framing_mistakes_never_merge_two_messages() {
    let sut = start().await;
    let (first, second) = (adt("C1", "A28", "p-1", "2024"), adt("C2", "A28", "p-2", "2024"));
    let mut raw = sut.raw().await;
    let unfinished = format!("{first}\x0b{second}");
    assert_eq!(codes(&exchange(&mut raw, unfinished.as_bytes()).await), "AA");
    assert_eq!((sut.current("p-1").await, sut.current("p-2").await), (None, Some(second)));
    raw.write_all(format!("\0\r\n\x0b{first}\x1c\n").as_bytes()).await.unwrap();
    assert_eq!(codes(&frame(&mut raw).await), "AA");
    assert_eq!(sut.current("p-1").await, Some(first));
}

#[tokio::test]
async fn an_empty_frame_is_answered() {
    let sut = start().await;
    let mut raw = sut.raw().await;
    assert_eq!(codes(&exchange(&mut raw, b"").await), "AR 100");
    assert_eq!(codes(&exchange(&mut raw, &[0xff; 300]).await), "AR 100");
}

/// A reduced form of a thousand connections that hold their places: silent, trickling, or half a frame.
#[tokio::test]
async fn slow_connections_do_not_keep_a_sender_from_its_reply() {
    let limits = ServerConfig { max_connections: 16, ..ServerConfig::default() };
    let sut = start_with(Config { limits, ..Config::default() }).await;
    let mut sender = sut.raw().await;
    assert_eq!(codes(&exchange(&mut sender, adt("C0", "A28", "p-0", "2024").as_bytes()).await), "AA");
    let mut slow = Vec::new();
    for number in 0..60 {
        let mut raw = sut.raw().await;
        let start: &[u8] = match number % 3 {
            0 => b"",
            1 => b"\x0b",
            _ => b"\x0bMSH|^~\\&|",
        };
        raw.write_all(start).await.unwrap();
        slow.push(raw);
    }
    for number in 1..20 {
        let message = adt(&format!("C{number}"), "A31", "p-0", "2024");
        assert_eq!(codes(&exchange(&mut sender, message.as_bytes()).await), "AA");
    }
    assert_eq!(sut.received().await, 20);
}
