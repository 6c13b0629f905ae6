//! Acknowledgments that are late, wrong, doubled, negative, or none.

use std::time::Duration;

use fault_harness::{
    endpoint::{AckId, Endpoint, Reply, Script, Step, When},
    oracle::Mark,
    proxy::Close,
};
use queue::{Queue as _, Reason};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::rig::{ACKNOWLEDGMENT_TIMEOUT, DEADLINE, Rig, control_id, envelope};

async fn started(script: Script) -> (Endpoint, Rig) {
    let endpoint = Endpoint::start(script).await.expect("started");
    let rig = Rig::start(endpoint.address(), |_| {});
    (endpoint, rig)
}

#[tokio::test]
async fn f05_a_receiver_that_dies_at_any_point_gets_the_message_again() {
    for (then, stored_before) in [
        (vec![Step::Crash(Duration::from_millis(50))], false),
        (vec![Step::Store, Step::Crash(Duration::from_millis(50))], true),
        (vec![Step::Store, Step::Reply(Reply::new("AA")), Step::Crash(Duration::from_millis(50))], true),
    ] {
        let (endpoint, rig) = started(Script::accept().rule(When::Nth(2), then)).await;
        rig.send_all(2, 3).await;
        let verdict = rig.settles(&endpoint, u64::from(stored_before)).await;
        assert_eq!((verdict.messages, verdict.dead), (6, 0));
    }
}

#[tokio::test]
async fn f14_an_acknowledgment_lost_after_storing_is_asked_for_again() {
    let script = Script::accept()
        .rule(When::Nth(1), vec![Step::Store, Step::End(Close::Reset)])
        .rule(When::Nth(3), vec![Step::Store, Step::End(Close::Fin)])
        .rule(When::Nth(5), vec![Step::Store, Step::ReplyPart(Reply::new("AA"), 60), Step::End(Close::Fin)])
        .rule(When::Nth(7), vec![Step::Store, Step::ReplyPart(Reply::new("AA"), 60), Step::Stall]);
    let (endpoint, rig) = started(script).await;
    rig.send_all(1, 6).await;
    let verdict = rig.settles(&endpoint, 4).await;
    assert_eq!(verdict.duplicates, 4);
}

#[tokio::test]
async fn f15_a_late_acknowledgment_is_credited_to_nobody() {
    let late = vec![Step::Delay(ACKNOWLEDGMENT_TIMEOUT * 2), Step::Reply(Reply::new("AA"))];
    let script = Script::accept().rule(When::Nth(1), late);
    let (endpoint, rig) = started(script).await;
    rig.send_all(2, 2).await;
    rig.settles(&endpoint, 0).await;
    let received = endpoint.received();
    assert!(received.iter().skip(1).all(|one| one.connection > 1), "the late connection is not used again");
    let ended =
        |endpoint: &Endpoint| endpoint.connections().first().is_some_and(|connection| connection.ended);
    assert!(endpoint.wait_until(DEADLINE, ended).await, "the late connection is closed");
}

#[tokio::test]
async fn f16_an_acknowledgment_of_another_message_completes_nothing() {
    let wrong = |id: AckId| vec![Step::Reply(Reply::new("AA").names(id))];
    let script = Script::accept()
        .rule(When::Nth(2), wrong(AckId::Other("SOMEBODY-ELSE".into())))
        .rule(When::Nth(4), wrong(AckId::Previous))
        .rule(When::Nth(6), wrong(AckId::Blank));
    let (endpoint, rig) = started(script).await;
    rig.send_all(1, 6).await;
    let verdict = rig.settles(&endpoint, 0).await;
    assert_eq!(verdict.messages, 6);
    assert_eq!(endpoint.received().len(), 9, "each of the three was sent once more");
}

#[tokio::test]
async fn f16_a_blank_id_counts_only_where_the_policy_says_so() {
    let script = Script::always(vec![Step::Store, Step::Reply(Reply::new("AA").names(AckId::Blank))]);
    let endpoint = Endpoint::start(script).await.expect("started");
    let rig = Rig::start(endpoint.address(), |config| config.policy.accept_blank_control_id = true);
    rig.send_all(2, 2).await;
    rig.settles(&endpoint, 0).await;
}

#[tokio::test]
async fn f17_the_valid_acknowledgment_after_an_invalid_one_counts() {
    let frame = |text: &str| Step::Raw(fault_harness::endpoint::frame(text.as_bytes()));
    let other = Reply::new("AA").names(AckId::Other("X".into()));
    for invalid in [frame("hello"), frame(""), Step::Reply(other), frame("MSH|^~\\&|A\rPID|1\r")] {
        let script = Script::always(vec![Step::Store, invalid, Step::Reply(Reply::new("AA"))]);
        let (endpoint, rig) = started(script).await;
        rig.send_all(2, 2).await;
        rig.settles(&endpoint, 0).await;
        assert_eq!(endpoint.received().len(), 4, "no resend was needed");
    }
}

#[tokio::test]
async fn f18_a_second_acknowledgment_is_not_credited_to_the_next_message() {
    // The repeat comes at once, or when the next message is due.
    for pause in [Duration::ZERO, Duration::from_millis(20)] {
        let twice = vec![
            Step::Store,
            Step::Reply(Reply::new("AA")),
            Step::Delay(pause),
            Step::Reply(Reply::new("AA")),
        ];
        let script = Script::accept().rule(When::Every(2), twice);
        let (endpoint, rig) = started(script).await;
        rig.send_all(2, 5).await;
        let verdict = rig.settles(&endpoint, 10).await;
        assert_eq!(verdict.messages, 10);
    }
}

