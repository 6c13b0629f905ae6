//! What the messages hold.

use std::collections::{BTreeMap, BTreeSet};

use fhir_adt::{FieldUse, Specification};
use inspector::Vocabulary;

use super::document::Document;

pub(super) fn write(specification: &Specification, document: &mut Document) {
    let vocabulary = Vocabulary::load();
    messages(specification, document);
    segments(specification, &vocabulary, document);
    tables(specification, &vocabulary, document);
    never(specification, &vocabulary, document);
    document.part("7 Examples");
    document.text(
        "As the settings in use write them, one segment a line. On the wire each segment ends with 0x0D.",
    );
    for kind in &specification.messages {
        document.section(format!("ADT^{}", kind.event));
        document.listing(kind.example.trim_end_matches('\r').replace('\r', "\n"));
    }
}

fn messages(specification: &Specification, document: &mut Document) {
    document.part("3 Messages");
    let rows = specification.messages.iter().map(|kind| {
        let mut names: Vec<&str> = Vec::new();
        for line in kind.example.split('\r').filter_map(|line| line.get(..3)) {
            if names.last() != Some(&line) {
                names.push(line);
            }
        }
        vec![format!("ADT^{}", kind.event), kind.when.to_owned(), names.join(" ")]
    });
    document.table(&["Event", "Sent when", "Segments of a full message"], rows.collect());
}

fn segments(specification: &Specification, vocabulary: &Vocabulary, document: &mut Document) {
    document.part("4 Segments and fields");
    document.text(
        "Usage: R is valued in every message that has the segment, O when the Patient holds the element. Rep says that the \
         field may repeat. Where no element is named, the settings or the event give the value. Rules are those of the \
         mapping specification of adt-bridge (docs/reference/mapping.md).",
    );
    for (segment, fields) in by_segment(specification) {
        let name = vocabulary.segment(segment);
        document.section(if name.is_empty() { segment.to_owned() } else { format!("{segment}: {name}") });
        let events: BTreeSet<&str> =
            fields.iter().flat_map(|field| field.events.iter().map(String::as_str)).collect();
        document.text(format!("In {}.", events.into_iter().collect::<Vec<_>>().join(", ")));
        let mut rows = Vec::new();
        let mut open = 0;
        for field in fields {
            // The field itself before its components.
            if field.place.field != open && field.place.component > 0 {
                rows.push(headline(field, vocabulary));
            }
            open = field.place.field;
            rows.push(row(field, vocabulary));
        }
        document.table(
            &["Place", "Name", "Type", "Usage", "Rep", "Table", "FHIR element", "Rule", "Example"],
            rows,
        );
    }
}

fn by_segment(specification: &Specification) -> Vec<(&str, Vec<&FieldUse>)> {
    let mut groups: Vec<(&str, Vec<&FieldUse>)> = Vec::new();
    for field in &specification.fields {
        match groups.last_mut() {
            Some((segment, fields)) if *segment == field.place.segment => fields.push(field),
            _ => groups.push((&field.place.segment, vec![field])),
        }
    }
    groups
}

/// A field of which the rows below are components.
fn headline(field: &FieldUse, vocabulary: &Vocabulary) -> Vec<String> {
    let place = &field.place;
    let part = vocabulary.field(&place.segment, place.field);
    let repeats = if field.repeats { "yes" } else { "" };
    let cells = [
        format!("{}-{}", place.segment, place.field),
        part.map_or("", |part| part.name).to_owned(),
        part.map_or("", |part| part.kind).to_owned(),
        String::new(),
        repeats.to_owned(),
        part.and_then(|part| part.table).unwrap_or_default().to_owned(),
    ];
    cells.into_iter().chain(std::iter::repeat_n(String::new(), 3)).collect()
}

fn row(field: &FieldUse, vocabulary: &Vocabulary) -> Vec<String> {
    let place = &field.place;
    let whole = vocabulary.field(&place.segment, place.field);
    let component = whole.and_then(|part| vocabulary.component(part.kind, place.component.max(1)));
    let part = match (place.component, place.subcomponent) {
        (0, _) => whole,
        (_, 0) => component,
        (_, number) => component.and_then(|part| vocabulary.component(part.kind, number)),
    };
    let repeats = if field.repeats && place.component == 0 { "yes" } else { "" };
    let list = |items: &mut dyn Iterator<Item = &str>| items.collect::<Vec<_>>().join(", ");
    vec![
        place.to_string(),
        part.map_or("", |part| part.name).to_owned(),
        part.map_or("", |part| part.kind).to_owned(),
        if field.always { "R" } else { "O" }.to_owned(),
        repeats.to_owned(),
        part.and_then(|part| part.table).unwrap_or_default().to_owned(),
        list(&mut field.elements.iter().map(String::as_str)),
        list(&mut field.rules.iter().copied()),
        field.example.clone(),
    ]
}

fn tables(specification: &Specification, vocabulary: &Vocabulary, document: &mut Document) {
    document.part("5 Code tables");
    document.text(
        "FHIR codes and the HL7 codes that are sent for them; of several rows with one FHIR code the first counts. Codes \
         that are in no table go as they are, with the name of their system.",
    );
    for table in &specification.tables {
        let name = vocabulary.table(table.number).map(|name| format!(" {name}")).unwrap_or_default();
        document.section(format!("{}{name} ({})", table.number, table.places));
        let rows = table.rows.iter().map(|[system, code, v2]| {
            let meaning = vocabulary.meaning(table.number, v2).unwrap_or_default();
            vec![code.clone(), v2.clone(), meaning.to_owned(), system.clone()]
        });
        document.table(&["FHIR code", "HL7 code", "Meaning", "FHIR system"], rows.collect());
    }
}

fn never(specification: &Specification, vocabulary: &Vocabulary, document: &mut Document) {
    document.part("6 What is never sent");
    document.text(
        "Fields of the segments above that stay empty with these settings. Segments that are not above are not sent at all.",
    );
    let mut sent: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for field in &specification.fields {
        sent.entry(&field.place.segment).or_default().insert(field.place.field);
    }
    let mut rows = Vec::new();
    for (segment, fields) in by_segment(specification) {
        let used: BTreeSet<usize> = fields.iter().map(|field| field.place.field).collect();
        let separators = if segment == "MSH" { 2 } else { 0 };
        let empty: Vec<String> = (1 + separators..)
            .map_while(|number| Some((number, vocabulary.field(segment, number)?)))
            .filter(|(number, _)| !used.contains(number))
            .map(|(number, part)| format!("{segment}-{number} {}", part.name))
            .collect();
        if !empty.is_empty() {
            rows.push(vec![segment.to_owned(), empty.join(", ")]);
        }
    }
    document.table(&["Segment", "Empty fields"], rows);
    document.section("Elements of the Patient that no message carries whole");
    document.text("The hook tells its caller of each, by the rule named here. An element in several forms stands here when one of them is not carried.");
    let rows =
        specification.not_carried.iter().map(|(element, reason)| vec![element.clone(), reason.clone()]);
    document.table(&["FHIR element", "Rule and reason"], rows.collect());
}
