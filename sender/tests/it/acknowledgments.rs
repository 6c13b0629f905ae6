//! What each answer does to the message.

use queue::Reason;

use crate::{
    endpoint::{Act, Endpoint},
    harness::{Sender, config, with_header},
};
use queue::Queue;

#[tokio::test]
async fn a_positive_acknowledgment_deletes() {
    let endpoint = Endpoint::start(vec![]).await;
    let sender = Sender::start(config(&endpoint.address));
    let sent = sender.send("a", "m1").await;
    sender.drained().await;
    assert_eq!(endpoint.bodies(), [sent.body]);
    let summary = sender.stop().await;
    assert_eq!((summary.delivered, summary.dead, summary.ambiguous), (1, 0, 0));
}

#[tokio::test]
async fn one_connection_carries_many_messages_in_order() {
    let endpoint = Endpoint::start(vec![]).await;
    let sender = Sender::start(config(&endpoint.address));
    let mut expected = Vec::new();
    for number in 0..50 {
        expected.push(sender.send("a", &format!("m{number}")).await.body);
    }
    sender.drained().await;
    assert_eq!(endpoint.bodies(), expected);
    assert_eq!(endpoint.connections(), 1);
}

#[tokio::test]
async fn several_connections_keep_the_order_of_each_group() {
    let endpoint = Endpoint::start(vec![]).await;
    let sender = Sender::start(sender::Config { connections: 4, ..config(&endpoint.address) });
    for number in 0..10 {
        for group in ["a", "b", "c", "d", "e"] {
            sender.send(group, &format!("{group}-{number}")).await;
        }
    }
    sender.drained().await;
    let bodies = endpoint.bodies();
    assert_eq!(bodies.len(), 50);
    for group in ["a", "b", "c", "d", "e"] {
        let ids: Vec<_> = bodies
            .iter()
            .filter_map(|body| body.split('|').nth(9))
            .filter(|id| id.starts_with(group))
            .collect();
        let expected: Vec<_> = (0..10).map(|number| format!("{group}-{number}")).collect();
        assert_eq!(ids, expected);
    }
}

#[tokio::test]
async fn refusals_are_tried_again_with_the_same_bytes() {
    let script =
        ["MSA|AE|{id}", "MSA|AR|{id}\rERR|||207|E", "MSA|CE|{id}\rERR|||206|E", "MSA|AE|{id}\rERR|||101|W"];
    let endpoint = Endpoint::start(script.map(Act::Answer).to_vec()).await;
    let sender = Sender::start(config(&endpoint.address));
    let sent = sender.send("a", "m1").await;
    sender.drained().await;
    assert_eq!(endpoint.bodies(), vec![sent.body; 5]);
    assert_eq!(endpoint.connections(), 1, "a refusal is no reason to hang up");
    assert!(sender.queue.dead().is_empty());
}

#[tokio::test]
async fn final_refusals_go_to_the_dead_letters_and_the_group_goes_on() {
    for (answer, ack_code, error_code) in [
        ("MSA|AE|{id}\rERR|||101|E|||canary", "AE", "101"),
        ("MSA|AR|{id}\rERR|||203|E", "AR", "203"),
        ("MSA|CR|{id}\rERR|||200|E", "CR", "200"),
    ] {
        let endpoint = Endpoint::start(vec![Act::Answer(answer)]).await;
        let sender = Sender::start(config(&endpoint.address));
        let refused = sender.send("a", "m1").await;
        let next = sender.send("a", "m2").await;
        sender.drained().await;
        assert_eq!(endpoint.bodies(), [refused.body.clone(), next.body]);
        let (envelope, letter) = sender.queue.dead().remove(0);
        assert_eq!(envelope, refused);
        assert_eq!((letter.reason, letter.attempts), (Reason::NegativeAcknowledgment, 1));
        assert_eq!(letter.ack_code.as_deref(), Some(ack_code));
        assert_eq!(letter.error_code.as_deref(), Some(error_code));
    }
}

#[tokio::test]
async fn repeated_refusals_end_in_the_dead_letters() {
    let endpoint = Endpoint::start(vec![]).await;
    endpoint.always("|poison|", Act::Answer("MSA|AE|{id}"));
    let sender = Sender::start(config(&endpoint.address));
    sender.send("a", "poison").await;
    for number in 0..10 {
        sender.send("b", &format!("m{number}")).await;
    }
    sender.drained().await;
    assert_eq!(endpoint.bodies().iter().filter(|body| body.contains("poison")).count(), 5);
    assert_eq!(sender.queue.dead()[0].1.reason, Reason::RetriesExhausted);
    assert_eq!(sender.stop().await.delivered, 10);
}

