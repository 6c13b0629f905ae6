use std::collections::BTreeSet;

use super::*;

#[test]
fn every_code_is_told_once_and_in_full() {
    let all = all();
    let codes: BTreeSet<String> = all.iter().map(|entry| entry.code.to_lowercase()).collect();
    assert_eq!(codes.len(), all.len(), "a code stands twice");
    for Entry { code, title, causes, remedies, .. } in all {
        assert!(!code.contains(' ') && !title.is_empty(), "{code}");
        assert!(!causes.is_empty() && !remedies.is_empty(), "{code}");
        let told = long(&find(code)[0]);
        assert!(told.starts_with(&format!("{code}: {title}")) && told.contains(causes[0]), "{told}");
        assert!(rules::find(code).is_none(), "{code} is a rule too");
    }
}

#[test]
fn whatever_is_known_of_a_code_finds_it() {
    let codes = |asked: &str| find(asked).iter().map(|entry| entry.code).collect::<Vec<_>>();
    assert_eq!(codes("KILLS_PEER"), ["kills_peer"]);
    assert_eq!(codes("78"), ["exit-78"]);
    assert_eq!(codes("410"), ["patient-deleted"]);
    assert_eq!(codes("throttled"), ["too-many-requests"]);
    assert!(codes("503").contains(&"queue-away") && codes("503").contains(&"store-away"));
    assert!(rules::find("tel-8").unwrap().contains("XTN"));
}

#[test]
fn a_code_that_is_misspelt_is_told_the_nearest_one() {
    assert_eq!(nearest("kill_peer").as_deref(), Some("kills_peer"));
    assert_eq!(nearest("tls-unknown-autority").as_deref(), Some("tls-unknown-authority"));
    assert_eq!(nearest("no such thing at all"), None);
}

/// What the mapping's own reports name can be asked for.
#[test]
fn rules_that_reports_name_are_known() {
    for rule in ["IN-4", "TEL-8", "NM-2", "CD-3", "ESC-4"] {
        assert!(rules::find(rule).is_some(), "{rule}");
    }
    assert!(rules::names().count() >= 50, "{}", rules::names().count());
}
