//! The manual is complete and true: held against the structs by asking serde.

use std::collections::BTreeSet;

use clap::ValueEnum as _;
use service::config::manual::{ManualKey, ManualSection, Presence, Repeat};

use super::*;

fn folder() -> &'static Path {
    Path::new("/a folder/of \"mine\"")
}

fn read(text: &str) -> Config {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    service::config::load_with("", Some(file.path()), []).unwrap()
}

/// The sections of [`Config`].
fn sections() -> Vec<ManualSection> {
    manual().unwrap().only(Role::All.sections()).sections().to_vec()
}

#[test]
fn the_file_of_all_roles_says_the_defaults() {
    let config = read(&text(Role::All, folder()).unwrap());
    let said = Value::try_from(config).unwrap();
    assert_eq!(said, Value::Table(defaults(folder()).unwrap()));
}

#[test]
fn the_file_of_a_role_changes_nothing_of_its_sections() {
    let all = defaults(folder()).unwrap();
    for role in Role::value_variants() {
        let text = text(*role, folder()).unwrap();
        let written: Table = text.parse().unwrap();
        let names: Vec<&str> = written.keys().map(String::as_str).collect();
        assert_eq!(BTreeSet::from_iter(names), BTreeSet::from_iter(role.sections().iter().copied()));
        let said = Value::try_from(read(&text)).unwrap();
        for name in role.sections() {
            assert_eq!(said[*name], all[*name], "[{name}] of {role:?}");
        }
    }
}

#[test]
fn every_key_of_every_struct_is_there_and_no_other() {
    let sections = sections();
    for section in &sections {
        let kinds: BTreeSet<Option<&str>> = match section.keys.iter().find(|key| key.name == "kind") {
            None => [None].into(),
            Some(kind) => kind.takes.split('|').map(|kind| Some(kind.trim().trim_matches('"'))).collect(),
        };
        for kind in kinds {
            let of_kind = |key: &&ManualKey| key.kind.is_none() || key.kind.as_deref() == kind;
            let keys = section.keys.iter().filter(of_kind).map(|key| key.name.as_str());
            let inner = sections.iter().filter_map(|other| {
                let (name, outer) =
                    other.path.split_at_checked(section.path.len()).map(|(a, b)| (b.first(), a))?;
                name.filter(|_| outer == section.path).map(String::as_str)
            });
            let documented: BTreeSet<&str> = keys.chain(inner).filter(|name| *name != "kind").collect();
            assert_eq!(
                documented.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(),
                known_keys(&sections, section, kind),
                "[{}] of kind {kind:?}",
                section.path.join(".")
            );
        }
    }
}

#[test]
fn no_setting_hides_others_in_a_table() {
    for section in sections() {
        for key in section.keys {
            let said = key.takes.starts_with("table of ");
            assert!(said || !key.value.is_table(), "{}.{}", section.path.join("."), key.name);
        }
    }
}

#[test]
fn every_choice_is_one_and_there_is_no_other() {
    let sections = sections();
    for section in &sections {
        for key in section.keys.iter().filter(|key| key.takes.contains('|')) {
            let name = format!("{}.{}", section.path.join("."), key.name);
            let choices = key.takes.split('|').map(|choice| value(choice.trim()));
            for choice in choices.filter(|_| key.name != "kind") {
                let read = with(&sections, section, key.kind.as_deref(), (&key.name, choice.clone()));
                assert!(read.is_ok(), "{name} = {choice}: {}", read.unwrap_err());
            }
            if key.value.is_str() {
                let kind = key.kind.as_deref();
                assert!(with(&sections, section, kind, (&key.name, "no such".into())).is_err(), "{name}");
            }
        }
    }
}

