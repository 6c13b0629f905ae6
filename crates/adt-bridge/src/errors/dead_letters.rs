//! Why a message was given up.

use queue::Reason;

use super::Entry;

entries! {
    ALL of Reason {
        Reason::NegativeAcknowledgment => Entry {
            code: "negative_acknowledgment",
            title: "the endpoint refused the message and would refuse it again",
            causes: &[
                "ERR-3 says what: 100 to 104 something in the message, 200 to 203 its type, event, processing id or version",
                "the endpoint wants another MSH-3 to MSH-6, version or event profile",
                "a code or an identifier that it does not know",
            ],
            remedies: &[
                "`dlq show ID` has its text (ERR-8); it may hold patient data",
                "agree with its people on [message]; `adt-bridge spec` is the paper for that",
                "when the cause is gone: `dlq redrive ID`; when a newer message of the patient was delivered: `dlq skip ID`",
            ],
            example: "17  negative_acknowledgment  AE 101  ADT^A31",
        },
        Reason::RetriesExhausted => Entry {
            code: "retries_exhausted",
            title: "the endpoint refused the message more often than the policy allows, and gave no clear cause",
            causes: &[
                "AE or AR without ERR: the listener does not say what it dislikes",
                "a fault of the endpoint that lasts longer than sender.policy.max_errors tries",
            ],
            remedies: &[
                "ask its people what they log for the control id",
                "then `dlq redrive ID`; sender.policy.max_errors, max_rejects and retry_cap give it longer",
            ],
            example: "18  retries_exhausted  AE  ADT^A28",
        },
        Reason::ApplicationNegative => Entry {
            code: "app_negative",
            title: "the endpoint took custody (CA) and reported a failure later",
            causes: &["its application could not work with what its listener had taken"],
            remedies: &[
                "ask its people what became of the control id: it may be stored there",
                "`dlq redrive ID` sends it again, `dlq skip ID` leaves it",
            ],
            example: "19  app_negative  AE 207  ADT^A31",
        },
        Reason::KillsPeer => Entry {
            code: "kills_peer",
            title: "the connection was lost each time this message was sent, while others were accepted",
            causes: &["the endpoint crashes or hangs over this message: a length, a character, a repetition"],
            remedies: &[
                "give its people the message (`dlq show ID`; patient data)",
                "`dlq redrive ID` once they have mended it",
            ],
            example: "20  kills_peer  ADT^A28",
        },
        Reason::Expired => Entry {
            code: "expired",
            title: "the message got older than sender.policy.max_age",
            causes: &["the endpoint was away for longer than that"],
            remedies: &["`dlq redrive ID` sends it all the same", "sender.policy.max_age = \"0s\" never gives up for age"],
            example: "21  expired  ADT^A31",
        },
        Reason::TooLarge => Entry {
            code: "too_large",
            title: "the message is larger than a frame may be",
            causes: &["a Patient with very many repetitions, or large residues (message.residue)"],
            remedies: &["smaller residues: message.residue_max_bytes", "`dlq skip ID`, and send the patient anew"],
            example: "22  too_large  ADT^A31",
        },
        Reason::Unsendable => Entry {
            code: "unsendable",
            title: "what stood in the queue cannot be sent: no HL7 message, or MSH-10 is not the id it was queued with",
            causes: &["another program wrote into the queue"],
            remedies: &["find out which; `dlq export` keeps it, `dlq skip ID` lets it go"],
            example: "23  unsendable",
        },
        Reason::ReceiveLimit => Entry {
            code: "receive_limit",
            title: "it was received more often than sender.policy.max_receives: the process ends while it works on it",
            causes: &["a sender that crashes or is killed over and over: memory, a scheduler, a fault of this program"],
            remedies: &["read the log of the sender before each end", "`dlq redrive ID` once that is mended"],
            example: "24  receive_limit  ADT^A28",
        },
        Reason::Parked => Entry {
            code: "parked",
            title: "an earlier message of the same patient was given up, and later ones build on it",
            causes: &["sender.policy.park_events: a merge (A40) that the endpoint did not take"],
            remedies: &["redrive or skip the earlier one first, then `queue unpark GROUP`"],
            example: "25  parked  ADT^A31",
        },
        Reason::Damaged => Entry {
            code: "damaged",
            title: "the stored bytes are not those that were written; they must not be delivered",
            causes: &["a disk that fails, or a program that wrote into the file"],
            remedies: &["`adt-bridge doctor` checks the whole file", "send the patient anew, then `dlq skip ID`"],
            example: "26  damaged  ADT^A28",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_by_its_own_name() {
        assert!(ALL.iter().map(|entry| entry.code).eq(Reason::ALL.iter().map(|reason| reason.as_str())));
    }
}
