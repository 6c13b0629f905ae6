//! Acknowledgment in two phases, and what else a peer may say on our connection.

use std::time::Duration;

use queue::{Queue as _, Reason};

use crate::{
    endpoint::{Act, Endpoint},
    harness::{Sender, config, with_header},
};

const BOTH_PHASES: &str = "|||AL|AL";

#[tokio::test]
async fn a_late_application_answer_settles_the_message_while_others_flow() {
    for (answer, delivered, dead) in [("MSA|AA|m1", 2, 0), ("MSA|AE|m1\rERR|||207|E", 1, 1)] {
        // The answer to m1 comes on the same connection, before that to m2.
        let endpoint =
            Endpoint::start(vec![Act::Answer("MSA|CA|{id}"), Act::Frames(vec![answer, "MSA|AA|{id}"])]).await;
        let sender = Sender::start(config(&endpoint.address));
        sender.queue.send(with_header("a", "m1", BOTH_PHASES)).await.unwrap();
        endpoint.frames(1).await;
        sender.send("b", "m2").await;
        sender.drained().await;
        assert_eq!((endpoint.bodies().len(), endpoint.connections()), (2, 1), "{answer}");
        let reasons: Vec<_> = sender.queue.dead().iter().map(|(_, letter)| letter.reason).collect();
        assert_eq!(reasons, vec![Reason::ApplicationNegative; dead], "{answer}");
        assert_eq!(sender.stop().await.delivered, delivered);
    }
}

#[tokio::test]
async fn the_group_waits_for_the_application_answer() {
    let endpoint =
        Endpoint::start(vec![Act::Answer("MSA|CA|{id}"), Act::Frames(vec!["MSA|AA|{id}", "MSA|AA|m1"])])
            .await;
    let sender = Sender::start(config(&endpoint.address));
    sender.queue.send(with_header("a", "m1", BOTH_PHASES)).await.unwrap();
    sender.queue.send(with_header("a", "m2", BOTH_PHASES)).await.unwrap();
    endpoint.frames(1).await;
    sender.send("b", "m3").await;
    let frames = endpoint.frames(3).await;
    let ids: Vec<_> = frames.iter().filter_map(|frame| frame.body.split('|').nth(9)).collect();
    assert_eq!(ids, ["m1", "m3", "m2"], "m2 only after the answer to m1, which came on the idle connection");
    assert_eq!(endpoint.connections(), 1);
    sender.drained().await;
}

