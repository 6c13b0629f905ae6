//! One write being converted: its messages and its report.

use std::cell::OnceCell;

use hl7v2::Text;
use serde_json::Value;

use super::Mapper;
use super::subject::read_message;
use crate::compare::{self, Detail, Difference};
use crate::config::{InactiveEvent, MergeTrigger, Profile, UpdateMode};
use crate::context::{AdtMessage, Conversion, Interaction, MappingContext, Rejection, Subject};
use crate::events::{self, Follow, Main};
use crate::fhir::{Meta, Patient, Str};
use crate::header::{self, Event};
use crate::loss;
use crate::merge::{self, Other};
use crate::nk1;
use crate::normalise::{self, Normal};
use crate::origins::Origins;
use crate::pid;
use crate::read;
use crate::reading::Reading;
use crate::report::{Issue, IssueType, Report};
use crate::residue;
use crate::site::Site;
use crate::trace::{LeftOut, Provenance, Writer};
use crate::z_segment;

impl Mapper {
    pub(super) fn write<'a>(
        &'a self,
        meta: Option<Meta<'a>>,
        context: &'a MappingContext<'a>,
        report: Report,
    ) -> Write<'a> {
        let (site, traced) = (&self.site, self.traced);
        let (conversion, own) = (Conversion::default(), Own::default());
        Write { site, traced, context, meta, key: None, report, conversion, own }
    }
}

/// One write being converted.
pub(super) struct Write<'a> {
    site: &'a Site,
    traced: bool,
    context: &'a MappingContext<'a>,
    meta: Option<Meta<'a>>,
    /// Patient id and version key of the control id, where the write itself does not give them (MRG-B).
    key: Option<(String, String)>,
    pub(super) report: Report,
    pub(super) conversion: Conversion,
    own: Own,
}

/// What the site's own fields and segments did to the Patient's elements.
#[derive(Default)]
struct Own {
    left_out: Vec<LeftOut>,
    sent: Vec<z_segment::Sent>,
}

impl<'a> Write<'a> {
    /// A create or update.
    pub(super) fn events(
        &mut self,
        whole: Option<&Value>,
        normal: &Normal,
        patient: &Patient<'a>,
        interaction: Interaction,
    ) {
        let previous = self.context.previous.and_then(Patient::of);
        let config = &self.site.config;
        let main = events::main(patient, previous.as_ref(), interaction, config, &mut self.report);
        let sent = match main {
            Main::Snapshot(event) => {
                self.snapshot(event, whole, normal, patient, interaction);
                true
            }
            Main::Delete(event) => {
                self.delete(patient, Some(event));
                config.inactive_event == InactiveEvent::Off
            }
            Main::Merge { link, retired_is_target } => {
                self.merge(link, retired_is_target, normal, patient);
                false
            }
            Main::Nothing => false,
        };
        if sent {
            for follow in events::follow(patient, previous.as_ref(), config) {
                self.link(&follow, patient);
            }
        }
    }

    /// A28, A31, A04, A08: the whole state, compared with what reads back.
    fn snapshot(
        &mut self,
        event: Event,
        whole: Option<&Value>,
        normal: &Normal,
        patient: &Patient<'_>,
        interaction: Interaction,
    ) {
        let site = self.site;
        let (control_id, mut out) = self.message(event);
        write_snapshot(&mut out, patient, interaction, site, &mut self.report);
        for segment in &site.z_segments {
            segment.write(&mut out, &normal.patient, &mut self.own.sent);
        }
        self.own.left_out.extend(out.take_left_out());
        let (er7, mut provenance) = out.finish();
        let mut er7 = self.in_charset(er7);
        let Some(read) = read_own(&er7, site) else {
            let reason = "the message does not read back";
            self.report.push(Issue::error(IssueType::BusinessRule, "10.1", "Patient", reason));
            return;
        };
        let carried = whole.map(|whole| {
            let whole = normalise::without_version_id(whole);
            let mut out = Writer::new(self.traced);
            let too_large = residue::write(&mut out, &read, &whole, site.config.residue_max_bytes);
            let (residue, of_residue) = out.finish();
            er7.push_str(&self.in_charset(residue));
            provenance.extend(of_residue);
            too_large
        });
        let event_links = site.config.link.seealso == crate::config::Seealso::A24;
        for difference in compare::compare(&read, &normal.patient, Detail::Members) {
            if event_links && is_seealso(&difference) {
                continue;
            }
            self.tell(&difference, &normal.origins, carried.as_deref());
        }
        self.push(event, control_id, er7, provenance);
    }

