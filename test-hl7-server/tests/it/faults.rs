//! Every fault, as the sender on the other side sees it.

use std::time::Duration;

use hl7v2::Acknowledgment;
use serde_json::Value;
use test_hl7_server::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::sut::{Sut, adt, codes, exchange, frame, start_with_faults};

/// Sends one message and reads until the connection ends; also whether it ended by RST.
async fn last_words(sut: &Sut, message: &str) -> (Vec<u8>, bool) {
    let mut raw = sut.raw().await;
    drop(raw.write_all(format!("\x0b{message}\x1c\r").as_bytes()).await);
    rest(&mut raw).await
}

async fn rest(raw: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), raw.read_to_end(&mut bytes));
    let reset = read.await.expect("an end in time").is_err();
    (bytes, reset)
}

fn message(control_id: &str) -> String {
    adt(control_id, "A28", "p-1", "20240301")
}

/// One rule for everything.
async fn with(then: &str) -> Sut {
    start_with_faults(&format!("[[rule]]\nthen = {then}"), Config::default()).await
}

fn id(reply: &[u8]) -> Option<String> {
    Acknowledgment::from_bytes(reply).unwrap().control_id
}

#[tokio::test]
async fn nothing_is_different_without_a_rule() {
    let sut = start_with_faults("", Config::default()).await;
    assert_eq!(sut.send(message("C1")).await, "AA");
    assert_eq!(sut.send(message("C1")).await, "AA");
    assert_eq!(sut.send("hello").await, "AR 100");
    let list = sut.admin("GET", "/received", "").await.1;
    let outcomes: Vec<&str> =
        list.as_array().unwrap().iter().map(|e| e["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["stored", "duplicate", "refused"]);
    assert_eq!(sut.admin("GET", "/faults", "").await.1, Value::Array(Vec::new()));
}

#[tokio::test]
async fn replies_with_every_code_and_error() {
    for code in ["AA", "AE", "AR", "CA", "CE", "CR"] {
        let then = format!("['store', {{ reply = {{ code = '{code}', error = 207, severity = 'W' }} }}]");
        let sut = with(&then).await;
        assert_eq!(sut.send(message("C1")).await, format!("{code} 207"));
        assert_eq!(sut.received().await, 1);
    }
    // A refusal that is honest about the store.
    let sut = with("[{ reply = { code = 'AE' } }]").await;
    assert_eq!(sut.send(message("C1")).await, "AE");
    assert_eq!(sut.received().await, 0);
}

#[tokio::test]
async fn names_another_message_or_none() {
    for (name, expected) in [("own", Some("C2")), ("blank", None), ("previous", Some("C1"))] {
        let sut = with(&format!("['store', {{ reply = {{ code = 'AA', id = '{name}' }} }}]")).await;
        let mut raw = sut.raw().await;
        exchange(&mut raw, message("C1").as_bytes()).await;
        assert_eq!(id(&exchange(&mut raw, message("C2").as_bytes()).await).as_deref(), expected, "{name}");
    }
    let sut = with("['store', { reply = { code = 'AA', id = 'wrong' } }]").await;
    let wrong = id(&exchange(&mut sut.raw().await, message("C1").as_bytes()).await).unwrap();
    assert_ne!(wrong, "C1");
}

#[tokio::test]
async fn answers_twice_in_two_phases_or_not_at_all() {
    let sut = with("['store', 'answer', 'answer']").await;
    let mut raw = sut.raw().await;
    assert_eq!(codes(&exchange(&mut raw, message("C1").as_bytes()).await), "AA");
    assert_eq!(codes(&frame(&mut raw).await), "AA");

    let sut = with(
        "['store', { reply = { code = 'CA' } }, { wait = '5ms' }, { reply = { code = 'AE', error = 102 } }]",
    );
    let sut = sut.await;
    let mut raw = sut.raw().await;
    assert_eq!(codes(&exchange(&mut raw, message("C1").as_bytes()).await), "CA");
    assert_eq!(codes(&frame(&mut raw).await), "AE 102");

    let rules = "[[rule]]\nmatch = { nth = 1 }\nthen = ['store']\n";
    let sut = start_with_faults(rules, Config::default()).await;
    let mut raw = sut.raw().await;
    raw.write_all(format!("\x0b{}\x1c\r", message("C1")).as_bytes()).await.unwrap();
    let reply = exchange(&mut raw, message("C2").as_bytes()).await;
    assert_eq!(id(&reply).as_deref(), Some("C2"), "nothing came for the first");
    assert_eq!(sut.received().await, 2);
}

#[tokio::test]
async fn the_second_phase_may_come_on_another_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let then =
        format!("['store', {{ reply = {{ code = 'CA' }} }}, {{ reply = {{ code = 'AA', to = '{to}' }} }}]");
    let sut = with(&then).await;
    assert_eq!(sut.send(message("C1")).await, "CA");
    let (mut other, _) = listener.accept().await.unwrap();
    let reply = frame(&mut other).await;
    assert_eq!((codes(&reply).as_str(), id(&reply).as_deref()), ("AA", Some("C1")));
}

#[tokio::test]
async fn closes_or_resets_before_and_after_the_store_and_after_the_reply() {
    for (then, stored, replies, reset) in [
        ("['close']", 0, 0, false),
        ("['reset']", 0, 0, true),
        ("['store', 'close']", 1, 0, false),
        ("['store', 'reset']", 1, 0, true),
        ("['store', 'answer', 'close']", 1, 1, false),
    ] {
        let sut = with(then).await;
        let (bytes, was_reset) = last_words(&sut, &message("C1")).await;
        assert_eq!(bytes.iter().filter(|byte| **byte == 0x1c).count(), replies, "{then}");
        assert_eq!((was_reset, sut.received().await), (reset, stored), "{then}");
    }
}

#[tokio::test]
async fn breaks_the_block_in_every_way() {
    let sut = with("[{ reply = { code = 'AA', bytes = 20 } }, 'close']").await;
    let (half, _) = last_words(&sut, &message("C1")).await;
    assert_eq!((half.len(), half.first()), (20, Some(&0x0b)));
    for (reply, start, end) in [
        ("no_start = true", "MSH|", "\r\x1c\r"),
        ("end = 'fs'", "\x0bMSH|", "\r\x1c"),
        ("end = 'fs_lf'", "\x0bMSH|", "\r\x1c\n"),
        ("end = 'lf'", "\x0bMSH|", "\r\n"),
        ("before = 'garbage', after = 'more'", "garbage\x0bMSH|", "\x1c\rmore"),
        ("gap = '1ms'", "\x0bMSH|", "\x1c\r"),
    ] {
        let sut = with(&format!("[{{ reply = {{ code = 'AA', {reply} }} }}, 'close']")).await;
        let text = String::from_utf8(last_words(&sut, &message("C1")).await.0).unwrap();
        assert!(text.starts_with(start) && text.ends_with(end), "{reply}: {text:?}");
    }
    let sut = with("[{ send = \"\\u0015\" }, 'close']").await;
    assert_eq!(last_words(&sut, &message("C1")).await.0, b"\x15");
}

#[tokio::test]
async fn waits_before_the_store_and_before_the_reply() {
    let sut = with("[{ wait = '200ms' }, 'store', { wait = '200ms' }, 'answer']").await;
    let started = tokio::time::Instant::now();
    assert_eq!(sut.send(message("C1")).await, "AA");
    assert!(started.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn the_store_fails_fills_up_or_dawdles() {
    let sut = with("[{ store_error = 'unavailable' }, 'answer']").await;
    assert_eq!(sut.send(message("C1")).await, "AE 207");
    let sut = with("[{ store_error = 'full' }, 'answer']").await;
    let mut raw = sut.raw().await;
    assert_eq!(codes(&exchange(&mut raw, message("C1").as_bytes()).await), "AE 207");
    let enhanced = message("C2").replace("|T|2.5.1||||||", "|T|2.5.1|||AL|NE||");
    assert_eq!(codes(&exchange(&mut raw, enhanced.as_bytes()).await), "CE 207", "on the same connection");
    assert_eq!(sut.received().await, 0);

    let slow = |timeout| Config { store_timeout: Duration::from_millis(timeout), ..Config::default() };
    let rule = "[[rule]]\nthen = [{ slow_store = '100ms' }, 'answer']";
    let sut = start_with_faults(rule, slow(60)).await;
    assert_eq!(sut.send(message("C1")).await, "AE 207", "the time allowed was not enough");
    assert_eq!(sut.received().await, 0);
    assert_eq!(start_with_faults(rule, slow(5000)).await.send(message("C1")).await, "AA");
}

/// The window closes: a sender that goes on writing gets stuck.
#[tokio::test]
async fn stops_reading_or_reads_slowly() {
    for rules in ["[[rule]]\nthen = ['stall']", "[[connection]]\nthen = [{ read_bytes_per_second = 50 }]"] {
        let sut = start_with_faults(rules, Config::default()).await;
        let mut raw = sut.raw().await;
        raw.write_all(format!("\x0b{}\x1c\r", message("C1")).as_bytes()).await.unwrap();
        let flood = vec![b'\r'; 1024 * 1024];
        let writing = async {
            loop {
                raw.write_all(&flood).await.unwrap();
            }
        };
        assert!(tokio::time::timeout(Duration::from_millis(300), writing).await.is_err(), "{rules}");
    }
}

#[tokio::test]
async fn connections_meet_their_own_faults() {
    let rules = "[[connection]]\nmatch = { connection = 1 }\nthen = ['close']\n\
                 [[connection]]\nmatch = { connection = 2 }\nthen = ['reset']\n\
                 [[connection]]\nmatch = { connection = 3 }\nthen = [{ end_after = { bytes = 60, with = 'reset' } }]";
    let sut = start_with_faults(rules, Config::default()).await;
    for (connection, reset) in [(1, false), (2, true), (3, true)] {
        let (bytes, was_reset) = last_words(&sut, &message("C1")).await;
        assert!(bytes.is_empty(), "{connection}");
        // Bytes that nobody read make an RST of a close.
        assert!(was_reset || !reset, "{connection}");
    }
    assert_eq!(sut.received().await, 0);
    assert_eq!(sut.send(message("C1")).await, "AA");
    let faults = sut.admin("GET", "/faults", "").await.1;
    let on: Vec<u64> =
        faults.as_array().unwrap().iter().map(|fault| fault["connection"].as_u64().unwrap()).collect();
    assert_eq!(on, [1, 2, 3]);
    assert!(faults[0]["recv_seq"].is_null());
}

#[tokio::test]
async fn an_outage_refuses_and_ends() {
    let sut = start_with_faults("", Config::default()).await;
    assert_eq!(sut.send(message("C1")).await, "AA");
    let mut idle = sut.raw().await;
    exchange(&mut idle, message("C1").as_bytes()).await;
    assert_eq!(sut.admin("PUT", "/scenario", "[[outage]]\n").await.0, 204);
    assert_eq!(rest(&mut idle).await.0, b"", "connections end");
    let refused = async { while TcpStream::connect(&sut.plain).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), refused).await.expect("refused");
    assert_eq!(sut.admin("DELETE", "/scenario", "").await.0, 204);
    let back = async { while TcpStream::connect(&sut.plain).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), back).await.expect("back");
    assert_eq!(sut.send(message("C2")).await, "AA");
    sut.shutdown.cancel();
    sut.ran.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stall_ends_with_the_server() {
    let sut = with("['store', 'stall']").await;
    let mut raw = sut.raw().await;
    raw.write_all(format!("\x0b{}\x1c\r", message("C1")).as_bytes()).await.unwrap();
    sut.writes(1).await;
    sut.shutdown.cancel();
    assert_eq!(rest(&mut raw).await.0, b"");
    sut.ran.await.unwrap().unwrap();
}
