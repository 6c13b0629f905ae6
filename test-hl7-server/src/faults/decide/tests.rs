use super::*;

fn decider(rules: &str) -> Decider {
    Decider::new(Scenario::parse(rules).unwrap())
}

/// Which of `count` messages, all alike but for their number and control id, meet a fault.
fn hits(rules: &str, count: u64) -> Vec<u64> {
    let mut decider = decider(rules);
    let mut hit = |sequence: &u64| {
        let control_id = format!("A{sequence}");
        let arrived = Arrived {
            sequence: *sequence,
            connection: 1,
            control_id: &control_id,
            event: "A31",
            groups: &[],
        };
        decider.message(arrived, Duration::ZERO).is_some()
    };
    (1..=count).filter(|sequence| hit(sequence)).collect()
}

#[test]
fn without_rules_nothing_happens() {
    assert!(hits("", 50).is_empty());
}

#[test]
fn nth_every_and_times_count_what_fits() {
    let rule = |rest: &str| format!("[[rule]]\nthen = [\"reset\"]\n{rest}\n");
    let cases: [(&str, &[u64]); 7] = [
        ("", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ("match = { nth = 3 }", &[3]),
        ("match = { every = 5 }", &[5, 10]),
        ("times = 2", &[1, 2]),
        ("times = 1\nmatch = { every = 5 }", &[5]),
        ("match = { control_id = '1$', nth = 2 }", &[11]),
        ("match = { control_id = '^A1', every = 2 }", &[10, 12]),
    ];
    for (rest, expected) in cases {
        assert_eq!(hits(&rule(rest), 12), expected, "{rest}");
    }
}

#[test]
fn conditions_are_all_to_be_met() {
    let hash = message_store::PatientKey::new("p-1").unwrap().digest();
    let groups = [hash.clone()];
    let matching = |condition: &str, connection: u64| {
        let mut decider = decider(&format!("[[rule]]\nmatch = {condition}\nthen = [\"close\"]"));
        let arrived = Arrived { sequence: 1, connection, control_id: "C1", event: "A28", groups: &groups };
        decider.message(arrived, Duration::ZERO).is_some()
    };
    for condition in [
        "{ patient = 'p-1' }".to_owned(),
        format!("{{ group = '{hash}' }}"),
        "{ event = 'A28', connection = 2, control_id = 'C' }".to_owned(),
    ] {
        assert!(matching(&condition, 2), "{condition}");
    }
    for condition in [
        "{ patient = 'p-2' }",
        "{ event = 'A31' }",
        "{ connection = 1 }",
        "{ patient = 'p-1', event = 'A31' }",
    ] {
        assert!(!matching(condition, 2), "{condition}");
    }
}

#[test]
fn the_delivery_counts_a_control_id() {
    let mut decider = decider("[[rule]]\nmatch = { delivery = 2 }\nthen = [\"close\"]");
    let mut hit = |sequence, control_id| {
        let arrived = Arrived { sequence, connection: 1, control_id, event: "", groups: &[] };
        decider.message(arrived, Duration::ZERO).is_some()
    };
    let sent = ["a", "b", "a", "c", "a", "b"];
    let hits: Vec<bool> = (1..).zip(sent).map(|(sequence, id)| hit(sequence, id)).collect();
    assert_eq!(hits, [false, false, true, false, false, true]);
}

#[test]
fn chance_depends_on_the_seed_and_the_number_alone() {
    let rule = |seed, rest: &str| {
        format!("seed = {seed}\n{rest}[[rule]]\nmatch = {{ probability = 0.25 }}\nthen = [\"close\"]")
    };
    let seven = hits(&rule(7, ""), 4000);
    assert_eq!(seven, hits(&rule(7, ""), 4000));
    assert!((900..1100).contains(&seven.len()), "{}", seven.len());
    assert_ne!(seven, hits(&rule(8, ""), 4000));
    assert!(hits("[[rule]]\nmatch = { probability = 0 }\nthen = []", 500).is_empty());
    assert_eq!(hits("[[rule]]\nmatch = { probability = 1.0 }\nthen = []", 500).len(), 500);
}

#[test]
fn the_first_rule_that_matches_decides() {
    let mut decider = decider(
        "[[rule]]\nname = 'poison'\nmatch = { control_id = 'X' }\nthen = ['close']\n[[rule]]\nthen = ['answer']",
    );
    let mut rule = |control_id| {
        let arrived = Arrived { sequence: 1, connection: 1, control_id, event: "", groups: &[] };
        decider.message(arrived, Duration::ZERO).unwrap()
    };
    assert_eq!(rule("X1"), Decision { rule: "poison".to_owned(), actions: vec![Action::Close] });
    assert_eq!(rule("Y1"), Decision { rule: "rule 2".to_owned(), actions: vec![Action::Answer] });
}

#[test]
fn windows_count_from_the_start_of_the_scenario() {
    let text = "[[rule]]\nmatch = { after = '2s', before = '4s' }\nthen = []\n\
                [[connection]]\nmatch = { after = '1m' }\nthen = ['reset']\n\
                [[outage]]\nafter = '10s'\nbefore = '20s'\n[[outage]]\nafter = '1h'";
    let mut decider = decider(text);
    let seconds = Duration::from_secs;
    let arrived = Arrived { sequence: 1, connection: 1, control_id: "", event: "", groups: &[] };
    let inside: Vec<u64> =
        (0..6).filter(|second| decider.message(arrived, seconds(*second)).is_some()).collect();
    assert_eq!(inside, [2, 3]);
    assert_eq!(decider.connection(1, seconds(59)), None);
    assert_eq!(decider.connection(2, seconds(60)).unwrap().actions, [ConnectionAction::Reset]);
    let cases = [
        (0, (false, Some(10))),
        (10, (true, Some(20))),
        (19, (true, Some(20))),
        (20, (false, Some(3600))),
        (3600, (true, None)),
    ];
    for (second, (refused, next)) in cases {
        assert_eq!(decider.outage(seconds(second)), (refused, next.map(seconds)), "{second}");
    }
}

#[test]
fn mistakes_are_named_with_their_place_and_without_their_values() {
    let cases = [
        ("seed = 1\n[[rule]]\nthen = ['sotre']", "line 3: unknown variant"),
        ("[[rule]]\nthen = []\nmatch = { pateint = 'Canary' }", "line 3: unknown field"),
        ("[[rule]]\nthen = []\nmatch = { nth = 0 }", "line 3: invalid value"),
        ("[[rule]]\nthen = []\nmatch = { patient = 'Canary/1' }", "line 3: "),
        ("[[rule]]\nthen = []\nmatch = { control_id = '(' }", "line 3: not a regular expression"),
        ("[[rule]]\nthen = []\nmatch = { nth = 'Canary' }", "line 3: invalid type, expected a nonzero u64"),
        ("[[rule]]\nthen = []\nmatch = { after = 3 }", "line 3: invalid type"),
        ("[[rule]]\nthen = []\nmatch = { probability = 2 }", "rule 1: probability is from 0 to 1"),
        ("[[rule]]\nname = 'x'\nthen = ['answer', 'store']", "x: storing comes before the first reply"),
        ("[[rule]]\nthen = ['store', 'store']", "rule 1: a message is stored once"),
        ("[[rule]]\nthen = ['close', 'answer']", "rule 1: close, reset and stall come last"),
        ("[[rule]]\nthen = [{ reply = { code = 'accept' } }]", "rule 1: a code is two capital letters"),
        ("[[rule]]\nthen = [{ reply = { error = 207 } }]", "rule 1: a reply with an error"),
        ("[[connection]]\nthen = [{ end_after = { bytes = 1, with = 'x' } }]", "line 2: "),
        ("[[rules]]\nthen = []", "line 1: unknown field"),
    ];
    for (text, expected) in cases {
        let error = Scenario::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(expected) && !error.contains("Canary"), "{text}: {error}");
    }
}