    /// A29 or A23.
    pub(super) fn delete(&mut self, patient: &Patient<'_>, event: Option<Event>) {
        let Some(event) = event else {
            let reason = "no event is configured for a delete; nothing is sent";
            self.report.push(Issue::warning(IssueType::NotSupported, "2.1", "Patient", reason));
            return;
        };
        let (control_id, mut out) = self.message(event);
        pid::write(&mut out, patient, false, self.site, &mut self.report);
        header::pv1(&mut out, "N");
        self.send(event, control_id, out);
    }

    /// A40.
    fn merge(&mut self, link: usize, retired_is_target: bool, normal: &Normal, patient: &Patient<'_>) {
        let site = self.site;
        let expression = format!("Patient.link[{link}]");
        let target = patient.link.get(link).and_then(|link| link.other.clone()).unwrap_or_default();
        let found = OnceCell::new();
        let other =
            merge::resolve(&target, patient, self.context, site, &expression, &found, &mut self.report);
        let Some(other) = other else { return };
        let (survivor, retired) = if retired_is_target {
            (&patient.id, &other.patient.id)
        } else {
            (&other.patient.id, &patient.id)
        };
        if site.config.merge.trigger == MergeTrigger::Both
            && let (Some(retired), Some(survivor)) = (retired, survivor)
        {
            // Either write gives the same control id, so neither may put in its own id or version.
            let key = format!("{retired}>{survivor}");
            self.key = Some((retired.clone().into_owned(), key));
        }
        let (control_id, mut out) = self.message(events::A40);
        if retired_is_target {
            let survivor = Other { patient: patient.clone(), resolved: true };
            merge::write_merge(&mut out, &survivor, &other.patient, site, &mut self.report);
        } else {
            merge::write_merge(&mut out, &other, patient, site, &mut self.report);
        }
        let (er7, provenance) = out.finish();
        let er7 = self.in_charset(er7);
        if !retired_is_target {
            let read = Text::from_text(&er7).ok().and_then(|text| {
                let message = text.parse().ok()?;
                let reading = Reading::new(site, &message);
                let read = read_message(&message, &reading, |patient| patient.to_json()).ok()?;
                match read.subject {
                    Subject::Merged { retired, .. } => Some(retired),
                    _ => None,
                }
            });
            let mut compared = normal.patient.clone();
            if let Some(members) = compared.as_object_mut() {
                members.remove("meta");
            }
            for difference in compare::compare(&read.unwrap_or_default(), &compared, Detail::Members) {
                self.tell(&difference, &normal.origins, None);
            }
        }
        self.push(events::A40, control_id, er7, provenance);
        self.key = None;
    }

    /// A24 or A37.
    fn link(&mut self, follow: &Follow<'_>, patient: &Patient<'_>) {
        let (site, context) = (self.site, self.context);
        let found = OnceCell::new();
        let (target, expression) = (&follow.target, &follow.expression);
        let other = merge::resolve(target, patient, context, site, expression, &found, &mut self.report);
        let Some(other) = other else { return };
        let (control_id, mut out) = self.message(follow.event);
        merge::write_link(&mut out, patient, &other, site);
        self.send(follow.event, control_id, out);
    }

    /// The control id of the next message, and the message with MSH and EVN.
    pub(super) fn message(&self, event: Event) -> (String, Writer) {
        let context = self.context;
        let n = self.conversion.messages.len() + 1;
        let (id, key) = match &self.key {
            Some((id, key)) => (id.as_str(), ["", key.as_str()]),
            None => (context.patient_id, header::version_key(self.meta.as_ref(), context.request_id)),
        };
        let control_id = header::control_id(context.destination, event.code, id, key, n);
        let mut out = Writer::with_own(self.traced && n == 1, self.site.own_fields.as_ref());
        header::msh(&mut out, event, &control_id, context, self.site);
        header::evn(&mut out, event, self.meta.as_ref(), context, self.site);
        (control_id, out)
    }

