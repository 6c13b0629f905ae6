//! Alert rules and dashboard against what is declared: every name, every label, every value of one.

use std::{collections::BTreeSet, fs, path::Path};

use instruments::{Kind, Metric};
use serde_json::Value;

use crate::metrics::declared;

fn file(path: &str) -> String {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A metric as an expression names it: with the suffix of a series of a histogram.
fn declaration(name: &str) -> &'static Metric {
    let found = declared().into_iter().find(|metric| match metric.kind {
        Kind::Histogram(_) => {
            ["_bucket", "_sum", "_count"].iter().any(|suffix| name.strip_suffix(suffix) == Some(metric.name))
        }
        Kind::Counter | Kind::Gauge | Kind::Info => name == metric.name,
    });
    found.unwrap_or_else(|| panic!("{name} is not declared"))
}

/// The names in an expression, each with what stands in the braces behind it.
fn selectors(expression: &str) -> Vec<(&str, &str)> {
    let mut selectors = Vec::new();
    for (start, _) in expression.match_indices("adt_bridge_") {
        let (_, rest) = expression.split_at(start);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let inside = behind.strip_prefix('{').map_or("", |inside| inside.split('}').next().unwrap_or(inside));
        selectors.push((name, inside));
    }
    selectors
}

/// `label="a"`, `label!~"a|b"`: the label and the values that it is compared with.
fn matchers(inside: &str) -> Vec<(&str, Vec<&str>)> {
    inside
        .split(',')
        .filter(|matcher| !matcher.trim().is_empty())
        .map(|matcher| {
            let (label, value) = matcher.split_once(['=', '!']).unwrap_or_else(|| panic!("{matcher}"));
            let value = value.trim_start_matches(['=', '~']).trim();
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            (label.trim(), value.unwrap_or_else(|| panic!("{matcher}")).split('|').collect())
        })
        .collect()
}

fn check(expression: &str) -> BTreeSet<&'static str> {
    let mut known = BTreeSet::from(["le"]);
    let mut used = BTreeSet::new();
    let selectors = selectors(expression);
    assert!(!selectors.is_empty(), "no metric in {expression}");
    for (name, inside) in selectors {
        let metric = declaration(name);
        used.insert(metric.name);
        for (label, values) in matchers(inside) {
            let declared = metric.labels.iter().find(|declared| declared.name == label);
            let declared = declared.unwrap_or_else(|| panic!("{name} has no {label}: {expression}"));
            for value in values {
                assert!(declared.values.contains(&value), "{label} is never {value}: {expression}");
            }
        }
        known.extend(metric.labels.iter().map(|label| label.name));
        if matches!(metric.kind, Kind::Counter) {
            let asked = ["rate(", "increase("].iter().any(|function| expression.contains(function));
            assert!(asked, "a counter is read by its rate: {expression}");
        }
    }
    for group in expression.split("by (").skip(1) {
        for label in group.split(')').next().unwrap_or_default().split(',') {
            assert!(known.contains(label.trim()), "by {label}: {expression}");
        }
    }
    for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
        let count = |wanted| expression.matches(wanted).count();
        assert_eq!(count(open), count(close), "{expression}");
    }
    used
}

#[test]
fn every_alert_is_about_something_that_is_measured() {
    let text = file("observability/alerts.yml");
    let failures = file("docs/explanation/failures.md");
    let anchors: Vec<String> = failures
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    let mut alerts = BTreeSet::new();
    for alert in text.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap_or_default();
        assert!(alerts.insert(name), "{name} twice");
        let after = |key: &str| {
            let (_, rest) = alert.split_once(key).unwrap_or_else(|| panic!("{name} has no {key}"));
            rest
        };
        // Either on one line, or folded over the more indented ones that follow.
        let expression = after("expr: ");
        let (first, rest) = expression.split_once('\n').unwrap_or((expression, ""));
        let folded = rest.lines().take_while(|line| line.starts_with("          "));
        let expression = match first.trim() {
            ">-" => folded.map(str::trim).collect::<Vec<_>>().join(" "),
            first => first.to_owned(),
        };
        check(&expression);
        assert!(["warning", "critical"].iter().any(|word| after("severity: ").starts_with(word)), "{name}");
        assert!(after("summary: ").lines().next().is_some_and(|line| line.ends_with('.')), "{name}");
        let runbook = after("runbook: ").lines().next().unwrap_or_default();
        let place = runbook.strip_prefix("docs/explanation/failures.md").unwrap_or_else(|| panic!("{name}"));
        let anchor = place.trim_start_matches('#');
        assert!(anchor.is_empty() || anchors.iter().any(|known| known == anchor), "{name}: {runbook}");
        assert!(failures.contains(&format!("`{name}`")), "{name} is not in failures.md");
    }
    assert!(alerts.len() >= 5);
}

#[test]
fn the_dashboard_shows_everything_that_is_declared_and_nothing_else() {
    let dashboard: Value = serde_json::from_str(&file("observability/dashboard.json")).unwrap();
    let mut shown = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{} twice", panel["id"]);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            shown.extend(check(expression));
            for label in target["legendFormat"].as_str().unwrap().split("{{").skip(1) {
                let label = label.split("}}").next().unwrap_or_default();
                assert!(expression.contains(label), "{label} of a legend is not in {expression}");
            }
        }
    }
    // Of use in an alert or a table, and not over time.
    let beside = [
        "adt_bridge_build_info",
        "adt_bridge_config_reloads_total",
        "adt_bridge_sender_poll_timestamp_seconds",
        "adt_bridge_sender_heartbeat_timestamp_seconds",
    ];
    let missing: Vec<_> = declared()
        .iter()
        .map(|metric| metric.name)
        .filter(|name| !shown.contains(name) && !beside.contains(name))
        .collect();
    assert!(missing.is_empty(), "not on the dashboard: {missing:?}");
}

#[test]
#[should_panic(expected = "is not declared")]
fn a_name_that_is_not_declared_is_found() {
    check("sum(rate(adt_bridge_no_such_total[5m]))");
}

#[test]
#[should_panic(expected = "is never")]
fn a_value_that_a_label_never_has_is_found() {
    check("sum(rate(adt_bridge_sender_acks_total{code!~\"AA|ZZ\"}[5m]))");
}
