//! Which messages one write sends (mapping section 2.1).
//!
//! | Interaction | `pam` | `pix` | Structure |
//! | --- | --- | --- | --- |
//! | create | A28 | A04 | ADT_A05 / ADT_A01 |
//! | update | A31 | A08 | ADT_A05 / ADT_A01 |
//! | delete | A29 | A29 (or A23) | ADT_A21 |
//! | link `replaced-by` | A40 only | A40 only | ADT_A39 |
//! | link `seealso` | and A24 | and A24 | ADT_A24 |
//! | link `seealso` removed | and A37 | and A37 | ADT_A37 |

use crate::config::{DeleteEvent, InactiveEvent, MappingConfig, MergeTrigger, Profile, Seealso};
use crate::context::Interaction;
use crate::fhir::{Link, Patient, Reference};
use crate::header::Event;
use crate::report::{Issue, IssueType, Report};

/// What one write sends.
#[derive(Debug, PartialEq)]
pub(crate) enum Main {
    /// The current state.
    Snapshot(Event),
    /// A delete.
    Delete(Event),
    /// A merge; the position of its link.
    Merge { link: usize, retired_is_target: bool },
    /// Nothing.
    Nothing,
}

/// A link or unlink that follows.
#[derive(Debug, PartialEq)]
pub(crate) struct Follow<'a> {
    pub(crate) event: Event,
    pub(crate) target: Reference<'a>,
    pub(crate) expression: String,
}

pub(crate) const A40: Event = Event { code: "A40", structure: "ADT_A39" };
const A24: Event = Event { code: "A24", structure: "ADT_A24" };
const A37: Event = Event { code: "A37", structure: "ADT_A37" };

/// The event of a create or update.
pub(crate) fn snapshot(interaction: Interaction, profile: Profile) -> Event {
    match (profile, interaction) {
        (Profile::Pam, Interaction::Create) => Event { code: "A28", structure: "ADT_A05" },
        (Profile::Pam, _) => Event { code: "A31", structure: "ADT_A05" },
        (Profile::Pix, Interaction::Create) => Event { code: "A04", structure: "ADT_A01" },
        (Profile::Pix, _) => Event { code: "A08", structure: "ADT_A01" },
    }
}

/// The event of a delete; `None` where none is sent.
pub(crate) fn delete(config: &MappingConfig) -> Option<Event> {
    match config.delete_event {
        DeleteEvent::A29 => Some(Event { code: "A29", structure: "ADT_A21" }),
        DeleteEvent::A23 => Some(Event { code: "A23", structure: "ADT_A21" }),
        DeleteEvent::None => None,
    }
}

/// Decides the main message of a write, and tells what has no event.
pub(crate) fn main(
    patient: &Patient<'_>,
    previous: Option<&Patient<'_>>,
    interaction: Interaction,
    config: &MappingConfig,
    report: &mut Report,
) -> Main {
    let of_type = |wanted: &'static str| {
        let links = patient.link.iter().enumerate();
        links.filter(move |(_, link)| link.r#type.as_deref() == Some(wanted)).map(|(index, _)| index)
    };
    let replaced_by: Vec<usize> = of_type("replaced-by").collect();
    if let [_, second, ..] = replaced_by[..] {
        let reason = "a record cannot be replaced by several";
        let path = format!("Patient.link[{second}]");
        report.push(Issue::error(IssueType::BusinessRule, "MRG-G", path, reason));
        return Main::Nothing;
    }
    if let Some(&link) = replaced_by.first() {
        if config.merge.trigger == MergeTrigger::Replaces {
            let reason = "the write of the survivor sends the merge; nothing is sent for the retired record";
            let path = format!("Patient.link[{link}]");
            report.push(Issue::warning(IssueType::BusinessRule, "MRG-B", path, reason));
            return Main::Nothing;
        }
        return Main::Merge { link, retired_is_target: false };
    }
    if config.merge.trigger != MergeTrigger::ReplacedBy {
        // A link that the previous version had already was sent then.
        let is_new = |link: &Link<'_>| !previous.is_some_and(|previous| previous.link.contains(link));
        let mut new = of_type("replaces").filter(|&link| patient.link.get(link).is_some_and(is_new));
        if let Some(link) = new.next() {
            return Main::Merge { link, retired_is_target: true };
        }
    }
    if previous.is_some_and(|previous| {
        previous.link.iter().any(|link| link.r#type.as_deref() == Some("replaced-by"))
    }) {
        let reason = "an un-merge has no event; an update is sent";
        report.push(Issue::warning(IssueType::NotSupported, "MRG-J", "Patient.link", reason));
    }
    if patient.active == Some(false) && config.inactive_event == InactiveEvent::A29 {
        return match delete(config) {
            Some(event) => Main::Delete(event),
            None => Main::Nothing,
        };
    }
    Main::Snapshot(snapshot(interaction, config.profile))
}

/// The A24 and A37 messages that follow, in the order of the links.
pub(crate) fn follow<'a>(
    patient: &Patient<'a>,
    previous: Option<&Patient<'a>>,
    config: &MappingConfig,
) -> Vec<Follow<'a>> {
    if config.link.seealso == Seealso::Off {
        return Vec::new();
    }
    let seealso = |patient: &Patient<'a>, event: Event| -> Vec<Follow<'a>> {
        let links = patient.link.iter().enumerate();
        links
            .filter(|(_, link)| link.r#type.as_deref() == Some("seealso"))
            .filter_map(|(index, link)| {
                let expression = format!("Patient.link[{index}]");
                Some(Follow { event, target: link.other.clone()?, expression })
            })
            .collect()
    };
    let mut follow = seealso(patient, A24);
    if let Some(previous) = previous {
        let mut removed = seealso(previous, A37);
        removed.retain(|gone| !follow.iter().any(|kept| kept.target == gone.target));
        for gone in &mut removed {
            gone.expression = "Patient.link".to_owned();
        }
        follow.extend(removed);
    }
    follow
}
