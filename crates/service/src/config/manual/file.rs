//! A settings file with every key.

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
    out.push('\n');
    comment(out, &section.text);
    let name = section.name(None);
    let header = if section.repeat == Repeat::List { format!("[[{name}]]") } else { format!("[{name}]") };
    let mark = if values.is_some() { "" } else { "#" };
    out.push_str(&format!("{mark}{header}\n"));
    for key in &section.keys {
        out.push('\n');
        comment(out, &key.text);
        let mut facts = vec![key.takes.clone()];
        facts.extend(key.kind.as_ref().map(|kind| format!("with kind = {kind:?}")));
        facts.extend(key.facts(values).into_iter().map(str::to_owned));
        facts.extend((!is_in_list).then(|| variable(section.path.iter().chain([&key.name]))));
        comment(out, &[facts.join("; ")]);
        let set = key.is_set(values);
        let value = key.default(values).filter(|_| set).unwrap_or(&key.value);
        out.push_str(&format!("{}{} = {value}\n", if set { "" } else { "#" }, key.name));
    }
}

impl ManualKey {
    /// What else there is to know.
    fn facts(&self, values: Option<&Table>) -> Vec<&'static str> {
        let mut facts = Vec::new();
        if self.is_secret {
            facts.push("secret");
        }
        match self.change {
            Change::AtStart => {}
            Change::Followed => facts.push("a change counts without restart"),
            Change::ContentFollowed => facts.push("the file is read again when it changes"),
        }
        match self.presence {
            Presence::Required => facts.push("required"),
            Presence::Default | Presence::Optional if self.default(values).is_some() => {}
            Presence::Default | Presence::Optional => facts.push("no default"),
        }
        facts
    }
}

fn comment(out: &mut String, lines: &[String]) {
    for line in lines {
        out.push_str(format!("# {line}").trim_end());
        out.push('\n');
    }
}
