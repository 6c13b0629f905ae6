//! Places where something may have leaked, and the search through them.

use std::{fs, path::Path};

use data_encoding::{BASE64_NOPAD, HEXLOWER};

/// Every text of a marked patient holds this, so one search finds any of them.
pub(crate) const MARKER: &str = "Qzxcanary";
/// Values that cannot hold it: dates of birth and of death in both notations, times, numbers.
const OTHERS: [&str; 9] = [
    "1847-02-28",
    "18470228",
    "1847-03-01",
    "18470301",
    "1847-04-05",
    "18470405",
    "01:02:03.456",
    "010203.456",
    "918273645",
];

/// Texts by the place they were found in.
#[derive(Default)]
pub(crate) struct Places(Vec<(String, String)>);

impl Places {
    pub(crate) fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    /// Every file and folder name below `folder`, except the contract's `Patient/{id}`.
    pub(crate) fn add_names(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).expect("readable") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().expect("a type").is_dir() && name != "Patient" {
                self.add_names(&entry.path());
            }
            self.add("file name", name);
        }
    }

    /// Every column of the queue's file, except the message itself and what the endpoint said.
    pub(crate) fn add_queue_file(&mut self, path: &Path) {
        self.add_columns(path, "queue column", &[("message", "body"), ("dead_letter", "text")], |_| true);
    }

    /// Every column of the store's file, except the messages and the contract's `Patient/{id}`.
    pub(crate) fn add_store_file(&mut self, path: &Path) {
        self.add_columns(path, "store column", &[("object", "body")], |text| !text.starts_with("Patient/"));
    }

    fn add_columns(
        &mut self,
        path: &Path,
        place: &str,
        known: &[(&str, &str)],
        counts: impl Fn(&str) -> bool,
    ) {
        let file = rusqlite::Connection::open(path).expect("a database");
        let mut columns = file
            .prepare(
                "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'",
            )
            .expect("the schema");
        let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("columns");
        let mut seen = 0;
        for (table, column) in columns.map(|column: Result<(String, String), _>| column.expect("a column")) {
            if known.contains(&(table.as_str(), column.as_str())) {
                continue;
            }
            let mut rows =
                file.prepare(&format!("SELECT CAST({column} AS TEXT) FROM {table}")).expect("rows");
            let values = rows.query_map([], |row| row.get::<_, Option<String>>(0)).expect("values");
            let values = values.map(|value| value.unwrap_or_default().unwrap_or_default());
            for value in values.filter(|value| counts(value)) {
                self.add(place, value);
                seen += 1;
            }
        }
        assert!(seen > 0, "the {place}s hold something");
    }

    /// Place and line of everything that should not be there.
    pub(crate) fn leaks(&self) -> Vec<(String, String)> {
        let lines = self.0.iter().flat_map(|(place, text)| text.lines().map(move |line| (place, line)));
        lines.filter(|(_, line)| leaks(line)).map(|(place, line)| (place.clone(), line.to_owned())).collect()
    }

    pub(crate) fn assert_clean(&self) {
        let leaks: Vec<String> =
            self.leaks().into_iter().map(|(place, line)| format!("{place}: {line}")).collect();
        assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    }

    /// The search looked at something in each of these.
    pub(crate) fn assert_searched(&self, places: &[&str]) {
        for wanted in places {
            let some = self.0.iter().any(|(place, text)| place == wanted && !text.is_empty());
            assert!(some, "nothing was searched: {wanted}");
        }
    }
}

/// Whether a marked value is in the text: as it is, in either case, percent-encoded, JSON-escaped, in base64 (at any
/// offset, both alphabets), or in hexadecimal.
pub(crate) fn leaks(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let decoded = [percent_decoded(&lower), json_unescaped(&lower), json_unescaped(&percent_decoded(&lower))];
    let plain: Vec<String> = std::iter::once(MARKER).chain(OTHERS).map(str::to_ascii_lowercase).collect();
    let is_plain = |text: &String| plain.iter().any(|needle| text.contains(needle));
    if is_plain(&lower) || decoded.iter().any(is_plain) {
        return true;
    }
    let mut encoded = Vec::new();
    for value in
        [MARKER, &MARKER.to_ascii_lowercase(), &MARKER.to_ascii_uppercase()].into_iter().chain(OTHERS)
    {
        encoded.extend((0..3).map(|offset| base64(value, offset)));
        if lower.contains(&HEXLOWER.encode(value.as_bytes())) {
            return true;
        }
    }
    encoded.iter().any(|needle| text.contains(needle))
}

/// What stands in base64 for `value`, `offset` bytes after the beginning of a group of three: the characters that no
/// neighbour changes. Letters and digits encode to letters and digits mostly; `+` and `/` do not occur in ours.
fn base64(value: &str, offset: usize) -> String {
    let bytes = [&[0; 2][..offset.min(2)], value.as_bytes()].concat();
    let whole = bytes.len() * 8 / 6;
    let first = (offset * 8).div_ceil(6);
    BASE64_NOPAD.encode(&bytes).chars().take(whole).skip(first).collect()
}

fn percent_decoded(text: &str) -> String {
    decoded(text, "%", 2)
}

fn json_unescaped(text: &str) -> String {
    decoded(text, "\\u", 4)
}

/// Replaces `prefix` and so many hexadecimal digits by the character they stand for, as far as it is ASCII.
fn decoded(text: &str, prefix: &str, digits: usize) -> String {
    let mut parts = text.split(prefix);
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        match code.and_then(char::from_u32).filter(char::is_ascii) {
            Some(c) => {
                decoded.push(c.to_ascii_lowercase());
                decoded.push_str(part.get(digits..).unwrap_or_default());
            }
            None => {
                decoded.push_str(prefix);
                decoded.push_str(part);
            }
        }
    }
    decoded
}

#[test]
fn the_search_knows_every_form_of_a_value() {
    let value = format!("{MARKER}17");
    let escaped: String = value.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let percent: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for found in [value.clone(), value.to_uppercase(), escaped, percent, HEXLOWER.encode(value.as_bytes())] {
        assert!(leaks(&format!("a line with {found} in it")), "{found}");
    }
    for before in ["", "x", "xy", "xyz", "{\"name\":\""] {
        for value in [value.as_str(), "1847-02-28", "18470301"] {
            let text = data_encoding::BASE64.encode(format!("{before}{value} and more").as_bytes());
            assert!(leaks(&format!("body={text};")), "{before}{value}");
            let text = data_encoding::BASE64URL_NOPAD.encode(format!("{before}{value}").as_bytes());
            assert!(leaks(&text), "{before}{value}");
        }
    }
    for innocent in ["", "canary", "1847", "2024-03-01T01:02:03Z", "%", "\\u", "%zz \\u00", "%5"] {
        assert!(!leaks(innocent), "{innocent}");
    }
}
