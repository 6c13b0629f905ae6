//! The mapping itself: one Patient in, messages and a report out; one message in, a Patient and a report out.

use hl7v2::{Message, Separators, Text, build};
use serde::Deserialize;
use serde_json::Value;

use crate::compare::{self, Detail, Difference};
use crate::config::{ConfigError, InactiveEvent, MappingConfig, MergeTrigger, Profile, Residue, UpdateMode};
use crate::context::{
    AdtMessage, Conversion, Interaction, MappingContext, MappingError, ReadBack, Rejection, Subject,
};
use crate::date_time;
use crate::events::{self, Follow, Main};
use crate::fhir::{Meta, Patient};
use crate::header::{self, Event};
use crate::identifier;
use crate::input;
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
use crate::trace::TracedSegment;

/// The mapping of one configuration. Make one at start and share it; it holds tables, no state.
#[derive(Debug)]
pub struct Mapper {
    site: Site,
}

impl Mapper {
    /// Checks the configuration and compiles its tables.
    ///
    /// # Errors
    /// Every problem of the configuration.
    pub fn new(config: MappingConfig) -> Result<Self, ConfigError> {
        Ok(Self { site: Site::new(config)? })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &MappingConfig {
        &self.site.config
    }

    /// A written Patient as HL7 messages. The report is complete: what it does not name reads back as it was given
    /// (mapping section 10.1).
    ///
    /// # Errors
    /// Input that must not be sent (mapping section 1), with everything found.
    pub fn patient_to_adt(
        &self,
        patient: &Value,
        interaction: Interaction,
        context: &MappingContext<'_>,
    ) -> Result<Conversion, Rejection> {
        let checked =
            input::check(patient, &self.input_rules(context.patient_id, interaction == Interaction::Create))
                .map_err(|report| Rejection { report })?;
        let mut report = checked.report;
        // The version id is not part of the normal form, but of the control id.
        let meta = checked.patient.get("meta").and_then(|meta| Meta::deserialize(meta).ok());
        let named = normalise::with_named_systems(&checked.patient, &self.site);
        let named = named.map(|named| normalise::normalise(named, &self.site, &mut Report::default()));
        let whole = (self.site.config.residue == Residue::Zfp).then(|| checked.patient.clone());
        let normal = normalise::normalise(checked.patient, &self.site, &mut report);
        let Some(typed) = Patient::of(named.as_ref().map_or(&normal.patient, |named| &named.patient)) else {
            report.push(Issue::error(
                IssueType::Invalid,
                "IN-5",
                "Patient",
                "has an element of a wrong type",
            ));
            return Err(Rejection { report });
        };
        let mut write =
            Write { site: &self.site, context, meta, key: None, report, conversion: Conversion::default() };
        if interaction == Interaction::Delete {
            write.delete(Some(&typed), events::delete(&self.site.config));
        } else {
            write.events(whole.as_ref(), &normal, &typed, interaction);
        }
        write.finish(normal.origins)
    }

    /// A deleted Patient whose content is not known.
    ///
    /// # Errors
    /// An id that is not a FHIR id.
    pub fn delete_to_adt(&self, id: &str, context: &MappingContext<'_>) -> Result<Conversion, Rejection> {
        let mut report = Report::default();
        if !input::is_id(id) {
            report.push(Issue::error(IssueType::Value, "IN-3", "Patient.id", "is not a FHIR id"));
            return Err(Rejection { report });
        }
        let only_id =
            Patient { resource_type: "Patient".to_owned(), id: Some(id.to_owned()), ..Patient::default() };
        let known = context.previous.and_then(|previous| {
            let checked = input::check(previous, &self.input_rules(id, true)).ok()?;
            let normal = normalise::normalise(checked.patient, &self.site, &mut Report::default());
            Patient::of(&normal.patient)
        });
        // Also for the control id: the delete of one version is one event.
        let meta = context
            .previous
            .filter(|_| known.is_some())
            .and_then(Patient::of)
            .and_then(|previous| previous.meta);
        let mut write =
            Write { site: &self.site, context, meta, key: None, report, conversion: Conversion::default() };
        write.delete(Some(known.as_ref().unwrap_or(&only_id)), events::delete(&self.site.config));
        write.finish(Origins::default())
    }

    /// What a message says about a patient. Own messages read back as the Patient they were made from, less what the
    /// report told; foreign ones as well as the tables allow.
    ///
    /// # Errors
    /// [`MappingError`] for a text that is no ADT message, or has no PID where its event needs one.
    pub fn adt_to_patient(&self, er7: &Text) -> Result<ReadBack, MappingError> {
        let message = er7.parse()?;
        let reading = Reading::new(&self.site, &message);
        read_message(&message, reading)
    }

    fn input_rules<'a>(&'a self, id: &'a str, assigns_id: bool) -> input::Rules<'a> {
        input::Rules {
            strict: self.site.config.strict,
            implicit_rules: &self.site.config.implicit_rules,
            id,
            assigns_id,
        }
    }
}

fn read_message(message: &Message<'_>, reading: Reading<'_>) -> Result<ReadBack, MappingError> {
    let header = message.header();
    if header.message_type.code != "ADT" {
        return Err(MappingError::NotAdt);
    }
    let evn = message.segment("EVN");
    let evn_text = |field: usize| evn.and_then(|evn| reading.text(evn.field(field).component(1)));
    let event = match header.message_type.trigger_event.as_str() {
        "" => evn_text(1).unwrap_or_default(),
        event => event.to_owned(),
    };
    let time = [evn_text(6), evn_text(2), Some(header.time.clone())].into_iter().flatten().find_map(|ts| {
        let (value, _) = date_time::from_ts(&ts, None, &reading.offset).ok()?;
        date_time::sortable(&value, &reading.offset)
    });
    let site = reading.site;
    let mut pids = message.segments_named("PID");
    let pid = pids.next();
    let needed = || pid.ok_or(MappingError::MissingSegment { segment: "PID" });
    let id = |pid: Option<hl7v2::Segment<'_>>| pid.and_then(|pid| identifier::logical_id(&pid, site));
    let subject = match event.as_str() {
        "A28" | "A31" | "A01" | "A04" | "A05" | "A08" => {
            Subject::Snapshot(read::patient(message, &needed()?, &reading))
        }
        "A29" | "A23" => Subject::Deleted { id: id(Some(needed()?)) },
        "A40" => {
            let pid = needed()?;
            let survivor = id(Some(pid));
            let mrg = message.segment("MRG").ok_or(MappingError::MissingSegment { segment: "MRG" })?;
            Subject::Merged { retired: read::retired(&mrg, &pid, survivor.as_deref(), &reading), survivor }
        }
        "A24" => Subject::Linked { ids: [id(Some(needed()?)), id(pids.next())] },
        "A37" => Subject::Unlinked { ids: [id(Some(needed()?)), id(pids.next())] },
        _ => Subject::NotAPatient,
    };
    Ok(ReadBack { event, subject, time, report: reading.into_report() })
}

/// One write being converted.
struct Write<'a> {
    site: &'a Site,
    context: &'a MappingContext<'a>,
    meta: Option<Meta>,
    /// Patient id and version key of the control id, where the write itself does not give them (MRG-B).
    key: Option<(String, String)>,
    report: Report,
    conversion: Conversion,
}

