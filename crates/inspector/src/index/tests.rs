use bytes::Bytes;

use super::*;

fn message(control_id: &str, event: &str, family: &str) -> Bytes {
    format!(
        "MSH|^~\\&|LAB|H|EHR|H|20240301||ADT^{event}|{control_id}|T|2.5.1\rPID|1||p-{family}^^^FHIR^FW||{family}^Anna\r"
    )
    .into()
}

fn found(id: &str, at: i64, body: Bytes) -> Change {
    Change { id: id.to_owned(), at, known: Known::Found { body } }
}

fn ids(index: &Index, query: &str) -> Vec<String> {
    let listing = index.list(&Query::parse(query), None, 100).unwrap();
    listing.rows.into_iter().map(|row| row.id).collect()
}

#[test]
fn newest_first_by_words_and_columns() {
    let (index, mut writer) = Index::open(None).unwrap();
    writer
        .apply(vec![
            found("a", 10, message("C1", "A28", "Müller")),
            found("b", 10, message("C2", "A31", "Example")),
            found("c", 30, message("C3", "A31", "Müller")),
        ])
        .unwrap();
    assert_eq!(ids(&index, ""), ["c", "b", "a"]);
    assert_eq!(ids(&index, "mull"), ["c", "a"], "the start of a word, whatever its accents");
    assert_eq!(ids(&index, "muller event:A31"), ["c"]);
    assert_eq!(ids(&index, "id:C2"), ["b"]);
    assert_eq!(ids(&index, "name:anna from:lab"), ["c", "b", "a"]);
    assert_eq!(ids(&index, "nobody"), [""; 0]);
    let page = index.list(&Query::default(), None, 2).unwrap();
    assert_eq!(page.rows.len(), 2);
    let rest = index.list(&Query::default(), page.next, 2).unwrap();
    assert_eq!((rest.rows[0].id.as_str(), rest.next), ("a", None));
}

#[test]
fn a_message_goes_its_way() {
    let (index, mut writer) = Index::open(None).unwrap();
    let body = message("C1", "A28", "Example");
    let change = |at, known| vec![Change { id: "m".to_owned(), at, known }];
    let queued =
        Known::Queued { body: body.clone(), group: "g".into(), accepted_at: Some(1_000), repeated: false };
    writer.apply(change(2_000, queued)).unwrap();
    let row = index.row("m").unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.stored), ("queued", false));
    assert_eq!(index.body(row.seq).unwrap().unwrap(), body);
    writer.apply(change(3_000, Known::Leased { body: body.clone(), count: 2 })).unwrap();
    let arrived = Arrived {
        body: body.clone(),
        outcome: "stored".into(),
        stored: true,
        acknowledgment: Some(b"MSA".to_vec()),
        ack_code: "AA".into(),
        error_code: String::new(),
        detail: String::new(),
    };
    writer.apply(change(4_000, Known::Arrived(arrived))).unwrap();
    assert_eq!(index.body(row.seq).unwrap(), None, "the store has it now");
    writer.apply(change(5_000, Known::Delivered)).unwrap();
    let row = index.row("m").unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.ack_code.as_str(), row.attempts), ("delivered", "AA", 2));
    assert_eq!(row.end_to_end_ms, Some(4));
    let kinds: Vec<String> = index.steps(row.seq).unwrap().into_iter().map(|step| step.kind).collect();
    assert_eq!(kinds, ["accepted", "queued", "sending", "received", "stored", "delivered"]);
    let (rows, last) = index.changed(0, 100).unwrap();
    assert_eq!((rows.len(), last), (1, 6));
    assert!(index.changed(last, 100).unwrap().0.is_empty());
}

#[test]
fn what_is_sent_again_has_no_answer_yet() {
    let (index, mut writer) = Index::open(None).unwrap();
    let body = message("C1", "A28", "Example");
    let mut tell = |at, known| writer.apply(vec![Change { id: "m".to_owned(), at, known }]).unwrap();
    tell(1_000, Known::Leased { body, count: 1 });
    tell(
        2_000,
        Known::Dead {
            reason: "retries_exhausted".into(),
            ack_code: "AR".into(),
            error_code: "204".into(),
            attempts: 3,
            acknowledgment: None,
        },
    );
    assert_eq!(index.row("m").unwrap().unwrap().ack_code, "AR");
    tell(3_000, Known::Operated { kind: "redriven", detail: String::new() });
    tell(4_000, Known::Delivered);
    let row = index.row("m").unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.ack_code.as_str(), row.error_code.as_str()), ("delivered", "", ""));
}

#[test]
fn whoever_tells_first_the_end_is_the_same() {
    let (index, mut writer) = Index::open(None).unwrap();
    let body = message("C1", "A28", "Example");
    let mut tell = |at, known| writer.apply(vec![Change { id: "m".to_owned(), at, known }]).unwrap();
    tell(2_000, Known::Leased { body: body.clone(), count: 1 });
    tell(3_000, Known::Delivered);
    tell(4_000, Known::Queued { body, group: "g".into(), accepted_at: Some(1_000), repeated: false });
    let row = index.row("m").unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.queue_group.as_str(), row.attempts), ("delivered", "g", 1));
    let kinds: Vec<String> = index.steps(row.seq).unwrap().into_iter().map(|step| step.kind).collect();
    assert_eq!(kinds, ["accepted", "queued", "sending", "delivered"]);
}

#[test]
fn the_same_patient_before_and_after() {
    let (index, mut writer) = Index::open(None).unwrap();
    let bodies = [("a", "X"), ("b", "Y"), ("c", "X"), ("d", "X")];
    for (at, (id, family)) in (1..).zip(bodies) {
        writer.apply(vec![found(id, at, message(id, "A31", family))]).unwrap();
    }
    let row = index.row("c").unwrap().unwrap();
    let (before, after) = index.neighbours(&row).unwrap();
    assert_eq!((before.unwrap().id.as_str(), after.unwrap().id.as_str()), ("a", "d"));
}

#[test]
fn the_oldest_go_first_with_their_words() {
    let (index, mut writer) = Index::open(None).unwrap();
    for at in 1..=10 {
        writer
            .apply(vec![found(&format!("m{at}"), at, message(&format!("C{at}"), "A28", "Example"))])
            .unwrap();
    }
    assert_eq!(writer.trim(4).unwrap(), 6);
    assert_eq!(ids(&index, "example"), ["m10", "m9", "m8", "m7"]);
    writer.forget(&["m9".to_owned()]).unwrap();
    assert_eq!(ids(&index, "example"), ["m10", "m8", "m7"]);
    assert_eq!(writer.stored().unwrap().len(), 3);
}

#[test]
fn a_file_is_private_and_another_version_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inspector/index.db");
    let (index, mut writer) = Index::open(Some(&path)).unwrap();
    writer.apply(vec![found("a", 1, message("C1", "A28", "Example"))]).unwrap();
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    drop((index, writer));
    let (index, writer) = Index::open(Some(&path)).unwrap();
    assert_eq!(ids(&index, "example"), ["a"], "it is kept");
    writer_version(&path, 99);
    drop((index, writer));
    let (index, writer) = Index::open(Some(&path)).unwrap();
    assert!(ids(&index, "").is_empty());
    drop((index, writer));
    std::fs::write(&path, "this is no database, but it is long enough to look at twice").unwrap();
    assert!(Index::open(Some(&path)).is_ok());
}

fn writer_version(path: &Path, version: i64) {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "user_version", version).unwrap();
}
