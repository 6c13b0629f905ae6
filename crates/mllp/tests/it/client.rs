use std::time::Duration;

use mllp::client::{Idle, Timeouts};
use mllp::{ClientTlsConfig, Connection, Connector, MllpError};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::listener::{LIMITS, connector, start};

/// A connection of ours and the other end of it, to be played by hand.
async fn pair() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = plain(&listener.local_addr().unwrap().to_string());
    let (connected, accepted) = tokio::join!(ours.connect(), listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}

fn plain(address: &str) -> Connector {
    let connector = connector(address, ClientTlsConfig::default());
    let timeouts = Timeouts { acknowledgment: Duration::from_secs(5), ..connector.timeouts() };
    connector.with_timeouts(timeouts)
}

#[tokio::test]
async fn sends_a_frame_in_one_piece_and_reads_the_reply() {
    let (mut ours, mut theirs) = pair().await;
    ours.send(b"MSH|...").await.unwrap();
    let mut seen = [0; 64];
    let count = theirs.read(&mut seen).await.unwrap();
    assert_eq!(seen.get(..count), Some(&b"\x0bMSH|...\x1c\r"[..]));
    theirs.write_all(b"\x0bMSA|AA\x1c\r").await.unwrap();
    assert_eq!(ours.receive().await.unwrap().as_bytes(), b"MSA|AA");
}

/// Every split of a reply in two, and two replies in one packet.
#[tokio::test]
async fn reads_a_reply_however_it_is_split() {
    let wire = b"junk\x0bMSA|AA|1\x1c\r\x0bMSA|AA|2\x1c\r";
    for cut in 0..wire.len() {
        let (mut ours, mut theirs) = pair().await;
        theirs.set_nodelay(true).unwrap();
        let (first, second) = wire.split_at(cut);
        theirs.write_all(first).await.unwrap();
        tokio::task::yield_now().await;
        theirs.write_all(second).await.unwrap();
        assert_eq!(ours.receive().await.unwrap().as_bytes(), b"MSA|AA|1", "cut at {cut}");
        assert_eq!(ours.receive().await.unwrap().as_bytes(), b"MSA|AA|2", "cut at {cut}");
    }
}

#[tokio::test]
async fn a_reply_without_carriage_return_is_read() {
    let (mut ours, mut theirs) = pair().await;
    theirs.write_all(b"\x0bMSA\x1c").await.unwrap();
    assert_eq!(ours.receive().await.unwrap().as_bytes(), b"MSA");
}

#[tokio::test]
async fn no_reply_is_ambiguous() {
    let (mut ours, mut theirs) = pair().await;
    ours.send(b"A").await.unwrap();
    theirs.write_all(b"\x0bMSA|half").await.unwrap();
    let error = ours.receive_until(Instant::now() + Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, MllpError::ReplyTimeout) && error.is_ambiguous(), "{error:?}");
}

#[tokio::test]
async fn a_half_reply_and_the_end_is_ambiguous() {
    let (mut ours, mut theirs) = pair().await;
    ours.send(b"A").await.unwrap();
    theirs.write_all(b"\x0bMSA|ha").await.unwrap();
    drop(theirs);
    let error = ours.receive().await.unwrap_err();
    assert!(matches!(error, MllpError::Closed(_)) && error.is_ambiguous(), "{error:?}");
}

#[tokio::test]
async fn a_peer_that_left_while_idle_is_noticed_before_writing() {
    let (mut ours, theirs) = pair().await;
    drop(theirs);
    assert!(matches!(ours.idle().await, Idle::Closed(_)));
    let (mut ours, theirs) = pair().await;
    drop(theirs);
    let error = ours.send(b"A").await.unwrap_err();
    assert!(matches!(error, MllpError::Stale) && !error.is_ambiguous(), "{error:?}");
}

