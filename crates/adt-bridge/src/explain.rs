//! Where each value of a converted message came from: for a person (`explain`) or a program (`json`).

use fhir_adt::{Conversion, Issue, Provenance, Report};
use hl7v2::{Message, Text};
use serde_json::{Value, json};

use crate::exit::Failure;

/// One line per value: its place, the value, the element it came from, the rule; then what the message does not
/// carry.
pub(crate) fn text(conversion: &Conversion) -> Result<String, Failure> {
    let rows = rows(conversion)?;
    let width =
        |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0);
    let (places, values) = (width(|row| &row.place), width(|row| &row.value).min(MOST_VALUE_COLUMNS));
    let mut lines = vec![format!("{} {}", first_event(conversion), first_control_id(conversion))];
    for row in &rows {
        let source = if row.expression.is_empty() { "the bridge" } else { &row.expression };
        lines.push(format!(
            "{:places$}  {:values$}  <- {source}  ({})",
            row.place,
            row.value.escape_debug().to_string(),
            row.rule
        ));
    }
    let lost = issues(&conversion.report);
    lines.push(if lost.is_empty() { "everything is carried".to_owned() } else { "to be known:".to_owned() });
    lines.extend(lost);
    Ok(lines.join("\n"))
}

/// Messages, provenance and report of a conversion.
pub(crate) fn json(conversion: &Conversion) -> Result<Value, Failure> {
    let messages = conversion.messages.iter().map(
        |message| json!({ "event": message.event, "controlId": message.control_id, "er7": message.er7 }),
    );
    let provenance = rows(conversion)?.into_iter().map(|row| {
        json!({ "location": row.place, "value": row.value, "expression": row.expression, "rule": row.rule })
    });
    Ok(json!({
        "messages": messages.collect::<Vec<_>>(),
        "provenance": provenance.collect::<Vec<_>>(),
        "report": conversion.report.to_operation_outcome(),
    }))
}

/// What the mapping has to say, one issue per line: places and reasons, no values.
pub(crate) fn issues(report: &Report) -> Vec<String> {
    let line =
        |issue: &Issue| format!("  {} {}: {}", issue.severity.as_str(), issue.expression, issue.diagnostics);
    report.issues.iter().map(line).collect()
}

struct Row {
    place: String,
    value: String,
    expression: String,
    rule: &'static str,
}

fn rows(conversion: &Conversion) -> Result<Vec<Row>, Failure> {
    let Some(first) = conversion.messages.first() else { return Ok(Vec::new()) };
    let text = Text::from_text(&first.er7).map_err(Failure::internal)?;
    let message = text.parse().map_err(Failure::internal)?;
    let row = |origin: Provenance| Row {
        place: origin.location.to_string(),
        value: value(&message, &origin),
        expression: origin.expression,
        rule: origin.rule,
    };
    let mut provenance = conversion.provenance().to_vec();
    for segment in provenance.chunk_by_mut(|a, b| segment_of(a) == segment_of(b)) {
        segment.sort_by_key(|origin| {
            let place = origin.location;
            (place.field, place.repetition.max(1), place.component, place.subcomponent)
        });
    }
    Ok(provenance.into_iter().map(row).collect())
}

fn segment_of(origin: &Provenance) -> (&'static str, usize) {
    (origin.location.segment, origin.location.occurrence)
}

/// What stands in the message at that place.
fn value(message: &Message<'_>, origin: &Provenance) -> String {
    let place = origin.location;
    let Some(segment) = message.segments_named(place.segment).nth(place.occurrence.saturating_sub(1)) else {
        return String::new();
    };
    let repetition = segment.field(place.field).repetition(place.repetition.max(1));
    let component = repetition.component(place.component.max(1));
    component.subcomponent(place.subcomponent.max(1)).text().unwrap_or_default().into_owned()
}

fn first_event(conversion: &Conversion) -> &str {
    conversion.messages.first().map_or("no message", |message| message.event)
}

fn first_control_id(conversion: &Conversion) -> &str {
    conversion.messages.first().map_or("", |message| &message.control_id)
}

/// Longer values push their source to the right.
const MOST_VALUE_COLUMNS: usize = 40;