#[tokio::test]
async fn an_answer_to_another_message_delivers_nothing() {
    for wrong in ["MSA|AA|other", "MSA|AA|", "MSA|CA|m0"] {
        let endpoint = Endpoint::start(vec![Act::Answer(wrong)]).await;
        let sender = Sender::start(config(&endpoint.address));
        let sent = sender.send("a", "m1").await;
        let frames = endpoint.frames(2).await;
        assert_eq!(frames[0].body, sent.body);
        assert_eq!(frames[1].body, sent.body, "{wrong}: sent again");
        assert_ne!(frames[0].connection, frames[1].connection, "{wrong}: on a new connection");
        sender.drained().await;
        assert_eq!(sender.stop().await.delivered, 1);
    }
}

#[tokio::test]
async fn the_answer_may_come_after_others() {
    let frames = vec!["PID|1", "MSA|XX|{id}", "MSA|AE|other", "MSA|AA|{id}"];
    let endpoint = Endpoint::start(vec![Act::Frames(frames)]).await;
    let sender = Sender::start(config(&endpoint.address));
    let sent = sender.send("a", "m1").await;
    sender.drained().await;
    assert_eq!(endpoint.bodies(), [sent.body]);
    // Something odd was seen, so the next message goes over a new connection.
    sender.send("a", "m2").await;
    sender.drained().await;
    assert_eq!(endpoint.connections(), 2);
}

#[tokio::test]
async fn a_second_answer_is_not_credited_to_the_next_message() {
    let endpoint = Endpoint::start(vec![
        Act::Frames(vec!["MSA|AA|{id}", "MSA|AA|{id}"]),
        Act::Answer("MSA|AE|{id}\rERR|||101|E"),
    ])
    .await;
    let sender = Sender::start(config(&endpoint.address));
    sender.send("a", "m1").await;
    sender.drained().await;
    sender.send("a", "m2").await;
    sender.drained().await;
    assert_eq!(sender.queue.dead().len(), 1, "m2 was refused, and no spare acknowledgment hid that");
    assert_eq!(sender.stop().await.delivered, 1);
}

#[tokio::test]
async fn acknowledgments_may_come_in_pieces() {
    let reply: &'static [u8] = b"\x0bMSH|^~\\&|S|F|R|F|20260101||ACK|a1|P|2.5.1\rMSA|AA|m1\r\x1c\r";
    let endpoint = Endpoint::start(vec![Act::Bytes(reply.chunks(1).collect())]).await;
    let sender = Sender::start(config(&endpoint.address));
    sender.send("a", "m1").await;
    sender.drained().await;
    assert_eq!(endpoint.bodies().len(), 1);
}

#[tokio::test]
async fn custody_is_delivery_unless_an_application_answer_is_wanted() {
    let endpoint = Endpoint::start(vec![
        Act::Answer("MSA|CA|{id}"),
        Act::Frames(vec!["MSA|CA|{id}", "MSA|AA|{id}"]),
        Act::Frames(vec!["MSA|CA|{id}", "MSA|AE|{id}\rERR|||207|E"]),
    ])
    .await;
    let sender = Sender::start(config(&endpoint.address));
    sender.queue.send(with_header("a", "m1", "|||AL|NE")).await.unwrap();
    sender.queue.send(with_header("a", "m2", "|||AL|AL")).await.unwrap();
    sender.queue.send(with_header("a", "m3", "|||AL|AL")).await.unwrap();
    sender.drained().await;
    assert_eq!(endpoint.bodies().len(), 3, "after CA nothing is sent again");
    assert_eq!(sender.queue.dead()[0].1.reason, Reason::ApplicationNegative);
    assert_eq!(sender.stop().await.delivered, 2);
}

#[tokio::test]
async fn a_body_with_another_control_id_is_never_sent() {
    let endpoint = Endpoint::start(vec![]).await;
    let sender = Sender::start(config(&endpoint.address));
    let mut wrong = with_header("a", "m1", "");
    wrong.attributes.control_id = "m2".into();
    sender.queue.send(wrong).await.unwrap();
    sender.drained().await;
    assert_eq!(sender.queue.dead()[0].1.reason, Reason::Unsendable);
    assert!(endpoint.bodies().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_refuses_everything_stops_the_flow_not_the_messages() {
    let endpoint = Endpoint::start(vec![]).await;
    endpoint.always("PID", Act::Answer("MSA|AR|{id}\rERR|||203|E"));
    let sender = Sender::start(config(&endpoint.address));
    for number in 0..40 {
        sender.send(&format!("g{number}"), &format!("m{number}")).await;
    }
    endpoint.frames(5).await;
    assert_eq!(sender.queue.dead().len(), 3, "then the fault is seen to be the endpoint's");
    assert_eq!(sender.left().await, 37);
    assert_eq!(sender.stop().await.dead, 3);
}
