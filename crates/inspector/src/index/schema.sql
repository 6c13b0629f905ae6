-- One row per message. `seq` is the time it was first seen, in microseconds, made unique.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    control_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    event TEXT NOT NULL,
    version TEXT NOT NULL,
    sender TEXT NOT NULL,
    receiver TEXT NOT NULL,
    patient TEXT NOT NULL,
    name TEXT NOT NULL,
    mrn TEXT NOT NULL,
    state TEXT NOT NULL,
    ack_code TEXT NOT NULL DEFAULT '',
    error_code TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    deliveries INTEGER NOT NULL DEFAULT 0,
    accepted_us INTEGER,
    received_us INTEGER,
    settled_us INTEGER,
    queue_group TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    -- Only of a message that the store does not have.
    body BLOB,
    acknowledgment BLOB
);
CREATE INDEX message_by_patient ON message (patient, seq) WHERE patient <> '';
CREATE INDEX message_by_control_id ON message (control_id, seq);
CREATE INDEX message_by_event ON message (event, seq);
CREATE INDEX message_by_kind ON message (kind, seq);
CREATE INDEX message_by_state ON message (state, seq);
CREATE INDEX message_by_ack ON message (ack_code, seq) WHERE ack_code <> '';

-- The words, without the text: what they came from is in the store.
CREATE VIRTUAL TABLE words USING fts5 (
    names, ids, anything,
    content = '', contentless_delete = 1, detail = full, prefix = '2 3',
    tokenize = "unicode61 remove_diacritics 2"
);

-- What happened to a message, in the order it became known. No values of patients.
CREATE TABLE step (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    seq INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    at_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX step_by_message ON step (seq, number);
