//! Bytes around and inside frames, peers that trickle or never stop, and a store that fails: the test server.

use std::time::Duration;

use fault_harness::{
    endpoint::{Endpoint, Script, Step, When, frame},
    oracle::{Evidence, Mark},
    proxy::{Close, Direction, Proxy},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    receiver::{HANGING, Receiver, UNAVAILABLE, WORKING},
    rig::{Rig, envelope},
};

fn message(version: u64) -> Vec<u8> {
    envelope(Mark { group: 1, version }, 0).body.into_bytes()
}

fn block(version: u64) -> Vec<u8> {
    frame(&message(version))
}

#[tokio::test]
async fn f42_odd_framing_never_merges_two_messages() {
    let without = |bytes: Vec<u8>, from_end: usize| bytes[..bytes.len() - from_end].to_vec();
    let cells: Vec<(&str, Vec<u8>, &[u64])> = vec![
        ("plain", [block(1), block(2)].concat(), &[1, 2]),
        ("missing VT", [message(1), vec![0x1C, 0x0D], block(2)].concat(), &[2]),
        ("missing CR", [without(block(1), 1), block(2)].concat(), &[1, 2]),
        ("LF for CR", [without(block(1), 1), b"\n".to_vec(), block(2)].concat(), &[1, 2]),
        ("CR LF", [block(1), b"\n".to_vec(), block(2)].concat(), &[1, 2]),
        ("padding", [b"\r\n \r".to_vec(), block(1), b"\r\n  ".to_vec(), block(2)].concat(), &[1, 2]),
        ("NUL between", [block(1), vec![0, 0], block(2)].concat(), &[1, 2]),
        ("VT inside", [vec![0x0B], message(1), block(2)].concat(), &[2]),
        ("FS and silence", without(block(1), 1), &[1]),
        ("junk between", [block(1), b"hello".to_vec(), block(2)].concat(), &[1, 2]),
    ];
    for (name, bytes, stored) in cells {
        for pieces in [bytes.len(), 1, 7] {
            let receiver = Receiver::start(|_| {}).await;
            let mut client = receiver.connect().await;
            for piece in bytes.chunks(pieces) {
                client.write(piece).await;
            }
            for version in stored {
                let expected = ("AA".to_owned(), format!("C1-{version}"));
                assert_eq!(client.acknowledgment().await, Some(expected), "{name} in pieces of {pieces}");
            }
            let mut bodies = receiver.stored().await;
            bodies.sort();
            let expected: Vec<Vec<u8>> = stored.iter().map(|&version| message(version)).collect();
            assert_eq!(bodies, expected, "{name} in pieces of {pieces}");
        }
    }
}

#[tokio::test]
async fn f42_the_end_byte_inside_a_message_ends_nothing() {
    let receiver = Receiver::start(|_| {}).await;
    let mut client = receiver.connect().await;
    let odd = [message(1), b"NTE|1\x1cx\r".to_vec()].concat();
    client.write(&[frame(&odd), block(2)].concat()).await;
    assert_eq!(client.acknowledgment().await, Some(("AA".to_owned(), "C1-1".to_owned())));
    assert_eq!(client.acknowledgment().await, Some(("AA".to_owned(), "C1-2".to_owned())));
    let mut bodies = receiver.stored().await;
    bodies.sort();
    assert_eq!(bodies, [odd, message(2)], "stored as it came");
}