impl Write<'_> {
    /// A create or update.
    fn events(
        &mut self,
        whole: Option<&Value>,
        normal: &Normal,
        patient: &Patient,
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
                self.delete(Some(patient), Some(event));
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
        patient: &Patient,
        interaction: Interaction,
    ) {
        let site = self.site;
        let mut pid = pid::write(patient, site, &mut self.report);
        let mut pd1 = pid::write_pd1(patient, site);
        let mut contacts = nk1::write(patient, site);
        if interaction == Interaction::Update {
            pid::set_nulls(&mut pid, &mut pd1, site);
            if contacts.is_empty() && site.config.update_mode == UpdateMode::Null {
                contacts.push(nk1::none_left());
            }
        }
        let mut segments = vec![pid];
        if !pd1.builder().is_empty() {
            segments.push(pd1);
        }
        segments.extend(contacts);
        let patient_class = match site.config.profile {
            Profile::Pam => "N",
            Profile::Pix => &site.config.pix.patient_class,
        };
        segments.push(header::pv1(patient_class));
        let (control_id, mut message) = self.message(event, segments);
        let er7 = self.in_charset(encode(&message));
        let Some(read) = read_own(&er7, site) else {
            let reason = "the message does not read back";
            self.report.push(Issue::error(IssueType::BusinessRule, "10.1", "Patient", reason));
            return;
        };
        let carried = whole.map(|whole| {
            let whole = normalise::without_version_id(whole);
            let (segments, too_large) = residue::write(&read, &whole, site.config.residue_max_bytes);
            message.extend(segments);
            too_large
        });
        let event_links = site.config.link.seealso == crate::config::Seealso::A24;
        for difference in compare::compare(&read, &normal.patient, Detail::Members) {
            if event_links && is_seealso(&difference) {
                continue;
            }
            self.tell(&difference, &normal.origins, carried.as_deref());
        }
        let er7 = if carried.is_some() { self.in_charset(encode(&message)) } else { er7 };
        self.push(event, control_id, er7, message);
    }

    /// A29 or A23.
    fn delete(&mut self, patient: Option<&Patient>, event: Option<Event>) {
        let Some(event) = event else {
            let reason = "no event is configured for a delete; nothing is sent";
            self.report.push(Issue::warning(IssueType::NotSupported, "2.1", "Patient", reason));
            return;
        };
        let Some(patient) = patient else { return };
        let pid = pid::write(patient, self.site, &mut self.report);
        let (control_id, message) = self.message(event, vec![pid, header::pv1("N")]);
        let er7 = self.in_charset(encode(&message));
        self.push(event, control_id, er7, message);
    }

    /// A40.
    fn merge(&mut self, link: usize, retired_is_target: bool, normal: &Normal, patient: &Patient) {
        let site = self.site;
        let expression = format!("Patient.link[{link}]");
        let target = patient.link.get(link).and_then(|link| link.other.clone()).unwrap_or_default();
        let Some(other) = merge::resolve(&target, patient, self.context, site, &expression, &mut self.report)
        else {
            return;
        };
        let survivor_id;
        let retired_id;
        let segments = if retired_is_target {
            let survivor = Other { patient: patient.clone(), resolved: true };
            survivor_id = patient.id.clone();
            retired_id = other.patient.id.clone();
            merge::write_merge(&survivor, &other.patient, site, &mut self.report)
        } else {
            survivor_id = other.patient.id.clone();
            retired_id = patient.id.clone();
            merge::write_merge(&other, patient, site, &mut self.report)
        };
        if site.config.merge.trigger == MergeTrigger::Both
            && let (Some(retired), Some(survivor)) = (retired_id, survivor_id)
        {
            // Either write gives the same control id, so neither may put in its own id or version.
            let key = format!("{retired}>{survivor}");
            self.key = Some((retired, key));
        }
        let (control_id, message) = self.message(events::A40, segments.into());
        let er7 = self.in_charset(encode(&message));
        if !retired_is_target {
            let read = Text::from_text(&er7).ok().and_then(|text| {
                let message = text.parse().ok()?;
                let read = read_message(&message, Reading::new(site, &message)).ok()?;
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
        self.push(events::A40, control_id, er7, message);
        self.key = None;
    }

    /// A24 or A37.
    fn link(&mut self, follow: &Follow, patient: &Patient) {
        let (site, context) = (self.site, self.context);
        let other =
            merge::resolve(&follow.target, patient, context, site, &follow.expression, &mut self.report);
        let Some(other) = other else { return };
        let segments = merge::write_link(patient, &other, site);
        let (control_id, message) = self.message(follow.event, segments.into());
        let er7 = self.in_charset(encode(&message));
        self.push(follow.event, control_id, er7, message);
    }

    /// MSH, EVN and the rest.
    fn message(&self, event: Event, rest: Vec<TracedSegment>) -> (String, Vec<TracedSegment>) {
        let context = self.context;
        let n = self.conversion.messages.len() + 1;
        let (id, key) = match &self.key {
            Some((id, key)) => (id.as_str(), key.clone()),
            None => (context.patient_id, header::version_key(self.meta.as_ref(), context.request_id)),
        };
        let control_id = header::control_id(context.destination, event.code, id, &key, n);
        let mut segments = Vec::with_capacity(rest.len() + 2);
        segments.push(header::msh(event, &control_id, context, self.site));
        segments.push(header::evn(event, self.meta.as_ref(), context, self.site));
        segments.extend(rest);
        (control_id, segments)
    }

    /// Tells a difference; `carried` lists what ZFP could not carry.
    fn tell(&mut self, difference: &Difference<'_>, origins: &Origins, carried: Option<&[String]>) {
        let mut issue = loss::issue(difference, &difference.expression, self.site);
        let overlaps = |path: &String| {
            path.starts_with(&issue.expression) || issue.expression.starts_with(path.as_str())
        };
        if carried.is_some_and(|too_large| !too_large.iter().any(overlaps)) {
            issue.diagnostics.push_str("; carried in ZFP");
        }
        // The other issues are translated at the end.
        issue.expression = origins.source_path(&issue.expression);
        self.conversion.report.push(issue);
    }

    fn push(&mut self, event: Event, control_id: String, er7: String, segments: Vec<TracedSegment>) {
        if self.conversion.messages.is_empty() {
            self.conversion.traces = segments.into_iter().map(TracedSegment::into_trace).collect();
        }
        self.conversion.messages.push(AdtMessage { control_id, event: event.code, er7 });
    }

    /// ESC-6: every character that the character set lacks becomes a question mark.
    fn in_charset(&self, er7: String) -> String {
        let charset = hl7v2::Charset::from(self.site.config.charset);
        let (bytes, lost) = charset.encode(&er7);
        if lost == 0 {
            return er7;
        }
        charset.decode(&bytes).map_or_else(String::new, std::borrow::Cow::into_owned)
    }

    /// Puts the report together: input, rules, losses, each with its place in the source.
    fn finish(self, origins: Origins) -> Result<Conversion, Rejection> {
        let Self { mut report, mut conversion, .. } = self;
        for issue in report.issues.iter_mut().filter(|issue| !issue.rule.starts_with("IN-")) {
            if issue.rule != "6.3" {
                issue.expression = origins.source_path(&issue.expression);
            }
        }
        report.issues.append(&mut conversion.report.issues);
        if report.has_errors() {
            return Err(Rejection { report });
        }
        Ok(Conversion { report, origins, ..conversion })
    }
}

fn encode(segments: &[TracedSegment]) -> String {
    build::encode(segments.iter().map(TracedSegment::builder), &Separators::default())
}

/// What an own snapshot message reads as, without an exposed logical id.
fn read_own(er7: &str, site: &Site) -> Option<Value> {
    let text = Text::from_text(er7).ok()?;
    let message = text.parse().ok()?;
    let reading = Reading::new(site, &message);
    let pid = message.segment("PID")?;
    Some(read::patient(&message, &pid, &reading))
}

fn is_seealso(difference: &Difference<'_>) -> bool {
    difference.expression.starts_with("Patient.link")
        && difference.value.is_some_and(|value| value["type"] == "seealso")
}
