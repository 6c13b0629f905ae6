//! How the two sides talk: TLS, frames, acknowledgments, repeats.

use std::time::Duration;

use fhir_adt::AckMode;

use super::document::Document;
use crate::{
    config::{BUNDLED, Config},
    errors,
};

pub(super) fn write(config: &Config, document: &mut Document) {
    document.part("1 Connection");
    document.table(&["What", "How"], facts(config));
    document.part("2 Acknowledgments");
    document.text(match config.message.ack {
        AckMode::Original => {
            "Original mode: MSH-15 and MSH-16 are empty, and one acknowledgment answers each message. A message counts as \
             delivered when MSA-1 is AA and MSA-2 is its MSH-10."
        }
        AckMode::Enhanced => {
            "Enhanced mode: MSH-15 is AL, so that each message is answered by an accept acknowledgment (CA, CE, CR) whose \
             MSA-2 is its MSH-10; MSH-16 says whether an application acknowledgment is expected too."
        }
    });
    let rows = errors::acknowledgments()
        .map(|entry| {
            vec![entry.code.to_owned(), entry.title.to_owned(), entry.remedies.join("; ").replace('`', "")]
        })
        .collect();
    document.table(&["MSA-1, ERR-3", "Meaning", "What the sender does"], rows);
}

fn facts(config: &Config) -> Vec<Vec<String>> {
    let endpoint = &config.sender.endpoint;
    let policy = &config.sender.policy;
    let bundled = endpoint.address == BUNDLED;
    let address = if bundled { "the bundled test receiver".to_owned() } else { endpoint.address.clone() };
    let encrypted = endpoint.tls.enabled || bundled;
    let tls = match (encrypted, &endpoint.tls.cert_file) {
        (false, _) => "none: messages go in clear".to_owned(),
        (true, None) => "1.3 and 1.2; the receiver's certificate is verified".to_owned(),
        (true, Some(_)) => {
            "1.3 and 1.2, mutual: the receiver's certificate is verified, and the sender shows one".to_owned()
        }
    };
    let name = endpoint.tls.server_name.clone().unwrap_or_else(|| {
        endpoint
            .address
            .rsplit_once(':')
            .map_or_else(|| endpoint.address.clone(), |(host, _)| host.to_owned())
    });
    let row = |what: &str, how: String| vec![what.to_owned(), how];
    let mut rows = vec![
        row("Direction", "the bridge connects, the receiver listens".to_owned()),
        row("Address of the receiver", address),
        row("TLS", tls),
    ];
    if encrypted && !bundled {
        rows.push(row("Name in the receiver's certificate", name));
    }
    rows.extend([
        row(
            "Frame",
            format!("MLLP release {}: 0x0B, the message, 0x1C 0x0D; segments end with 0x0D", policy.mllp_release),
        ),
        row("Character set", format!("{}, as MSH-18 says", config.message.charset.as_str())),
        row(
            "Connections",
            format!("{}, kept open; each has one message at a time, the next after its acknowledgment", config.sender.connections),
        ),
        row(
            "Idle and age",
            format!(
                "an idle connection is replaced after {}, any after {}",
                span(config.sender.idle_timeout),
                span(config.sender.max_connection_age)
            ),
        ),
        row("Acknowledgment within", format!("{} s of the last byte", endpoint.acknowledgment_timeout_seconds)),
        row(
            "Repeats",
            format!(
                "a message without acknowledgment is sent again over a new connection, byte for byte: the same MSH-7 and \
                 MSH-10; waits grow from {} to {}",
                span(policy.retry_base),
                span(policy.retry_cap)
            ),
        ),
        row("Duplicates", "may come after a lost acknowledgment; the receiver knows them by MSH-10".to_owned()),
        row(
            "Order",
            match config.hook.ordering {
                transform::OrderingScope::Patient => {
                    "messages of one patient come in order; those of different patients may overtake each other".to_owned()
                }
                transform::OrderingScope::Destination => "all messages come in one order".to_owned(),
            },
        ),
        row(
            "Given up",
            format!(
                "after {} errors (AE, CE) or {} rejections (AR, CR) without a clear cause, at once where ERR-3 says that a \
                 repeat is useless; an operator decides then",
                policy.max_errors, policy.max_rejects
            ),
        ),
    ]);
    rows
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 3600 && seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