#[tokio::test]
async fn custody_without_an_application_answer_is_never_sent_again() {
    let endpoint = Endpoint::start(vec![Act::Answer("MSA|CA|{id}")]).await;
    let mut config = config(&endpoint.address);
    config.policy.application_timeout = Duration::from_millis(50);
    let sender = Sender::start(config);
    sender.queue.send(with_header("a", "m1", BOTH_PHASES)).await.unwrap();
    sender.drained().await;
    assert_eq!(endpoint.bodies().len(), 1);
    assert!(sender.queue.dead().is_empty());
    assert_eq!(sender.stop().await.delivered, 1);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_application_answers() {
    let endpoint = Endpoint::start(vec![Act::Answer("MSA|CA|{id}")]).await;
    let sender = Sender::start(config(&endpoint.address));
    sender.queue.send(with_header("a", "m1", BOTH_PHASES)).await.unwrap();
    sender.send("b", "m2").await;
    endpoint.frames(2).await;
    let queue = sender.queue.clone();
    let summary = sender.stop().await;
    assert_eq!((summary.delivered, summary.ambiguous), (2, 0));
    assert_eq!(queue.statistics().await.unwrap().in_flight, 0, "custody was taken");
}

#[tokio::test]
async fn a_message_of_the_peer_is_refused_and_ours_goes_on_waiting() {
    let foreign: &'static [u8] = b"\x0bMSH|^~\\&|S|F|R|F|20260101||ORU^R01|o1|P|2.5.1\rPID|1\r\x1c\r";
    let answer: &'static [u8] = b"\x0bMSH|^~\\&|S|F|R|F|20260101||ACK|a1|P|2.5.1\rMSA|AA|m1\r\x1c\r";
    for act in [
        Act::Bytes(vec![foreign, answer]),
        Act::Bytes(vec![foreign, foreign, foreign, foreign, foreign, answer]),
    ] {
        let endpoint = Endpoint::start(vec![act]).await;
        let sender = Sender::start(config(&endpoint.address));
        sender.send("a", "m1").await;
        let frames = endpoint.frames(2).await;
        assert!(frames[1].body.contains("\rMSA|AR|o1\rERR|||200^"), "{}", frames[1].body);
        sender.drained().await;
        assert_eq!(sender.stop().await.delivered, 1);
        assert_eq!(endpoint.connections(), 1, "the connection is kept");
    }
}

#[tokio::test]
async fn a_gap_is_kept_between_messages() {
    let endpoint = Endpoint::start(vec![]).await;
    let gap = Duration::from_millis(150);
    let sender = Sender::start(sender::Config { min_gap: gap, ..config(&endpoint.address) });
    for number in 0..3 {
        sender.send(&format!("g{number}"), &format!("m{number}")).await;
    }
    let frames = endpoint.frames(3).await;
    assert!(frames.windows(2).all(|pair| pair[1].at - pair[0].at >= gap));
}

const ACKNOWLEDGED: &[u8] = b"\x0b\x06\x1c\r";
const NOT_ACKNOWLEDGED: &[u8] = b"\x0b\x15\x1c\r";

#[tokio::test]
async fn commit_blocks_count_under_mllp_release_2_only() {
    for (release, fields, act, frames, delivered) in [
        // Custody is all that was asked for.
        (2, "|||AL|NE", Act::Bytes(vec![ACKNOWLEDGED]), 1, 1),
        (2, "|||AL|NE", Act::Bytes(vec![NOT_ACKNOWLEDGED]), 2, 1),
        // Original mode: the block says that it arrived, the acknowledgment that it is accepted.
        (
            2,
            "",
            Act::Bytes(vec![ACKNOWLEDGED, b"\x0bMSH|^~\\&|||||||ACK|a|P|2.5.1\rMSA|AA|m1\r\x1c\r"]),
            1,
            1,
        ),
        (2, "", Act::Bytes(vec![ACKNOWLEDGED]), 2, 1),
        // Nobody announced blocks: the first try is lost.
        (1, "|||AL|NE", Act::Bytes(vec![ACKNOWLEDGED]), 2, 1),
    ] {
        let endpoint = Endpoint::start(vec![act.clone()]).await;
        let mut config = config(&endpoint.address);
        config.policy.mllp_release = release;
        let sender = Sender::start(config);
        sender.queue.send(with_header("a", "m1", fields)).await.unwrap();
        sender.drained().await;
        let messages = endpoint.bodies().iter().filter(|body| body.starts_with("MSH")).count();
        assert_eq!(messages, frames, "release {release}, {fields}, {act:?}");
        assert!(sender.queue.dead().is_empty());
        assert_eq!(sender.stop().await.delivered, delivered);
    }
}

#[tokio::test]
async fn an_acknowledgment_that_wants_one_is_confirmed() {
    const AA: &[u8] = b"\x0bMSH|^~\\&|S|F|R|F|||ACK^A28|ack7|P|2.5.1|||AL\rMSA|AA|m1\r\x1c\r";
    for (release, confirmation) in [(1, "\rMSA|CA|ack7"), (2, "\u{6}")] {
        let endpoint = Endpoint::start(vec![Act::Bytes(vec![AA]), Act::Silence]).await;
        let mut config = config(&endpoint.address);
        config.policy.mllp_release = release;
        let sender = Sender::start(config);
        sender.send("a", "m1").await;
        let frames = endpoint.frames(2).await;
        assert!(frames[1].body.contains(confirmation), "{}", frames[1].body);
        sender.drained().await;
        assert_eq!(endpoint.connections(), 1);
        assert_eq!(sender.stop().await.delivered, 1);
    }
}
