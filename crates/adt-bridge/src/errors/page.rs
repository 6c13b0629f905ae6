//! `docs/reference/error-codes.md`.

use super::{AREAS, Entry};
use crate::reference::cell;

/// Every code with its causes and remedies.
pub(crate) fn page() -> String {
    let mut text = String::from(BEFORE);
    for area in AREAS {
        text.push_str(&format!(
            "\n## {}\n\n{}\n\n| Code | What happened | Why | What to do |\n",
            area.name, area.met
        ));
        text.push_str("| --- | --- | --- | --- |\n");
        for Entry { code, title, causes, remedies, .. } in (area.entries)() {
            let columns = [title.to_owned(), causes.join("; "), remedies.join("; ")];
            let [title, causes, remedies] = columns.map(|text| cell(&text));
            text.push_str(&format!("| `{code}` | {title} | {causes} | {remedies} |\n"));
        }
    }
    text
}

const BEFORE: &str = "\
# Error codes

`adt-bridge errors CODE` tells the same without a network. It also knows exit codes by their number, HTTP statuses, FHIR
issue types, and the rules of [the mapping](mapping.md) (`adt-bridge errors TEL-8`). An unknown code ends with 8 and the
nearest one.
";