/// Every MSA-1 with every ERR-3 class and every match of MSA-2; what is to happen stands beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f19_every_acknowledgment_does_what_the_table_says() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Expected {
        Delivered,
        Dead(Reason),
        /// Sent again, and then accepted.
        Again,
    }
    let errors = [
        None,
        Some("100"),
        Some("101"),
        Some("103"),
        Some("200"),
        Some("203"),
        Some("205"),
        Some("206"),
        Some("207"),
    ];
    let mut cells = Vec::new();
    for code in ["AA", "CA", "AE", "CE", "AR", "CR", "ZZ", ""] {
        for error in errors {
            for id in [AckId::Own, AckId::Blank, AckId::Other("X".into())] {
                let permanent = matches!(error, Some("100" | "101" | "103" | "200" | "203" | "205"));
                let expected = match (code, &id) {
                    ("AA" | "CA", AckId::Own) => Expected::Delivered,
                    ("AE" | "CE" | "AR" | "CR", AckId::Own | AckId::Blank) if permanent => {
                        Expected::Dead(Reason::NegativeAcknowledgment)
                    }
                    _ => Expected::Again,
                };
                cells.push((code, error, id, expected));
            }
        }
    }
    assert!(cells.len() >= 144);
    let lanes: Vec<_> = cells
        .into_iter()
        .map(|(code, error, id, expected)| {
            tokio::spawn(async move {
                let mut reply = Reply::new(code).names(id.clone());
                if let Some(error) = error {
                    reply = reply.error(error, "E");
                }
                let store = expected == Expected::Delivered;
                let mut then = vec![Step::Reply(reply)];
                if store {
                    then.insert(0, Step::Store);
                }
                let (endpoint, rig) = started(Script::accept().rule(When::Nth(1), then)).await;
                let mark = Mark { group: 1, version: 1 };
                rig.send(mark).await;
                rig.drained().await;
                let (sends, dead) = (endpoint.received().len(), rig.queue.dead());
                let seen = match dead.as_slice() {
                    [] if sends == 1 => Expected::Delivered,
                    [] => Expected::Again,
                    [(_, reason), ..] => Expected::Dead(*reason),
                };
                assert_eq!(seen, expected, "{code} {error:?} {id:?}");
                let verdict = rig.judge(&endpoint, 0).await;
                assert!(verdict.holds(), "{code} {error:?} {id:?}: {verdict}");
                assert_eq!(rig.queue.receives(&control_id(mark)), 1, "the lease is kept");
            })
        })
        .collect();
    for lane in lanes {
        lane.await.expect("no panic");
    }
}

#[tokio::test]
async fn f41_replies_of_any_bytes_leave_the_message_in_the_queue() {
    let mut random = StdRng::seed_from_u64(41);
    let good = fault_harness::endpoint::frame(b"MSH|^~\\&|A|B|C|D|20260101||ACK|1|T|2.5.1\rMSA|AA|C1-1\r");
    for _ in 0..40 {
        // A valid reply to this very message with some bytes changed, or nothing but noise.
        let mut bytes = good.clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        if random.random_ratio(1, 4) {
            bytes = (0..random.random_range(0..200)).map(|_| random.random()).collect();
        }
        let then = vec![Step::Raw(bytes), Step::End(Close::Fin)];
        let (endpoint, rig) = started(Script::accept().rule(When::Nth(1), then)).await;
        rig.send(Mark { group: 1, version: 1 }).await;
        rig.drained().await;
        // A changed byte may leave the reply a valid refusal or, outside MSA, a valid acceptance.
        let (sends, dead) = (endpoint.received().len(), rig.queue.dead().len());
        assert!(sends <= 2 && dead <= 1, "{sends} sends, {dead} dead letters");
    }
}

/// A message that asks for an application acknowledgment (MSH-15 and MSH-16 `AL`).
async fn send_enhanced(rig: &Rig, mark: Mark) {
    let mut envelope = envelope(mark, 0);
    envelope.body = envelope.body.replacen("|T|2.5.1\r", "|T|2.5.1|||AL|AL\r", 1);
    rig.queue.send(envelope).await.expect("queued");
}

#[tokio::test]
async fn f48_after_a_commit_the_application_acknowledgment_decides() {
    let later = |code: &str| {
        vec![
            Step::Store,
            Step::Reply(Reply::new("CA")),
            Step::Delay(Duration::from_millis(50)),
            Step::Reply(Reply::new(code)),
        ]
    };
    let never = vec![Step::Store, Step::Reply(Reply::new("CA"))];
    for (then, dead) in [
        (later("AA"), None),
        (later("AE"), Some(Reason::ApplicationNegative)),
        (later("AR"), Some(Reason::ApplicationNegative)),
        (never, None),
    ] {
        let endpoint = Endpoint::start(Script::accept().rule(When::Nth(1), then)).await.expect("started");
        let rig = Rig::start(endpoint.address(), |config| {
            config.policy.application_timeout = Duration::from_millis(300);
        });
        let mark = Mark { group: 1, version: 1 };
        send_enhanced(&rig, mark).await;
        rig.drained().await;
        assert_eq!(rig.queue.dead().first().map(|(_, reason)| *reason), dead);
        assert_eq!(endpoint.received().len(), 1, "never sent again after a commit");
        // The next message goes its way.
        rig.send(Mark { group: 1, version: 2 }).await;
        rig.drained().await;
        assert_eq!(endpoint.received().len(), 2);
    }
}
