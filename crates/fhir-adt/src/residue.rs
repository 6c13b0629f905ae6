//! ZFP, the segments that carry what HL7 cannot (mapping section 10.3).
//!
//! | Field | Content |
//! | --- | --- |
//! | ZFP-1 | 1, 2, 3 … |
//! | ZFP-2 | `add`, `replace`, `remove` (RFC 6902) |
//! | ZFP-3 | JSON Pointer into the Patient |
//! | ZFP-4 | compact JSON value |
//! | ZFP-5 | FHIRPath of the source element |
//!
//! Applied in order to what the message alone reads as, they give the Patient back. On read they count only in an own
//! message, and only all together.

use hl7v2::Segment;
use serde_json::Value;

use crate::compare::{self, Action, Detail};
use crate::patch;
use crate::path::Path;
use crate::reading::{Place, Reading};
use crate::report::{IssueType, Severity};
use crate::trace::Writer;

/// The segments that turn `read` into `patient`, and the FHIRPaths of values that were too large to be sent.
pub(crate) fn write(out: &mut Writer, read: &Value, patient: &Value, max_bytes: usize) -> Vec<String> {
    let mut target = patient.clone();
    let mut too_large = Vec::new();
    loop {
        let differences = compare::compare(read, &target, Detail::Whole);
        let encoded: Vec<String> = differences
            .iter()
            .map(|difference| difference.value.map(Value::to_string).unwrap_or_default())
            .collect();
        let large = differences.iter().zip(&encoded).find(|(_, json)| json.len() > max_bytes);
        let Some((difference, _)) = large else {
            for (index, (difference, json)) in differences.iter().zip(&encoded).enumerate() {
                out.nth_segment("ZFP", index + 1);
                out.fixed(1, &(index + 1).to_string(), "10.3");
                out.fixed(2, difference.action.as_str(), "10.3");
                out.fixed(3, &difference.pointer, "10.3");
                out.set(4, json, Path::root(&difference.expression), "10.3");
                out.fixed(5, &difference.expression, "10.3");
            }
            return too_large;
        };
        // Left out of the target, so that the places of the others are right without it.
        too_large.push(difference.expression.clone());
        let (pointer, base) = (difference.pointer.clone(), difference.base.cloned());
        let action = if base.is_some() { Action::Replace } else { Action::Remove };
        if patch::apply(&mut target, action, &pointer, base).is_none() {
            return vec!["Patient".to_owned()];
        }
    }
}

/// Applies the ZFP segments of an own message to what the rest of it reads as.
pub(crate) fn apply<'m>(
    patient: Value,
    segments: impl Iterator<Item = Segment<'m>>,
    reading: &Reading<'m>,
) -> Value {
    let mut changed = patient.clone();
    for zfp in segments {
        let text = |field: usize| reading.text(zfp.field(field).component(1));
        let step = || {
            let action = match &*text(2)? {
                "add" => Action::Add,
                "replace" => Action::Replace,
                "remove" => Action::Remove,
                _ => return None,
            };
            let pointer = text(3)?;
            if matches!(&*pointer, "/id" | "/resourceType") {
                return None;
            }
            let value = match action {
                Action::Remove => None,
                Action::Add | Action::Replace => Some(serde_json::from_str(&text(4)?).ok()?),
            };
            Some((action, pointer, value))
        };
        let applied = step()
            .and_then(|(action, pointer, value)| patch::apply(&mut changed, action, &pointer, value))
            .is_some();
        if !reading.own || !applied {
            reading.tell(
                Severity::Warning,
                IssueType::Value,
                "10.3",
                Place::segment("ZFP"),
                "does not fit the message; all ZFP segments are ignored",
            );
            return patient;
        }
    }
    changed
}
