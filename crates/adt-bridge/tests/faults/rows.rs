//! Every row of the matrix is shown by a test, or the list says why not.

use std::{collections::BTreeMap, fs, path::Path};

#[test]
fn every_row_is_shown_or_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut shown: BTreeMap<u32, usize> = BTreeMap::new();
    for entry in fs::read_dir(&folder).expect("the folder of this test") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(path).expect("readable");
        for name in text.lines().filter_map(|line| line.trim_start().strip_prefix("async fn f")) {
            let digits = name.split('_').next().unwrap_or_default();
            if let Ok(row) = digits.parse() {
                *shown.entry(row).or_default() += 1;
            }
        }
    }
    let list = fs::read_to_string(folder.join("rows.txt")).expect("the list");
    let rows: Vec<&str> = list.lines().filter(|line| line.starts_with('F')).collect();
    assert_eq!(rows.len(), 50);
    for (row, line) in (1..).zip(rows) {
        let columns: Vec<&str> = line.splitn(3, '|').map(str::trim).collect();
        let [number, fault, state] = columns.as_slice() else { panic!("three columns: {line}") };
        assert_eq!(*number, format!("F{row}"), "in order: {line}");
        assert!(!fault.is_empty(), "{line}");
        let tests = shown.get(&row).copied().unwrap_or_default();
        match state.split_once(':') {
            Some(("not shown", reason)) => {
                assert!(tests == 0 && reason.len() > 20, "F{row} has {tests} tests")
            }
            None if *state == "shown" => assert!(tests > 0, "F{row} has no test"),
            _ => panic!("shown, or not shown: why: {line}"),
        }
    }
}