/// The same list the other way: acknowledgments in odd framing. What is not understood costs a repeat, no message.
#[tokio::test]
async fn f42_acknowledgments_in_odd_framing_are_understood_or_cost_a_repeat() {
    let cells: [(&str, &[u8], &[u8], usize); 9] = [
        ("plain", b"\x0b", b"\x1c\r", 1),
        ("missing CR", b"\x0b", b"\x1c", 1),
        ("LF for CR", b"\x0b", b"\x1c\n", 1),
        ("CR LF", b"\x0b", b"\x1c\r\n", 1),
        ("padding", b"\r\n \x0b", b"\x1c\r", 1),
        ("NUL", b"\x00\x00\x0b", b"\x1c\r\x00", 1),
        ("junk before", b"hello\x0b", b"\x1c\r", 1),
        ("VT twice", b"\x0bMSH|\x0b", b"\x1c\r", 1),
        ("missing VT", b"", b"\x1c\r", 2),
    ];
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let rig = Rig::start(endpoint.address(), |_| {});
    let mut expected = 0;
    let mut lost = 0;
    for (group, (name, before, after, sends)) in (1..).zip(cells) {
        let acknowledgment = format!("MSH|^~\\&|E|F|B|F|||ACK|A{group}|T|2.5.1\rMSA|AA|C{group}-1\r");
        let bytes = [before, acknowledgment.as_bytes(), after].concat();
        endpoint.script(Script::accept().times(1, When::Always, vec![Step::Store, Step::Raw(bytes)]));
        rig.send(Mark { group, version: 1 }).await;
        rig.drained().await;
        expected += sends;
        lost += sends as u64 - 1;
        assert_eq!(endpoint.received().len(), expected, "{name}");
    }
    rig.settles(&endpoint, lost).await;
}

#[tokio::test]
async fn f42_a_hundred_frames_in_one_packet_are_a_hundred_messages() {
    let receiver = Receiver::start(|_| {}).await;
    let mut client = receiver.connect().await;
    client.write(&(1..=100).flat_map(block).collect::<Vec<u8>>()).await;
    for version in 1..=100 {
        assert_eq!(client.acknowledgment().await, Some(("AA".to_owned(), format!("C1-{version}"))));
    }
    assert_eq!(receiver.stored().await.len(), 100);
}

