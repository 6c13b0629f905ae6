//! Writes the database of this version as SQL, for the tests of later versions:
//!
//! ```sh
//! cargo run -p queue --example queue_fixture > crates/queue/tests/fixtures/queue-<schema version>.sql
//! ```
//!
//! Group `a` waits with three messages, `b` has a dead letter before a waiting message, `c` is parked with one of
//! each. All people are made up.
#![expect(clippy::print_stdout, reason = "standard output is the file")]

use std::{error::Error, num::NonZeroUsize, time::Duration};

use queue::{
    Attributes, DeadLetter, DeduplicationId, EmbeddedConfig, EmbeddedQueue, Envelope, GroupId, Queue, Reason,
};
use rusqlite::{Connection, types::ValueRef};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("queue-fixture-{}", std::process::id()));
    let config =
        EmbeddedConfig { path: folder.join("queue.db"), reserve_bytes: 0, ..EmbeddedConfig::default() };
    let queue = EmbeddedQueue::open(&config).await?;
    for (group, version) in [("b", 1), ("c", 1)] {
        queue.send(envelope(group, version)).await?;
    }
    let letter = DeadLetter {
        reason: Reason::NegativeAcknowledgment,
        ack_code: Some("AE".into()),
        error_code: Some("103".into()),
        attempts: 2,
        text: Some("MSH|^~\\&|\rMSA|AE|b-1\rERR|||103|E".into()),
    };
    for delivery in queue.receive(NonZeroUsize::MAX, Duration::ZERO).await? {
        queue.dead_letter(&delivery, letter.clone()).await?;
    }
    for (group, version) in [("a", 1), ("b", 2), ("a", 2), ("c", 2), ("a", 3)] {
        queue.send(envelope(group, version)).await?;
    }
    if let Some(operator) = queue.dead_letters() {
        operator.park(&GroupId::digest(&["c"])).await?;
    }
    queue.close().await?;
    drop(queue);
    print!("{}", dump(&Connection::open(&config.path)?)?);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn envelope(group: &str, version: u64) -> Envelope {
    let control_id = format!("{group}-{version}");
    Envelope {
        body: format!(
            "MSH|^~\\&|A|B|C|D|20260101||ADT^A08^ADT_A01|{control_id}|T|2.5.1\rPID|1||{group}||Probe^Ünä\r"
        ),
        group: GroupId::digest(&[group]),
        deduplication_id: DeduplicationId::digest(&[&control_id]),
        attributes: Attributes {
            control_id,
            event: "ADT^A08".into(),
            version: Some(version),
            enqueued_at: "2026-01-01T00:00:00Z".into(),
            traceparent: None,
        },
    }
}

/// Everything in the database, as statements that make it again.
fn dump(connection: &Connection) -> rusqlite::Result<String> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let mut text = format!(
        "PRAGMA application_id = {};\nPRAGMA user_version = {};\n",
        pragma("application_id")?,
        pragma("user_version")?
    );
    let mut schema = connection.prepare(
        "SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
    )?;
    let objects = schema.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let objects: Vec<(String, String, String)> = objects.collect::<rusqlite::Result<_>>()?;
    for (_, _, sql) in &objects {
        text.push_str(&format!("{sql};\n"));
    }
    for (table, _, _) in objects.iter().filter(|(_, kind, _)| kind == "table") {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values: rusqlite::Result<Vec<String>> =
                (0..columns).map(|column| Ok(literal(row.get_ref(column)?))).collect();
            text.push_str(&format!("INSERT INTO {table} VALUES ({});\n", values?.join(", ")));
        }
    }
    Ok(text)
}

/// Text as hexadecimal too: a carriage return in a file does not survive every tool.
fn literal(value: ValueRef<'_>) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    match value {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) if bytes.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b'\'') => {
            format!("'{}'", String::from_utf8_lossy(bytes))
        }
        ValueRef::Text(bytes) => format!("CAST(X'{}' AS TEXT)", hex(bytes)),
        ValueRef::Blob(bytes) => format!("X'{}'", hex(bytes)),
    }
}
