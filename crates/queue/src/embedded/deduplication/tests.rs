//! What is recognised, and what is let go of. A span has five places here, and two spans are enough.

use super::*;
use crate::embedded::schema;

const WINDOW_MS: u64 = 1000;

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    schema::bring_forward(&connection, 0).unwrap();
    connection
}

fn identity_of(number: u64) -> Identity {
    Sha256::digest(number.to_be_bytes()).into()
}

/// A transaction of one send: its own sequence, or the earlier one.
fn send(known: &mut Deduplication, connection: &Connection, number: u64, sequence: u64, now_ms: u64) -> u64 {
    let mut change = Change::default();
    let found = known.find(&change, connection, &identity_of(number), now_ms).unwrap();
    if found.is_none() {
        change.add(connection, identity_of(number), sequence, now_ms + WINDOW_MS).unwrap();
        assert_eq!(known.find(&change, connection, &identity_of(number), now_ms).unwrap(), Some(sequence));
    }
    known.sweep(&mut change, connection, now_ms, 2).unwrap();
    known.committed(change);
    found.unwrap_or(sequence)
}

fn count(connection: &Connection, table: &str) -> u64 {
    connection
        .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0).map(unsigned))
        .unwrap()
}

#[test]
fn a_repeat_is_recognised_wherever_its_record_is() {
    let connection = database();
    let mut known = Deduplication::load(&connection, 0).unwrap();
    for number in 1..=40 {
        assert_eq!(send(&mut known, &connection, number, number, 0), number);
        assert!(known.spans.len() <= MOST_SPANS + 1);
    }
    assert!(count(&connection, "deduplication") > 0 && count(&connection, "recent_send") > 0);
    let mut again = Deduplication::load(&connection, 0).unwrap();
    for known in [&mut known, &mut again] {
        for number in (1..=40).rev() {
            assert_eq!(send(known, &connection, number, 41, WINDOW_MS - 1), number);
        }
    }
}

#[test]
fn what_expired_is_sent_again_and_let_go_of() {
    let connection = database();
    let mut known = Deduplication::load(&connection, 0).unwrap();
    for number in 1..=40 {
        send(&mut known, &connection, number, number, 0);
    }
    for number in 1..=40 {
        assert_eq!(send(&mut known, &connection, number, 40 + number, WINDOW_MS), 40 + number);
    }
    assert_eq!((count(&connection, "recent_send") + count(&connection, "deduplication")), 40);
    for number in 1..=40 {
        assert_eq!(send(&mut known, &connection, number, 100, WINDOW_MS), 40 + number);
    }
    // One send a window: everything else leaves, and nothing is left to search by hash.
    for number in 0..40 {
        let sequence = 81 + number;
        send(&mut known, &connection, 100 + number, sequence, (3 + number) * WINDOW_MS);
    }
    assert_eq!((count(&connection, "recent_send"), count(&connection, "deduplication")), (1, 0));
    assert!(!known.by_hash && known.spans.len() == 1);
}

#[test]
fn a_change_that_was_not_committed_left_nothing() {
    let mut connection = database();
    let mut known = Deduplication::load(&connection, 0).unwrap();
    send(&mut known, &connection, 1, 1, 0);
    let refused = connection.transaction().unwrap();
    let mut change = Change::default();
    change.add(&refused, identity_of(2), 2, 2 * WINDOW_MS).unwrap();
    known.sweep(&mut change, &refused, WINDOW_MS, 2).unwrap();
    assert_eq!(count(&refused, "recent_send"), 1);
    drop(refused);
    assert_eq!(send(&mut known, &connection, 1, 2, 0), 1);
    assert_eq!(send(&mut known, &connection, 2, 2, 0), 2);
}

#[test]
fn hashes_that_look_alike_are_told_apart() {
    let connection = database();
    let mut known = Deduplication::load(&connection, 0).unwrap();
    let alike = |number: u8| {
        let mut identity = [7; 32];
        identity[31] = number;
        identity
    };
    for number in 0..12 {
        let mut change = Change::default();
        assert_eq!(known.find(&change, &connection, &alike(number), 0).unwrap(), None);
        change.add(&connection, alike(number), u64::from(number) + 1, WINDOW_MS).unwrap();
        known.committed(change);
    }
    for number in 0..12 {
        let found = known.find(&Change::default(), &connection, &alike(number), 0).unwrap();
        assert_eq!(found, Some(u64::from(number) + 1));
    }
}

#[test]
fn the_records_of_an_older_file_still_count() {
    let connection = Connection::open_in_memory().unwrap();
    schema::make_version(&connection, 2);
    let record = params![identity_of(1), 17, signed(WINDOW_MS)];
    connection
        .execute("INSERT INTO deduplication (key, seq, expires_ms) VALUES (?1, ?2, ?3)", record)
        .unwrap();
    schema::bring_forward(&connection, 0).unwrap();
    let mut known = Deduplication::load(&connection, 0).unwrap();
    assert_eq!(send(&mut known, &connection, 1, 18, WINDOW_MS - 1), 17);
    assert_eq!(send(&mut known, &connection, 1, 18, WINDOW_MS), 18);
    assert_eq!(count(&connection, "deduplication"), 0);
}