#[test]
fn the_defaults_of_absent_sections_are_those_of_the_structs() {
    let sections = sections();
    for section in &sections {
        for key in section.keys.iter().filter(|key| key.presence == Presence::Default) {
            let is_of_another_kind = key.kind.is_some();
            if section.is_present && !is_of_another_kind || key.name == "kind" {
                continue;
            }
            let kind = key.kind.as_deref();
            let config = with(&sections, section, kind, ("", Value::Boolean(true))).unwrap();
            let mut place = &Value::try_from(config).unwrap();
            for name in &section.path {
                place = &place[name];
                place = place.get(0).unwrap_or(place);
            }
            let default = place.get(&key.name);
            assert_eq!(default, Some(&key.value), "{}.{}", section.path.join("."), key.name);
        }
    }
}

/// The single programs take their defaults from the manual.
#[test]
fn the_defaults_of_present_sections_are_those_of_the_structs() {
    let texts = [
        transform::Settings::defaults(),
        [sender::MANUAL, test_hl7_server::MANUAL, inspector::MANUAL].join("\n"),
    ];
    let mut said: Table = texts.join("\n").parse().unwrap();
    said.remove("health");
    let read: Config = Value::Table(said).try_into().unwrap();
    let expected = Config { store: message_store::Config::default(), ..Config::default() };
    assert_eq!(Value::try_from(read).unwrap(), Value::try_from(expected).unwrap());
}

#[test]
fn a_file_that_exists_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    write_new(&file, "first").unwrap_or_else(|failure| panic!("{failure}"));
    let refused = write_new(&file, "second").unwrap_err();
    assert_eq!(refused.code(), Code::InputInvalid);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "first");
}

fn value(text: &str) -> Value {
    format!("value = {text}").parse::<Table>().unwrap().remove("value").unwrap()
}

/// What serde says that the keys of a table are, when it is given one that cannot be.
fn known_keys(sections: &[ManualSection], section: &ManualSection, kind: Option<&str>) -> BTreeSet<String> {
    // Sorts before every key, so that it is refused before one is missed.
    let Err(refusal) = with(sections, section, kind, ("!", Value::Boolean(true))) else {
        // serde reads a kind without settings of its own from anything.
        assert!(kind.is_some(), "[{}] takes any key", section.path.join("."));
        return BTreeSet::new();
    };
    let refusal = refusal.message().lines().next().unwrap_or_default().to_owned();
    let known = refusal
        .strip_prefix("unknown field `!`, ")
        .unwrap_or_else(|| panic!("[{}] of kind {kind:?} takes any key: {refusal}", section.path.join(".")));
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The configuration with one more key in a section, which is there with what it requires, as is what it is in.
fn with(
    sections: &[ManualSection],
    section: &ManualSection,
    kind: Option<&str>,
    (key, value): (&str, Value),
) -> Result<Config, toml::de::Error> {
    let mut inner = required(section, kind);
    if !key.is_empty() {
        inner.insert(key.to_owned(), value);
    }
    let mut path = section.path.clone();
    while let Some(name) = path.pop() {
        let own = sections.iter().find(|other| {
            other.path.len() == path.len() + 1
                && other.path.starts_with(&path)
                && other.path.last() == Some(&name)
        });
        let is_list = own.is_some_and(|own| own.repeat == Repeat::List);
        let content = if is_list { Value::Array(vec![inner.into()]) } else { inner.into() };
        let outer = sections.iter().find(|other| other.path == path);
        inner = outer.map(|outer| required(outer, None)).unwrap_or_default();
        inner.insert(name, content);
    }
    Value::Table(inner).try_into()
}

fn required(section: &ManualSection, kind: Option<&str>) -> Table {
    let needed = |key: &&ManualKey| {
        key.presence == Presence::Required && (key.kind.is_none() || key.kind.as_deref() == kind)
    };
    let mut table: Table =
        section.keys.iter().filter(needed).map(|key| (key.name.clone(), key.value.clone())).collect();
    if let Some(kind) = kind {
        table.insert("kind".to_owned(), kind.into());
    }
    table
}
