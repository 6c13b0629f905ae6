//! What the endpoint says of a message, and what the sender makes of it (`sender/src/disposition.rs`).

use hl7v2::AckCode;

use super::Entry;

entries! {
    ALL of AckCode {
        AckCode::AA => Entry {
            code: "AA",
            title: "the endpoint accepted the message",
            causes: &["it was processed"],
            remedies: &["nothing: with our MSH-10 in MSA-2 the message leaves the queue"],
            example: "MSA|AA|06DQX2M4K7T8N9P3R5VW",
        },
        AckCode::AE => Entry {
            code: "AE",
            title: "the endpoint found an error",
            causes: &["ERR-3 says which; 207 and 206 are faults of its own that pass"],
            remedies: &[
                "with 100 to 104 or 200 to 203 the message is given up, with 206 or 207 it is sent again, without ERR \
                 sender.policy.max_errors times",
                "`adt-bridge errors ERR-101` explains a cause",
            ],
            example: "MSA|AE|06DQX2M4K7T8N9P3R5VW",
        },
        AckCode::AR => Entry {
            code: "AR",
            title: "the endpoint rejected the message",
            causes: &["it does not take this type, event, processing id or version (ERR-3 200 to 203)", "it is overloaded (207)"],
            remedies: &["compare MSH-9, MSH-11 and MSH-12 with what it wants; [message] sets them"],
            example: "MSA|AR|06DQX2M4K7T8N9P3R5VW",
        },
        AckCode::CA => Entry {
            code: "CA",
            title: "the endpoint took custody (enhanced mode)",
            causes: &["its listener has stored the message; its application may still report"],
            remedies: &["nothing; where MSH-16 asks for it, the sender waits sender.policy.application_timeout for the report"],
            example: "MSA|CA|06DQX2M4K7T8N9P3R5VW",
        },
        AckCode::CE => Entry {
            code: "CE",
            title: "the endpoint did not take custody: an error",
            causes: &["as AE, from the listener"],
            remedies: &["as AE"],
            example: "MSA|CE|06DQX2M4K7T8N9P3R5VW",
        },
        AckCode::CR => Entry {
            code: "CR",
            title: "the endpoint did not take custody: rejected",
            causes: &["as AR, from the listener"],
            remedies: &["as AR"],
            example: "MSA|CR|06DQX2M4K7T8N9P3R5VW",
        },
    }
}

macro_rules! cause {
    ($code:literal, $title:literal, $cause:literal, $remedy:literal) => {
        Entry { code: $code, title: $title, causes: &[$cause], remedies: &[$remedy], example: "" }
    };
}

/// Table 0357, as the sender reads it.
pub(super) const CAUSES: &[Entry] = &[
    cause!(
        "ERR-100",
        "segment sequence error",
        "a segment is missing, or stands where it does not expect it",
        "given up at once; compare `adt-bridge spec` with what it wants"
    ),
    cause!(
        "ERR-101",
        "required field missing",
        "it wants a field that the Patient does not fill",
        "given up at once; fill it at the source, or agree that it may be empty"
    ),
    cause!(
        "ERR-102",
        "data type error",
        "a value is not what it takes for its type: a date, a number",
        "given up at once; `dlq show` has the field it names"
    ),
    cause!(
        "ERR-103",
        "table value not found",
        "a code is not in its tables",
        "given up at once; agree on the code tables of the specification"
    ),
    cause!(
        "ERR-104",
        "value too long",
        "a value is longer than it takes",
        "given up at once; message.length = \"reject\" refuses such Patients at the hook"
    ),
    cause!(
        "ERR-200",
        "unsupported message type",
        "MSH-9.1 is not one it takes",
        "given up at once; another port or interface may take ADT"
    ),
    cause!(
        "ERR-201",
        "unsupported event code",
        "MSH-9.2: it takes another event profile",
        "given up at once; message.profile = \"pix\" sends A04 and A08"
    ),
    cause!(
        "ERR-202",
        "unsupported processing id",
        "MSH-11: training where it wants production, or the reverse",
        "given up at once; message.processing_id"
    ),
    cause!(
        "ERR-203",
        "unsupported version id",
        "MSH-12: another version of HL7",
        "given up at once; message.version"
    ),
    cause!(
        "ERR-204",
        "unknown key identifier",
        "it does not know the patient that the message is about",
        "sent again as often as AE and AR are; then a dead letter"
    ),
    cause!(
        "ERR-205",
        "duplicate key identifier",
        "it has this message already",
        "on a repeat it counts as delivered; otherwise given up: look at what it has"
    ),
    cause!(
        "ERR-206",
        "application record locked",
        "somebody else works on the record",
        "sent again, sender.policy.max_passing_faults times"
    ),
    cause!(
        "ERR-207",
        "application internal error",
        "a fault of its own: its database, its disk, its load",
        "sent again, sender.policy.max_passing_faults times; tell its people"
    ),
];
