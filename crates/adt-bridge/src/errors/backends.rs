//! The queue and the message store.

use message_store::StoreError;
use queue::QueueError;

use super::Entry;

entries! {
    ALL_QUEUE of QueueError {
        QueueError::Unavailable { .. } => Entry {
            code: "queue-unreachable",
            title: "the queue cannot be reached, or stopped working",
            causes: &["SQS: the network, credentials, rights, the Region", "the file: the disk, the rights of the user"],
            remedies: &["`adt-bridge doctor` names the cause; nothing that was accepted is lost"],
            example: "queue unavailable: SQS answered AccessDenied",
        },
        QueueError::Full => Entry {
            code: "queue-no-room",
            title: "the queue takes no more messages; deliveries go on",
            causes: &["the disk is full", "the file has reached queue.max_file_bytes: the endpoint has been away for long"],
            remedies: &["make room; see why nothing is delivered (`queue status`, `doctor`)"],
            example: "queue full",
        },
        QueueError::TooLarge { .. } => Entry {
            code: "queue-message-too-large",
            title: "the message is larger than the queue takes (1 MiB)",
            causes: &["a Patient with thousands of repetitions, or large residues (message.residue)"],
            remedies: &["look at the Patient; message.residue_max_bytes"],
            example: "message of 1400000 bytes is over the limit of 1048576",
        },
        QueueError::InvalidBody { .. } => Entry {
            code: "queue-body-invalid",
            title: "the message is empty, or holds a character that no queue carries",
            causes: &["another program than this hook made it"],
            remedies: &["look at what it sends"],
            example: "body is empty or has a refused character at byte 17",
        },
        QueueError::InvalidEnvelope { .. } => Entry {
            code: "queue-envelope-invalid",
            title: "an id or attribute of the message is not acceptable",
            causes: &["a group or id of more than 128 characters, from another program than this hook"],
            remedies: &["look at what sends it"],
            example: "group of the envelope is not acceptable",
        },
        QueueError::Stale => Entry {
            code: "receipt-stale",
            title: "the lease of the message had ended",
            causes: &["the sender was stopped or suspended for longer than queue.visibility_seconds"],
            remedies: &["nothing: the message comes again"],
            example: "receipt is stale",
        },
        QueueError::Corrupt { .. } => Entry {
            code: "queue-file-damaged",
            title: "the file of the queue is damaged, missing, or not a queue",
            causes: &["the disk fails", "the file was removed or replaced without its -wal and .lock"],
            remedies: &[
                "stop the service and copy the folder away before anything else",
                "put the last copy back, or take what `sqlite3 COPY .recover` gives",
                "removing the file and its .lock begins with an empty queue and loses what waited",
            ],
            example: "queue file damaged: the integrity check of SQLite failed",
        },
        QueueError::Owned => Entry {
            code: "queue-file-owned",
            title: "another running process has the file of the queue",
            causes: &["`up`, or a sender, runs with the same folder"],
            remedies: &["stop it, or use another --data-dir; several processes share a queue in SQS only"],
            example: "the queue file belongs to another running process",
        },
        QueueError::Configuration { .. } => Entry {
            code: "queue-settings",
            title: "the settings of the queue cannot work, or its file is of a newer program",
            causes: &["the text names the setting or the version"],
            remedies: &["mend the [queue] section, or start the newer program: there is no way back"],
            example: "queue configuration: url and dead_letter_url are the same queue",
        },
        QueueError::NotFound => Entry {
            code: "dead-letter-not-found",
            title: "there is no such dead letter or group",
            causes: &["it was redriven or skipped meanwhile"],
            remedies: &["`dlq ls`"],
            example: "not found",
        },
        QueueError::Superseded => Entry {
            code: "dead-letter-superseded",
            title: "a newer message of the patient was delivered already: this one would put an older state over it",
            causes: &["the patient changed again after the message was given up"],
            remedies: &["`dlq skip ID`", "`dlq redrive ID --force-stale`, once its people agree"],
            example: "a newer message of the group was already delivered",
        },
        QueueError::MaybeSuperseded => Entry {
            code: "dead-letter-maybe-superseded",
            title: "SQS cannot tell whether a newer message of the patient was delivered",
            causes: &["nobody keeps that in SQS"],
            remedies: &["look with `search` or at the endpoint, then `dlq redrive ID --force-stale` or `dlq skip ID`"],
            example: "this queue cannot tell whether a newer message of the group was already delivered",
        },
        QueueError::OutOfOrder => Entry {
            code: "dead-letter-out-of-order",
            title: "an older dead letter of the same patient comes first",
            causes: &["messages of a patient go in their order"],
            remedies: &["redrive or skip the older one; `dlq redrive --all` keeps the order by itself"],
            example: "an older dead letter of the group comes first",
        },
        QueueError::Unsupported => Entry {
            code: "queue-unsupported",
            title: "this kind of queue cannot do that",
            causes: &["a queue in memory has no operator's side"],
            remedies: &["queue.kind = \"embedded\" or \"sqs\""],
            example: "not supported by this queue",
        },
    }
}

entries! {
    ALL_STORE of StoreError {
        StoreError::Unavailable { .. } => Entry {
            code: "store-unreachable",
            title: "the message store cannot be reached, or refused",
            causes: &["S3: the network, credentials, rights, the Region", "the folder: the disk, the rights of the user"],
            remedies: &["`adt-bridge doctor` names the cause"],
            example: "message store is unavailable during put_current: AccessDenied",
        },
        StoreError::Full => Entry {
            code: "store-no-room",
            title: "the message store has no room",
            causes: &["the disk is full, or a quota is reached"],
            remedies: &["make room: received/ may be archived, oldest first"],
            example: "message store is full",
        },
        StoreError::Changed => Entry {
            code: "store-record-changed",
            title: "somebody else wrote the record in between",
            causes: &["two hooks took a write of the same patient at once"],
            remedies: &["nothing: it is read again and decided anew"],
            example: "the record changed since it was read",
        },
        StoreError::Corrupt { .. } => Entry {
            code: "store-object-damaged",
            title: "a stored object is not readable",
            causes: &["another program wrote it, or a disk damaged it"],
            remedies: &["put a copy back, or send the Patient again: its next message replaces it"],
            example: "a stored object is not readable: not an accepted record",
        },
        StoreError::Config { .. } => Entry {
            code: "store-settings",
            title: "the settings of the store cannot work",
            causes: &["the text names the setting"],
            remedies: &["mend the [store] section"],
            example: "message store settings: store.bucket is empty",
        },
    }
}
