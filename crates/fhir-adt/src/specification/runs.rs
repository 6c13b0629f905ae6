//! The conversions that show what the mapping sends.

use serde_json::Map;

use super::{
    BTreeMap, BTreeSet, CodeTable, Conversion, FieldUse, Interaction, Mapper, MappingContext, MessageKind,
    Place, Specification, Value, elements, json, places,
};

/// One conversion.
pub(super) struct Run {
    patient: Value,
    what: What,
    when: &'static str,
}

enum What {
    Write(Interaction),
    /// The Patient as it was before this write.
    After(Value),
    DeleteById,
}

/// Everything that may happen to a patient.
pub(super) fn all() -> Vec<Run> {
    let [full, other] = [FULL, OTHER].map(|text| serde_json::from_str(text).unwrap_or(Value::Null));
    let least = json!({ "resourceType": "Patient", "id": "specification-3" });
    let with = |patient: &Value, name: &str, value: Value| {
        let mut patient = patient.clone();
        patient[name] = value;
        patient
    };
    let link = |kind: &str| json!([{ "other": { "reference": "Patient/specification-9" }, "type": kind }]);
    let mut runs = Vec::new();
    let mut add = |patient: &Value, what: What, when| runs.push(Run { patient: patient.clone(), what, when });
    for patient in [&full, &other, &least] {
        add(patient, What::Write(Interaction::Create), "a Patient that was not there before is written");
        add(patient, What::Write(Interaction::Update), "a Patient that was there before is written");
        add(patient, What::Write(Interaction::Delete), "a Patient is deleted");
        let inactive = with(patient, "active", json!(false));
        add(&inactive, What::Write(Interaction::Update), "a Patient is written with active = false");
        let retired = with(patient, "link", link("replaced-by"));
        add(&retired, What::Write(Interaction::Update), "a Patient is written that another one replaces");
        let survivor = with(patient, "link", link("replaces"));
        add(&survivor, What::Write(Interaction::Update), "a Patient is written that replaces another one");
        let linked = with(patient, "link", link("seealso"));
        add(&linked, What::Write(Interaction::Update), "a Patient is written with a link to another one");
        add(patient, What::After(linked), "a Patient is written whose link to another one is gone");
    }
    let mut versioned = full.clone();
    each_concept(&mut versioned, &mut |concept| {
        concept.remove("text");
        each_coding(concept, |_, coding| coding["version"] = json!("1"));
    });
    let mut own = full.clone();
    each_concept(&mut own, &mut |concept| {
        each_coding(concept, |number, coding| {
            coding["system"] = json!(format!("https://hospital.example/own-{number}"));
            coding["version"] = json!("1");
        });
    });
    for extension in own["extension"].as_array_mut().into_iter().flatten() {
        // A race or ethnicity of its details alone.
        if let Some(Value::Array(parts)) = extension.get_mut("extension") {
            parts.retain(|part| part["url"] != "ombCategory");
        }
    }
    own["contact"][0]["address"]["type"] = json!("physical");
    for patient in [&versioned, &own] {
        add(patient, What::Write(Interaction::Create), "a Patient that was not there before is written");
    }
    add(&least, What::DeleteById, "a Patient is deleted");
    runs
}

/// Calls `change` with every CodeableConcept below `value`.
fn each_concept(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_concept(item, change)),
        Value::Object(members) => {
            if members.contains_key("coding") {
                change(members);
            }
            members.values_mut().for_each(|member| each_concept(member, change));
        }
        _ => {}
    }
}

fn each_coding(concept: &mut Map<String, Value>, mut change: impl FnMut(usize, &mut Value)) {
    let codings = concept.get_mut("coding").and_then(Value::as_array_mut);
    codings.into_iter().flatten().enumerate().for_each(|(number, coding)| change(number, coding));
}

impl Run {
    /// Converts, and notes what came out.
    pub(super) fn collect(&self, mapper: &Mapper, collected: &mut Collected) {
        let target = |_: &str| -> Option<Value> {
            let mut other = serde_json::from_str::<Value>(FULL).ok()?;
            other["id"] = json!("specification-9");
            Some(other)
        };
        let context = MappingContext {
            receipt_time: jiff::Timestamp::from_second(RECEIPT_SECOND).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
            request_id: "specification",
            patient_id: self.patient["id"].as_str().unwrap_or("specification"),
            destination: "default",
            lookup: Some(&target),
            previous: match &self.what {
                What::After(previous) => Some(previous),
                What::Write(_) | What::DeleteById => None,
            },
        };
        let converted = match &self.what {
            What::Write(interaction) => mapper.patient_to_adt(&self.patient, *interaction, &context),
            What::After(_) => mapper.patient_to_adt(&self.patient, Interaction::Update, &context),
            What::DeleteById => mapper.delete_to_adt(context.patient_id, &context),
        };
        // What a configuration refuses, it does not send.
        if let Ok(conversion) = converted {
            collected.take(self, &conversion);
        }
    }
}

