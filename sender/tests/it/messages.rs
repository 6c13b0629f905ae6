//! What the message itself decides: its bytes on the wire, its age.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use clock::Clock;
use queue::{MemoryConfig, MemoryQueue, Queue as _, Reason};

use crate::{
    endpoint::{Act, Endpoint},
    harness::{Sender, config, envelope, with_header},
};

#[tokio::test]
async fn the_character_set_of_msh_18_decides_the_bytes_of_every_try() {
    for (name, umlaut) in
        [("8859/1", &b"\xe4"[..]), ("UNICODE UTF-8", "\u{e4}".as_bytes()), ("", "\u{e4}".as_bytes())]
    {
        let endpoint = Endpoint::start(vec![Act::Close]).await;
        let sender = Sender::start(config(&endpoint.address));
        let sent = with_header("a", "m1", &format!("||||||{name}"));
        sender.queue.send(sent.clone()).await.unwrap();
        let frames = endpoint.frames(2).await;
        let (before, after) = sent.body.split_once('\u{e4}').unwrap();
        let expected = [before.as_bytes(), umlaut, after.as_bytes()].concat();
        assert_eq!(frames[0].bytes, expected, "{name}");
        assert_eq!(frames[1].bytes, expected, "{name}: the same again");
        sender.drained().await;
    }
}

#[tokio::test]
async fn a_character_that_the_set_lacks_is_never_replaced_on_the_way() {
    let endpoint = Endpoint::start(vec![]).await;
    let sender = Sender::start(config(&endpoint.address));
    for (number, name) in ["ASCII", "8859/15", "8859/1"].into_iter().enumerate() {
        let mut sent = with_header("a", &format!("m{number}"), &format!("||||||{name}"));
        if name == "8859/1" {
            sent.body = sent.body.replace('\u{e4}', "\u{20ac}");
        }
        sender.queue.send(sent).await.unwrap();
    }
    sender.drained().await;
    assert!(endpoint.bodies().is_empty());
    let reasons: Vec<_> = sender.queue.dead().iter().map(|(_, letter)| letter.reason).collect();
    assert_eq!(reasons, [Reason::Unsendable; 3]);
}

#[tokio::test]
async fn what_is_no_message_is_never_sent() {
    let endpoint = Endpoint::start(vec![]).await;
    let sender = Sender::start(config(&endpoint.address));
    let damages: [fn(&str) -> String; 4] = [
        |_| "hello".to_owned(),
        |body| body.replacen("\rPID|", "\rP|", 1),
        |body| body.replacen("\rPID", "\r", 1),
        |body| format!("{body}{}\r", "|".repeat(hl7v2::Text::MAX_SEPARATORS)),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let mut sent = envelope("a", &format!("m{number}"));
        sent.body = damage(&sent.body);
        sender.queue.send(sent).await.unwrap();
    }
    let good = sender.send("a", "good").await;
    sender.drained().await;
    assert_eq!(endpoint.bodies(), [good.body]);
    let reasons: Vec<_> = sender.queue.dead().iter().map(|(_, letter)| letter.reason).collect();
    assert_eq!(reasons, [Reason::Unsendable; 4]);
}

#[tokio::test]
async fn old_messages_are_given_up_when_the_policy_says_so() {
    let endpoint = Endpoint::start(vec![]).await;
    let mut config = config(&endpoint.address);
    config.policy.max_age = Duration::from_secs(60 * 60);
    let sender = Sender::start(config);
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap();
    let minutes_old = |minutes: i64| (now - jiff::SignedDuration::from_mins(minutes)).to_string();
    for (name, enqueued_at) in [
        // Its acknowledgment says that our clock is right; before it, nothing would have an age.
        ("young", minutes_old(59)),
        ("old", minutes_old(61)),
        ("unknown", String::new()),
        ("future", minutes_old(-99)),
    ] {
        let mut message = envelope("a", name);
        message.attributes.enqueued_at = enqueued_at;
        sender.queue.send(message).await.unwrap();
    }
    sender.drained().await;
    assert_eq!(endpoint.bodies().len(), 3);
    let (given_up, letter) = sender.queue.dead().remove(0);
    assert_eq!(
        (given_up.attributes.control_id.as_str(), letter.reason, letter.attempts),
        ("old", Reason::Expired, 0)
    );
}

#[tokio::test]
async fn a_clock_that_is_wrong_or_jumps_makes_nothing_old() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let now = SystemTime::now();
    let accepted = jiff::Timestamp::try_from(now).unwrap().to_string();
    for wrong_from_the_start in [true, false] {
        let endpoint = Endpoint::start(vec![]).await;
        let mut config = config(&endpoint.address);
        config.policy.max_age = 24 * HOUR;
        let (clock, hands) = Clock::settable();
        if wrong_from_the_start {
            hands.set_ahead(48 * HOUR);
        }
        let queue = Arc::new(MemoryQueue::with_clock(MemoryConfig::default(), clock.clone()));
        let sender = Sender::start_by(clock, config, queue);
        for (number, jump) in [0, 1, 48].into_iter().enumerate() {
            if !wrong_from_the_start {
                hands.set_ahead(jump * HOUR);
            }
            for group in ["a", "b"] {
                let mut message = envelope(group, &format!("{group}{number}"));
                message.attributes.enqueued_at = accepted.clone();
                sender.queue.send(message).await.unwrap();
            }
            sender.drained().await;
        }
        assert_eq!((endpoint.bodies().len(), sender.queue.dead().len()), (6, 0));
    }
}