    /// Tells a difference; `carried` lists what ZFP could not carry.
    fn tell(&mut self, difference: &Difference<'_>, origins: &Origins, carried: Option<&[String]>) {
        let mut issue = loss::issue(difference, &difference.expression, self.site);
        self.own.explain(&mut issue);
        let overlaps = |path: &String| {
            path.starts_with(&issue.expression) || issue.expression.starts_with(path.as_str())
        };
        if carried.is_some_and(|too_large| !too_large.iter().any(overlaps)) {
            issue.diagnostics.to_mut().push_str("; carried in ZFP");
        }
        // The other issues are translated at the end.
        issue.expression = origins.source_path(&issue.expression);
        self.conversion.report.push(issue);
    }

    pub(super) fn send(&mut self, event: Event, control_id: String, out: Writer) {
        let (er7, provenance) = out.finish();
        let er7 = self.in_charset(er7);
        self.push(event, control_id, er7, provenance);
    }

    fn push(&mut self, event: Event, control_id: String, er7: String, provenance: Vec<Provenance>) {
        self.conversion.provenance.extend(provenance);
        self.conversion.messages.push(AdtMessage { control_id, event: event.code, er7 });
    }

    /// ESC-6: every character that the character set lacks becomes a question mark.
    fn in_charset(&self, er7: String) -> String {
        let charset = hl7v2::Charset::from(self.site.config.charset);
        let (bytes, lost) = charset.encode(&er7);
        if lost == 0 {
            return er7;
        }
        charset.decode(&bytes).map_or_else(String::new, Str::into_owned)
    }

    /// Puts the report together: input, rules, losses, each with its place in the source.
    pub(super) fn finish(self, origins: &Origins) -> Result<Conversion, Rejection> {
        let Self { mut report, mut conversion, .. } = self;
        for issue in report.issues.iter_mut().filter(|issue| !issue.rule.starts_with("IN-")) {
            if issue.rule != "6.3" {
                issue.expression = origins.source_path(&issue.expression);
            }
        }
        for value in &mut conversion.provenance {
            value.expression = origins.source_path(&value.expression);
        }
        if report.issues.is_empty() {
            report.issues = std::mem::take(&mut conversion.report.issues);
        } else {
            report.issues.append(&mut conversion.report.issues);
        }
        if report.has_errors() {
            return Err(Rejection { report });
        }
        Ok(Conversion { report, ..conversion })
    }
}

impl Own {
    /// Says of a loss that the site decided it, or sends the element in a segment of its own.
    fn explain(&self, issue: &mut Issue) {
        let place = issue.expression.as_str();
        if let Some(left_out) = self.left_out.iter().find(|left_out| overlaps(&left_out.expression, place)) {
            *issue = loss::left_out(left_out.segment, left_out.field, place);
        }
        if let Some(sent) = self.sent.iter().find(|sent| overlaps(&sent.expression, &issue.expression)) {
            let said = format!("; sent in {}-{}, which is not read back", sent.segment, sent.field);
            issue.diagnostics.to_mut().push_str(&said);
        }
    }
}

/// True where one FHIRPath is the other, or within it.
fn overlaps(a: &str, b: &str) -> bool {
    let (outer, inner) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// PID and what follows it in a snapshot, but for ZFP.
pub(super) fn write_snapshot(
    out: &mut Writer,
    patient: &Patient<'_>,
    interaction: Interaction,
    site: &Site,
    report: &mut Report,
) {
    let nulls = interaction == Interaction::Update && site.config.update_mode == UpdateMode::Null;
    pid::write(out, patient, nulls, site, report);
    pid::write_pd1(out, patient, nulls, site);
    if nk1::write(out, patient, site) == 0 && nulls {
        nk1::write_none(out);
    }
    let patient_class = match site.config.profile {
        Profile::Pam => "N",
        Profile::Pix => &site.config.pix.patient_class,
    };
    header::pv1(out, patient_class);
}

/// What an own snapshot message reads as, without an exposed logical id.
fn read_own(er7: &str, site: &Site) -> Option<Value> {
    let text = Text::from_text(er7).ok()?;
    let message = text.parse().ok()?;
    let reading = Reading::new(site, &message);
    let pid = message.segment("PID")?;
    Some(read::patient(&message, &pid, &reading).to_json())
}

fn is_seealso(difference: &Difference<'_>) -> bool {
    difference.expression.starts_with("Patient.link")
        && difference.value.is_some_and(|value| value["type"] == "seealso")
}