/// What came out of all conversions so far.
#[derive(Default)]
pub(super) struct Collected {
    kinds: Vec<MessageKind>,
    fields: BTreeMap<(usize, Place), Seen>,
    /// How many segments of a name there were.
    segments: BTreeMap<String, usize>,
    not_carried: BTreeMap<String, String>,
}

#[derive(Default)]
struct Seen {
    /// In how many segments it was valued.
    count: usize,
    repeats: bool,
    elements: BTreeSet<String>,
    rules: BTreeSet<&'static str>,
    example: String,
    events: BTreeSet<String>,
}

impl Collected {
    fn take(&mut self, run: &Run, conversion: &Conversion) {
        for (index, message) in conversion.messages.iter().enumerate() {
            let Ok(text) = hl7v2::Text::from_text(&message.er7) else { continue };
            let Ok(parsed) = text.parse() else { continue };
            if !self.kinds.iter().any(|kind| kind.event == message.event) {
                // The first message of a write is what its reason names; the others are for links.
                let when =
                    if index == 0 { run.when } else { "a link of a Patient to another one is made or ends" };
                self.kinds.push(MessageKind {
                    event: message.event.to_owned(),
                    when,
                    example: message.er7.clone(),
                });
            }
            for segment in parsed.segments() {
                *self.segments.entry(segment.name().to_owned()).or_default() += 1;
                // One segment at a time: what is always there is there in each.
                let header = parsed.segment("MSH").map_or("", |msh| msh.raw());
                let rest = if segment.name() == "MSH" { "" } else { segment.raw() };
                let alone = format!("{header}\r{rest}\r");
                let Ok(alone) = hl7v2::Text::from_text(&alone) else { continue };
                let Ok(alone) = alone.parse() else { continue };
                let own = segment.name();
                let mut met = BTreeSet::new();
                for (place, repetition, value) in
                    places(&alone).into_iter().filter(|(place, ..)| place.segment == own)
                {
                    let seen = self.fields.entry((order(own), place.clone())).or_default();
                    seen.repeats |= repetition > 1;
                    seen.events.insert(message.event.to_owned());
                    if seen.example.is_empty() {
                        seen.example = value;
                    }
                    if met.insert(place) {
                        seen.count += 1;
                    }
                }
            }
            if index == 0 {
                self.explain(run, conversion);
            }
        }
        // A merge says of everything else that it is not in the message.
        let is_plain =
            run.patient.get("link").is_none() && matches!(run.what, What::Write(Interaction::Create));
        for issue in conversion.report.issues.iter().filter(|_| is_plain) {
            let element = elements::named(&issue.expression, &run.patient);
            self.not_carried.entry(element).or_insert_with(|| issue.diagnostics.to_string());
        }
    }

    /// Elements and rules of what stands in the first message.
    fn explain(&mut self, run: &Run, conversion: &Conversion) {
        for origin in conversion.provenance() {
            let at = origin.location;
            let fits = |place: &Place| {
                place.segment == at.segment
                    && place.field == at.field
                    && (place.component == at.component || place.component.max(1) == at.component.max(1))
                    && place.subcomponent.max(1) == at.subcomponent.max(1)
            };
            let element = elements::named(&origin.expression, &run.patient);
            for ((_, place), seen) in &mut self.fields {
                if fits(place) {
                    seen.rules.insert(origin.rule);
                    if !element.is_empty() {
                        seen.elements.insert(element.clone());
                    }
                }
            }
        }
    }

    pub(super) fn finish(self, tables: Vec<CodeTable>) -> Specification {
        let segments = self.segments;
        let fields = self.fields.into_iter().map(|((_, place), seen)| FieldUse {
            always: segments.get(&place.segment).is_some_and(|count| *count == seen.count),
            place,
            repeats: seen.repeats,
            elements: seen.elements,
            rules: seen.rules,
            example: seen.example,
            events: seen.events,
        });
        let fields = fields.collect();
        Specification { messages: self.kinds, fields, tables, not_carried: self.not_carried }
    }
}

/// Segments in the order of the messages; others, such as a site's own, come last.
fn order(segment: &str) -> usize {
    let known = ["MSH", "EVN", "PID", "PD1", "MRG", "NK1", "PV1"];
    known.iter().position(|name| *name == segment).unwrap_or(known.len())
}

/// Everything that the mapping carries.
const FULL: &str = include_str!("full.json");
/// The same elements in other ways: texts without codes, partial dates, booleans.
const OTHER: &str = include_str!("other.json");
/// 2024-03-01T09:30:15Z
const RECEIPT_SECOND: i64 = 1_709_285_415;