#[tokio::test]
async fn f42_an_empty_frame_is_refused_and_the_connection_goes_on() {
    let receiver = Receiver::start(|_| {}).await;
    let mut client = receiver.connect().await;
    client.write(&[frame(b""), frame(b"hello"), block(1)].concat()).await;
    for expected in ["AR", "AR", "AA"] {
        assert_eq!(client.acknowledgment().await.map(|(code, _)| code).as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn f13_a_message_cut_short_is_never_stored() {
    let receiver = Receiver::start(|_| {}).await;
    let whole = block(1);
    for length in (0..whole.len() - 2).step_by(13) {
        let mut client = receiver.connect().await;
        client.write(&whole[..length]).await;
        if length % 2 == 0 {
            client.stream.set_zero_linger().expect("set");
        }
        drop(client);
    }
    let mut client = receiver.connect().await;
    client.write(&block(2)).await;
    assert_eq!(client.acknowledgment().await.map(|(code, _)| code).as_deref(), Some("AA"));
    assert_eq!(receiver.stored().await, [message(2)]);
}

#[tokio::test]
async fn f39_trickling_peers_do_not_lock_out_a_working_one() {
    let receiver = Receiver::start(|config| {
        config.limits.max_connections = 8;
        config.limits.byte_timeout_seconds = 1;
        config.limits.frame_timeout_seconds = 2;
    })
    .await;
    let mut silent = Vec::new();
    for number in 0..40 {
        // Some connect and say nothing, some begin a message and stop.
        match tokio::time::timeout(Duration::from_millis(100), receiver.connect()).await {
            Ok(mut client) => {
                if number % 2 == 0 {
                    client.write(b"\x0bMSH|^~").await;
                }
                silent.push(client);
            }
            Err(_) => break,
        }
    }
    let mut client = receiver.connect().await;
    client.write(&block(1)).await;
    let answer = tokio::time::timeout(Duration::from_secs(10), client.acknowledgment()).await;
    assert_eq!(answer.expect("in time").map(|(code, _)| code).as_deref(), Some("AA"));
}

#[tokio::test]
async fn f40_a_frame_without_an_end_is_cut_off_at_the_limit() {
    let receiver = Receiver::start(|config| config.limits.max_frame_bytes = 64 * 1024).await;
    let mut client = receiver.connect().await;
    let endless = [vec![0x0B], b"MSH|^~\\&|".to_vec(), vec![b'x'; 80 * 1024]].concat();
    client.write(&endless).await;
    assert_eq!(client.acknowledgment().await.map(|(code, _)| code).as_deref(), Some("AR"));
    assert_eq!(client.acknowledgment().await, None, "then the end");
    assert!(receiver.stored().await.is_empty());
}

#[tokio::test]
async fn f32_a_store_that_fails_is_answered_and_heals() {
    for mode in [UNAVAILABLE, HANGING] {
        let receiver = Receiver::start(|_| {}).await;
        receiver.store.set(mode);
        let mut client = receiver.connect().await;
        client.write(&block(1)).await;
        assert_eq!(client.acknowledgment().await, Some(("AE".to_owned(), "C1-1".to_owned())));
        receiver.store.set(WORKING);
        client.write(&block(1)).await;
        assert_eq!(
            client.acknowledgment().await,
            Some(("AA".to_owned(), "C1-1".to_owned())),
            "same connection"
        );

        let rig = Rig::start(receiver.address, |_| {});
        receiver.store.set(mode);
        let before = receiver.store.refused();
        rig.send_all(3, 2).await;
        rig.until("a refused store", |_| receiver.store.refused() > before).await;
        assert_eq!(receiver.stored().await.len(), 1);
        receiver.store.set(WORKING);
        rig.drained().await;
        assert!(rig.queue.dead().is_empty());
        // C1-1 was sent by hand before, and is recognised.
        assert_eq!(receiver.stored().await.len(), 6);
    }
}

#[tokio::test]
async fn f05_a_repeat_after_a_lost_acknowledgment_is_stored_once() {
    let receiver = Receiver::start(|_| {}).await;
    let proxy = Proxy::start(receiver.address, 1).await.expect("started");
    let rig = Rig::start(proxy.address(), |_| {});
    let mut marks = Vec::new();
    for version in 1..=5 {
        proxy.close_all(Close::Fin);
        rig.until("no flow", |_| proxy.open() == 0).await;
        proxy.cut_after(Direction::ToClient, version * 10, Close::Reset);
        let mark = Mark { group: 1, version };
        rig.send(mark).await;
        rig.drained().await;
        marks.push(mark);
    }
    let stored = Mark::find_all(receiver.stored().await);
    let evidence = Evidence { accepted: marks, stored, ..Evidence::default() };
    let verdict = evidence.judge();
    assert!(verdict.lost.is_empty() && verdict.duplicates == 0, "{verdict}");
    assert!(proxy.broken_flows() >= 5);
}

#[tokio::test]
async fn f41_bytes_of_any_kind_leave_the_server_serving() {
    let receiver = Receiver::start(|config| config.limits.max_frame_bytes = 64 * 1024).await;
    let mut random = StdRng::seed_from_u64(41);
    for round in 1..=200 {
        let mut bytes = block(round);
        for _ in 0..random.random_range(1..20) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = random.random(),
                1 => drop(bytes.drain(at..(at + random.random_range(0..8)).min(bytes.len()))),
                _ => bytes.insert(at, [0x0B, 0x1C, 0x0D, b'|', b'^', 0xFF][random.random_range(0..6)]),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let mut client = receiver.connect().await;
        client.write(&bytes).await;
        client.stream.set_zero_linger().expect("set");
    }
    // A long message of nothing but headers must not take quadratic time.
    let mut client = receiver.connect().await;
    let began = std::time::Instant::now();
    client.write(&[vec![0x0B], b"MSH|^~\\&|".repeat(7000)].concat()).await;
    client.write(&[0x1C, 0x0D]).await;
    assert!(client.acknowledgment().await.is_some());
    assert!(began.elapsed() < Duration::from_secs(5));
    let mut client = receiver.connect().await;
    client.write(&block(1000)).await;
    assert_eq!(client.acknowledgment().await.map(|(code, _)| code).as_deref(), Some("AA"));
}
