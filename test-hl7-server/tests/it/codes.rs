use hl7v2::{Acknowledgment, Text};
use test_hl7_server::Config;

use crate::sut::{adt, codes, exchange, start, start_with};

#[tokio::test]
async fn refuses_with_the_code_that_fits() {
    let sut = start().await;
    let good = adt("C1", "A28", "p-1", "20240301");
    let changed = |from: &str, to: &str| {
        let message = good.replace(from, to);
        assert_ne!(message, good, "{from}");
        message
    };
    let cases = [
        ("hello".to_owned(), "AR 100"),
        (String::new(), "AR 100"),
        ("MSH|^^\\&|A".to_owned(), "AR 100"),
        ("FHS|^~\\&|A\rMSH|^~\\&|A\r".to_owned(), "AR 100"),
        (changed("ADT^A28^ADT_A05", "ORU^R01"), "AR 200"),
        (changed("ADT^A28^ADT_A05", ""), "AR 200"),
        (changed("ADT^A28^ADT_A05", "ADT"), "AR 201"),
        (changed("|T|2.5.1", "|X|2.5.1"), "AR 202"),
        (changed("|T|2.5.1", "|T|3.0"), "AR 203"),
        (changed("|T|2.5.1", "|T|"), "AR 203"),
        (changed("|C1|", "||"), "AE 101"),
        (changed("^FW", "^MR"), "AE 101"),
        (changed("p-1^", "p 1^"), "AE 102"),
        (changed("UNICODE UTF-8", "KLINGON").replace("Canary", "Canär\u{fffd}"), "AA"),
        (changed("\rPID", "\rno segment\rPID"), "AE 100"),
    ];
    for (index, (message, expected)) in cases.into_iter().enumerate() {
        let message = message.replace("|C1|", &format!("|C1-{index}|"));
        assert_eq!(sut.send(&message).await, expected, "{message}");
    }
}

#[tokio::test]
async fn accepts_all_versions_and_processing_ids() {
    let sut = start().await;
    for (index, version) in
        ["2.1", "2.2", "2.3.1", "2.4", "2.5", "2.6", "2.7.1", "2.8.2", "2.9"].iter().enumerate()
    {
        let message = adt(&format!("V{index}"), "A31", "p-1", "2024").replace("2.5.1", version);
        assert_eq!(sut.send(message).await, "AA", "{version}");
    }
    for processing_id in ["P", "D", "T^T", ""] {
        let message = adt(&format!("P{processing_id}"), "A31", "p-1", "2024");
        assert_eq!(sut.send(message.replace("|T|2.5", &format!("|{processing_id}|2.5"))).await, "AA");
    }
}

#[tokio::test]
async fn a_reply_names_the_message_and_repeats_nothing_else() {
    let sut = start().await;
    let mut raw = sut.raw().await;
    let mut seen = Vec::new();
    for (index, event) in ["A28", "A31", "A99"].iter().enumerate() {
        let control_id = format!("CTL-{index}");
        let message = adt(&control_id, event, "p-1", "20240301");
        let broken = message.replace("^FW", "^MR");
        for message in [message, broken.replace(&control_id, &format!("{control_id}-B"))] {
            let reply = String::from_utf8(exchange(&mut raw, message.as_bytes()).await).unwrap();
            assert!(!reply.contains("Canary") && !reply.contains("p-1"), "{reply}");
            let text = Text::from_text(&reply).unwrap();
            let header = text.parse().unwrap().header();
            assert!((1..=20).contains(&header.control_id.len()), "{reply}");
            assert!(reply.contains(&control_id) && !header.time.is_empty(), "{reply}");
            seen.push(header.control_id);
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6, "every reply has its own MSH-10");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_to_its_end_is_named_if_its_header_can() {
    let sut = start().await;
    let mut raw = sut.raw().await;
    let message = adt("C1", "A28", "p-1", "2024").into_bytes();
    let broken = [message.as_slice(), b"NK1|1|\xff\xfe\r"].concat();
    let reply = exchange(&mut raw, &broken).await;
    assert_eq!(codes(&reply), "AE 102");
    assert_eq!(Acknowledgment::from_bytes(&reply).unwrap().control_id.as_deref(), Some("C1"));
    let reply = exchange(&mut raw, b"hello").await;
    assert_eq!(Acknowledgment::from_bytes(&reply).unwrap().control_id, None);
}

/// The complaint comes with every delivery, and the message is kept.
#[tokio::test]
async fn a_message_without_logical_id_is_kept_and_complained_about() {
    let sut = start().await;
    let foreign = adt("C1", "A31", "7", "20240301").replace("^FW", "^MR");
    assert_eq!(sut.send(&foreign).await, "AE 101");
    assert_eq!(sut.send(&foreign).await, "AE 101");
    assert_eq!(sut.received().await, 1);
    let lenient = start_with(Config { require_patient_id: false, ..Config::default() }).await;
    assert_eq!(lenient.send(&foreign).await, "AA");
    assert_eq!(lenient.received().await, 1);
}

#[tokio::test]
async fn an_acknowledgment_is_never_answered() {
    let sut = start().await;
    let mut raw = sut.raw().await;
    let ack = "MSH|^~\\&|A|B|C|D|2024||ACK^A28^ACK|1|T|2.5.1\rMSA|AA|C1\r";
    let both = format!("{ack}\x1c\r\x0b{}", adt("C2", "A28", "p-1", "2024"));
    let reply = exchange(&mut raw, both.as_bytes()).await;
    assert_eq!(Acknowledgment::from_bytes(&reply).unwrap().control_id.as_deref(), Some("C2"));
    assert_eq!(sut.received().await, 1);
}
