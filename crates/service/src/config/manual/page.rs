//! A page in Markdown with every key.

use toml::Table;

use super::{Change, Manual, ManualKey, ManualSection, Presence, Repeat};
use crate::config::variable;

pub(super) fn write(manual: &Manual, values: &Table) -> String {
    let mut out = String::new();
    for section in manual.sections() {
        write_section(&mut out, section, manual.is_in_list(section), values);
    }
    out
}

fn write_section(out: &mut String, section: &ManualSection, is_in_list: bool, values: &Table) {
    let values = section.values(values);
    let name = section.name(Some("<name>"));
    let header = if section.repeat == Repeat::List { format!("[[{name}]]") } else { format!("[{name}]") };
    out.push_str(&format!("\n## `{header}`\n\n"));
    if !section.text.is_empty() {
        out.push_str(&format!("{}\n\n", in_markdown(&section.text.join("\n"))));
    }
    if values.is_none() && section.repeat == Repeat::Once {
        out.push_str("Absent by default.\n\n");
    }
    out.push_str("| Key and variable | Takes | Default | A change counts | What it does |\n");
    out.push_str("| --- | --- | --- | --- | --- |\n");
    for key in &section.keys {
        let mut name = format!("`{}`", key.name);
        if !is_in_list {
            let mut path: Vec<String> = section.path.clone();
            if let Some(last) = path.last_mut().filter(|_| section.repeat == Repeat::Named) {
                *last = "<name>".to_owned();
            }
            path.push(key.name.clone());
            name.push_str(&format!("<br>`{}`", variable(&path)));
        }
        let cells =
            [name, key.takes_in_a_cell(), key.default_in_a_cell(values), key.change_in_a_cell(), key.what()];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

impl ManualKey {
    fn takes_in_a_cell(&self) -> String {
        // Choices are values, everything else is a word.
        let takes = if self.takes.contains('"') { self.takes.replace('"', "`") } else { self.takes.clone() };
        if self.is_secret { format!("{takes}, **secret**") } else { takes }
    }

    fn default_in_a_cell(&self, values: Option<&Table>) -> String {
        match (self.default(values), self.presence) {
            (_, Presence::Required) => "required".to_owned(),
            (Some(value), _) => format!("`{value}`"),
            (None, _) => "none".to_owned(),
        }
    }

    fn change_in_a_cell(&self) -> String {
        match self.change {
            Change::AtStart => "at the next start",
            Change::Followed => "without restart",
            Change::ContentFollowed => "without restart, in the file",
        }
        .to_owned()
    }

    fn what(&self) -> String {
        let text = in_markdown(&self.text.join(" "));
        match &self.kind {
            Some(kind) => format!("With `kind = {kind:?}`: {text}"),
            None => text,
        }
    }
}

/// What looks like a tag would not be seen.
fn in_markdown(text: &str) -> String {
    text.replace('<', "&lt;")
}