#[tokio::test]
async fn stray_bytes_and_repeated_replies_are_never_taken_for_the_next_reply() {
    for stray in [&b"\x0bMSA|AA|1\x1c\r"[..], b"hello", b"\x0bMSA"] {
        let (mut ours, mut theirs) = pair().await;
        theirs.write_all(stray).await.unwrap();
        assert!(matches!(ours.idle().await, Idle::Unsolicited));
    }
    let (mut ours, mut theirs) = pair().await;
    ours.send(b"A").await.unwrap();
    theirs.write_all(b"\x0bMSA|AA|1\x1c\r\x0bMSA|AA|1\x1c\r").await.unwrap();
    ours.receive().await.unwrap();
    assert!(matches!(ours.send(b"B").await, Err(MllpError::Stale)));
}

#[tokio::test]
async fn a_line_feed_after_the_reply_is_padding() {
    let (mut ours, mut theirs) = pair().await;
    for _ in 0..2 {
        ours.send(b"A").await.unwrap();
        theirs.write_all(b"\x0bMSA\x1c\r\n").await.unwrap();
        assert_eq!(ours.receive().await.unwrap().as_bytes(), b"MSA");
    }
}

#[tokio::test]
async fn refuses_a_message_with_framing_bytes_without_touching_the_wire() {
    let (mut ours, mut theirs) = pair().await;
    let error = ours.send(b"A\x1c\rB").await.unwrap_err();
    assert!(matches!(error, MllpError::Unwritable(_)) && !error.is_ambiguous(), "{error:?}");
    ours.close().await;
    assert_eq!(theirs.read_to_end(&mut Vec::new()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_peer_that_stops_reading_makes_the_write_time_out_as_begun() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
    let connector = plain(&listener.local_addr().unwrap().to_string());
    let timeouts = Timeouts { write: Duration::from_millis(100), ..connector.timeouts() };
    let mut ours = connector.with_timeouts(timeouts).connect().await.unwrap();
    let error = ours.send(&vec![b'x'; 32 * 1024 * 1024]).await.unwrap_err();
    assert!(matches!(error, MllpError::WriteTimeout { started: true }) && error.is_ambiguous(), "{error:?}");
}

#[tokio::test]
async fn abort_resets_and_close_ends_in_good_order() {
    let (ours, mut theirs) = pair().await;
    ours.abort();
    let error = theirs.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let (ours, mut theirs) = pair().await;
    ours.close().await;
    assert_eq!(theirs.read_to_end(&mut Vec::new()).await.unwrap(), 0);
}

#[tokio::test]
async fn nobody_there_and_no_such_name_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert!(matches!(plain(&address).connect().await, Err(MllpError::Connect(_))));
    assert!(matches!(plain("no-such-host.invalid:2575").connect().await, Err(MllpError::Resolve(_))));
}

#[tokio::test]
async fn an_oversized_reply_is_refused() {
    let (mut ours, mut theirs) = pair().await;
    let endless = tokio::spawn(async move {
        drop(theirs.write_all(b"\x0b").await);
        while theirs.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
    });
    let error = ours.receive().await.unwrap_err();
    assert!(matches!(error, MllpError::Reply(_)) && error.is_ambiguous(), "{error:?}");
    ours.abort();
    endless.await.unwrap();
}

#[tokio::test]
async fn works_with_the_server_of_this_crate() {
    let server = start(LIMITS, None).await;
    let mut client = plain(&server.address).connect().await.unwrap();
    for number in 0..100 {
        let message = format!("message {number}");
        client.send(message.as_bytes()).await.unwrap();
        assert_eq!(client.receive().await.unwrap().as_bytes(), format!("ack:{message}").as_bytes());
    }
}

#[tokio::test]
async fn a_frame_that_came_unasked_can_still_be_received() {
    let (mut connection, mut peer) = pair().await;
    peer.write_all(b"\x0bA\x1c\r\x0bB\x1c\r").await.unwrap();
    assert!(matches!(connection.idle().await, Idle::Unsolicited));
    assert!(matches!(connection.send(b"M").await, Err(MllpError::Stale)));
    connection.reply(b"M").await.unwrap();
    for expected in [b"A", b"B"] {
        assert_eq!(connection.receive().await.unwrap().as_bytes(), expected);
    }
}
