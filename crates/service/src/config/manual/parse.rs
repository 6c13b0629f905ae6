//! From the text to its sections and keys.

use std::net::SocketAddr;

use toml::{Table, Value};

use super::{Change, ManualKey, ManualSection, Presence, Problem, Repeat};
use crate::config::duration;

/// What stands above a header or a key.
#[derive(Default)]
struct Above {
    text: Vec<String>,
    tags: Vec<String>,
}

/// Adds the sections of one text.
pub(super) fn parse(text: &str, sections: &mut Vec<ManualSection>) -> Result<(), Problem> {
    let mut above = Above::default();
    for (number, line) in (1..).zip(text.lines()) {
        let fail = |reason: &str| Problem::new(format!("manual line {number}"), reason);
        let (line, is_written) = match line.strip_prefix('#') {
            Some(rest) => (rest, false),
            None => (line, true),
        };
        if let Some(tags) = line.strip_prefix(": ").filter(|_| !is_written) {
            above.tags.extend(tags.split("; ").map(str::to_owned));
        } else if line.is_empty() && is_written {
            above = Above::default();
        } else if (line.is_empty() || line.starts_with(' ')) && !is_written {
            above.text.push(line.trim().to_owned());
        } else if line.starts_with('[') {
            let section = section(line, is_written, std::mem::take(&mut above));
            sections.push(section.ok_or_else(|| fail("is not the header of a section"))?);
        } else {
            let section = sections.last_mut().ok_or_else(|| fail("stands in no section"))?;
            let key = key(line, is_written, section, std::mem::take(&mut above));
            section.keys.push(key.ok_or_else(|| fail("is not a setting"))?);
        }
    }
    Ok(())
}

fn section(line: &str, is_present: bool, above: Above) -> Option<ManualSection> {
    let is_list = line.starts_with("[[");
    let inner = line.trim_matches(['[', ']']);
    let path: Vec<String> = inner.split('.').map(str::to_owned).collect();
    let mut repeat = if is_list { Repeat::List } else { Repeat::Once };
    let mut followed = false;
    for tag in above.tags {
        match tag.as_str() {
            "named" => repeat = Repeat::Named,
            "followed" => followed = true,
            _ => return None,
        }
    }
    let plain = |name: &String| !name.is_empty() && !name.contains(['"', ' ', '#']);
    let section = ManualSection { path, repeat, is_present, text: above.text, keys: Vec::new(), followed };
    section.path.iter().all(plain).then_some(section)
}

fn key(line: &str, is_written: bool, section: &ManualSection, above: Above) -> Option<ManualKey> {
    let (name, _) = line.split_once(" = ")?;
    let value = line.parse::<Table>().ok()?.remove(name)?;
    let (mut presence, mut takes, mut kind) = (None, None, None);
    let mut change = if section.followed { Change::Followed } else { Change::AtStart };
    let mut is_secret = false;
    for tag in above.tags {
        match tag.as_str() {
            "secret" => is_secret = true,
            "followed" => change = Change::Followed,
            "content followed" => change = Change::ContentFollowed,
            "required" => presence = Some(Presence::Required),
            "optional" => presence = Some(Presence::Optional),
            _ => match tag.strip_prefix("for kind \"").and_then(|kind| kind.strip_suffix('"')) {
                Some(of) => kind = Some(of.to_owned()),
                None => takes = Some(tag),
            },
        }
    }
    // In a section that is there, a key that is not written has no default, unless it is one of another kind.
    let has_default = is_written || !section.is_present || kind.is_some();
    let presence = presence.unwrap_or(if has_default { Presence::Default } else { Presence::Optional });
    let takes = takes.unwrap_or_else(|| self::takes(name, &value).to_owned());
    Some(ManualKey {
        name: name.to_owned(),
        value,
        presence,
        text: above.text,
        takes,
        is_secret,
        change,
        kind,
    })
}

/// What a key takes, as far as its value and name show.
fn takes(name: &str, value: &Value) -> &'static str {
    match value {
        Value::Boolean(_) => "boolean",
        Value::Integer(_) if name.ends_with("_bytes") => "bytes",
        Value::Integer(_) if name.ends_with("_seconds") => "seconds",
        Value::Integer(_) | Value::Float(_) => "number",
        Value::String(text) if duration::parse(text).is_some() => "duration",
        Value::String(text) if text.parse::<SocketAddr>().is_ok() => "address",
        Value::String(_) if name.ends_with("_file") || name == "path" => "path",
        Value::String(_) | Value::Datetime(_) => "text",
        Value::Array(_) => "list",
        Value::Table(_) => "table",
    }
}
