//! Every rule of the specification has a test named after it: `TEL-8` needs a function `tel_8_...`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_rule_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = fs::read_to_string(root.join("tests/rule-ids.txt")).expect("the list of rules");
    let ids: Vec<&str> =
        listed.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(ids.len() > 70, "the list is cut");

    let mut names = BTreeSet::new();
    for folder in ["src", "tests", "../hl7v2", "../../transform"] {
        sources(&root.join(folder), &mut |text| test_names(text, &mut names));
    }
    let tested = |id: &str| {
        let stem = id.to_lowercase().replace('-', "_");
        names.iter().any(|name| name == &stem || name.starts_with(&format!("{stem}_")))
    };
    let missing: Vec<&str> = ids.iter().copied().filter(|id| !tested(id)).collect();
    assert!(missing.is_empty(), "rules without a test: {missing:?}");
}

/// Calls `read` with every Rust source below `folder`.
fn sources(folder: &Path, read: &mut dyn FnMut(&str)) {
    let entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    for path in entries {
        if path.is_dir() {
            sources(&path, read);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read(&fs::read_to_string(&path).expect("a source file"));
        }
    }
}

/// Names of the functions that follow a line `#[test]` or `#[tokio::test...]`.
fn test_names(text: &str, names: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]")
            || line.starts_with("#[tokio::test")
            || line.starts_with("#[test_case");
        if let Some((_, rest)) =
            line.split_once("fn ").filter(|(before, _)| is_test && !before.contains("//"))
        {
            names.insert(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
            is_test = false;
        }
    }
}
