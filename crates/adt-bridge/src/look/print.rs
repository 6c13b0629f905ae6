//! What the inspector said, as lines for a terminal. Control characters never reach it.

use std::fmt::Write as _;

use serde_json::Value;

use super::Row;

pub(super) fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no messages".to_owned();
    }
    let lines: Vec<[String; 6]> = rows
        .iter()
        .map(|row| {
            let answer = [row.ack_code.as_str(), row.error_code.as_str()].join(" ");
            [
                row.at.get(..19).unwrap_or(&row.at).replace('T', " "),
                event(row),
                row.state.clone(),
                answer.trim().to_owned(),
                plain(if row.name.is_empty() { &row.mrn } else { &row.name }),
                plain(&row.id),
            ]
        })
        .collect();
    let heads = ["SEEN (UTC)", "EVENT", "STATE", "ANSWER", "PATIENT", "ID"].map(str::to_owned);
    let mut widths = heads.clone().map(|head| head.chars().count());
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count().min(40));
        }
    }
    let row = |cells: &[String; 6]| {
        let padded: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    std::iter::once(&heads).chain(&lines).map(row).collect::<Vec<_>>().join("\n")
}

/// One message on a line: `delivered  ADT^A28  AA  38 ms  (1 attempt)  ID`.
pub(super) fn line(row: &Row) -> String {
    let mut text = format!("{:9}  {:8}", row.state, event(row));
    for part in [&row.ack_code, &row.error_code].into_iter().filter(|part| !part.is_empty()) {
        write!(text, "  {part}").ok();
    }
    if let Some(milliseconds) = row.end_to_end_ms {
        write!(text, "  {milliseconds} ms").ok();
    }
    if row.attempts > 0 {
        write!(text, "  ({} attempt{})", row.attempts, if row.attempts == 1 { "" } else { "s" }).ok();
    }
    write!(text, "  {}", plain(&row.id)).ok();
    text
}

fn event(row: &Row) -> String {
    let event = if row.event.is_empty() { row.kind.clone() } else { format!("{}^{}", row.kind, row.event) };
    plain(&event)
}

pub(super) fn timeline(found: &Value) -> String {
    let steps = found["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |step: &Value| {
        let (at, kind, detail) = (text(&step["at"]), text(&step["kind"]), text(&step["detail"]));
        format!("{at}  {kind:9}  {detail}").trim_end().to_owned()
    };
    steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `PID-5.1  Patient name · family name  Example  <- Patient.name[0].family  (4.3)`.
pub(super) fn explained(found: &Value, only: Option<&str>) -> String {
    let mut lines: Vec<[String; 4]> = Vec::new();
    for field in members(&found["segments"]).flat_map(|segment| members(&segment["fields"])) {
        for leaf in members(&field["repetitions"]).flat_map(members).flat_map(members) {
            let location = text(&leaf["location"]);
            let raw = text(&leaf["raw"]);
            if raw.is_empty() || !only.is_none_or(|only| is_in(&location, only)) {
                continue;
            }
            let title = [text(&field["title"]), text(&leaf["title"])];
            let title = title.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
            let mut value = leaf["value"].as_str().map_or(raw, plain);
            if let Some(meaning) = leaf["meaning"].as_str() {
                write!(value, " ({})", plain(meaning)).ok();
            }
            let source = match &leaf["source"] {
                Value::Null => String::new(),
                source => {
                    let expression = text(&source["expression"]);
                    let from = if expression.is_empty() { "the bridge" } else { expression.as_str() };
                    format!("<- {from}  (rule {})", text(&source["rule"]))
                }
            };
            lines.push([location, title, value, source]);
        }
    }
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).min(44)
    };
    let widths = [width(0), width(1), width(2)];
    let lines = lines.iter().map(|[location, title, value, source]| {
        let [one, two, three] = widths;
        format!("{location:one$}  {title:two$}  {value:three$}  {source}").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn changes(found: &Value, only: Option<&str>) -> String {
    let mut lines = Vec::new();
    for change in members(&found["changes"]) {
        let location = text(&change["location"]);
        if !only.is_none_or(|only| is_in(&location, only)) {
            continue;
        }
        let side = |value: &Value| value.as_str().map_or_else(|| "(none)".to_owned(), plain);
        let (before, after) = (side(&change["before"]), side(&change["after"]));
        lines.push(format!("{location:10}  {:36}  {before}  ->  {after}", text(&change["title"])));
    }
    lines.push(format!("{} unchanged", found["unchanged"]));
    lines.join("\n")
}

fn is_in(location: &str, only: &str) -> bool {
    location.strip_prefix(only).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '[', '(']))
}

fn members(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn text(value: &Value) -> String {
    value.as_str().map(plain).unwrap_or_default()
}

/// Without control characters.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_explained_message_is_one_line_per_value() {
        let leaf = json!({ "location": "PID-8", "raw": "F", "meaning": "female",
            "source": { "expression": "Patient.gender", "rule": "5.1" } });
        let field = json!({ "title": "Administrative sex", "repetitions": [[[leaf]]] });
        let found = json!({ "segments": [{ "fields": [field] }] });
        let text = explained(&found, Some("PID"));
        assert_eq!(text, "PID-8  Administrative sex  F (female)  <- Patient.gender  (rule 5.1)");
        assert!(explained(&found, Some("PI")).is_empty() && explained(&found, Some("PID-80")).is_empty());
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        assert_eq!(plain("a\u{1b}[31m"), "a\\u{1b}[31m");
    }
}
