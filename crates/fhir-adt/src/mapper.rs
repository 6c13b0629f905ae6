//! The mapping itself: one Patient in, messages and a report out; one message in, a Patient and a report out.

use std::cell::OnceCell;

use hl7v2::{Message, Text};
use serde_json::Value;

use crate::compare::{self, Detail, Difference};
use crate::config::{ConfigError, InactiveEvent, MappingConfig, MergeTrigger, Profile, Residue, UpdateMode};
use crate::context::{
    AdtMessage, Conversion, Interaction, JsonError, JsonWrite, MappingContext, MappingError, ReadBack,
    Rejection, Subject, VersionStamp,
};
use crate::date_time;
use crate::events::{self, Follow, Main};
use crate::fhir::{self, Meta, Patient, Str};
use crate::header::{self, Event};
use crate::identifier;
use crate::input;
use crate::loss;
use crate::merge::{self, Other};
use crate::nk1;
use crate::normalise::{self, Normal};
use crate::ordinary::{self, Ordinary};
use crate::origins::Origins;
use crate::pid;
use crate::read;
use crate::reading::Reading;
use crate::report::{Issue, IssueType, Report};
use crate::residue;
use crate::site::Site;
use crate::trace::{LeftOut, Provenance, Writer};
use crate::z_segment;

/// The mapping of one configuration. Make one at start and share it; it holds tables, no state.
#[derive(Debug)]
pub struct Mapper {
    site: Site,
    traced: bool,
    ordinary: Option<Ordinary>,
}

impl Mapper {
    /// Checks the configuration and compiles its tables.
    ///
    /// # Errors
    /// Every problem of the configuration.
    pub fn new(config: MappingConfig) -> Result<Self, ConfigError> {
        let site = Site::new(config)?;
        let ordinary = Ordinary::new(&site);
        Ok(Self { site, traced: false, ordinary })
    }

    /// The same mapping, whose conversions remember where each value of a message came from
    /// ([`Conversion::provenance`]). It takes time: for people, not for traffic.
    #[must_use]
    pub fn traced(self) -> Self {
        Self { traced: true, ..self }
    }

    /// The configuration, compiled.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &MappingConfig {
        &self.site.config
    }

    /// A written Patient as HL7 messages, from its JSON text: as [`Mapper::patient_to_adt`], and much faster for an
    /// ordinary Patient, for which no JSON value is built and no message read back.
    ///
    /// # Errors
    /// [`JsonError::NotJson`] for bytes that are not JSON, [`JsonError::Rejected`] for input that must not be sent.
    pub fn patient_json_to_adt(
        &self,
        write: &JsonWrite<'_>,
        context: &MappingContext<'_>,
    ) -> Result<Conversion, JsonError> {
        if let Some(conversion) = self.ordinary_to_adt(write, context) {
            return Ok(conversion);
        }
        let mut patient: Value = serde_json::from_slice(write.json)?;
        if let Some(stamp) = &write.stamp {
            put_stamp(&mut patient, context.patient_id, stamp);
        }
        let mut conversion = self.patient_to_adt(&patient, write.interaction, context)?;
        if write.read_back {
            conversion.read_back = self.read_back(&conversion, context.patient_id, write.stamp);
        }
        Ok(conversion)
    }

    /// An ordinary Patient as HL7 messages, for a caller that has read the JSON already. `None` for any other Patient:
    /// [`Mapper::patient_to_adt`] then says what is to be said of it.
    #[must_use]
    pub fn ordinary_to_adt(&self, write: &JsonWrite<'_>, context: &MappingContext<'_>) -> Option<Conversion> {
        let ordinary = self.ordinary.as_ref().filter(|_| !self.traced && context.previous.is_none())?;
        let interaction = write.interaction;
        if interaction == Interaction::Delete {
            return None;
        }
        let site = &self.site;
        let (mut patient, lost) = ordinary.read(write.json, write.stamp, site)?;
        match patient.id.as_deref() {
            _ if !input::is_id(context.patient_id) => return None,
            Some(id) if id == context.patient_id => {}
            Some(_) if write.stamp.is_none() => return None,
            None if write.stamp.is_none() && interaction != Interaction::Create => return None,
            Some(_) | None => patient.id = Some(context.patient_id.into()),
        }
        let mut out = self.write(patient.meta.clone(), context, Report::default());
        let event = events::snapshot(interaction, site.config.profile);
        let (control_id, mut message) = out.message(event);
        write_snapshot(&mut message, &patient, interaction, site, &mut out.report);
        out.send(event, control_id, message);
        out.conversion.report.issues = lost;
        let mut conversion = out.finish(&Origins::default()).ok()?;
        if write.read_back {
            let mut patient = ordinary::as_read(patient, site);
            if let Some((stamp, version)) = write.stamp.and_then(|stamp| Some((stamp, stamp.shown_as?))) {
                let meta = patient.meta.get_or_insert_default();
                meta.version_id = Some(version.into());
                meta.last_updated = Some(stamp.last_updated.into());
            }
            conversion.read_back = serde_json::to_vec(&patient).ok();
        }
        Some(conversion)
    }

    /// What the first message says of a patient, as JSON.
    fn read_back(
        &self,
        conversion: &Conversion,
        id: &str,
        stamp: Option<VersionStamp<'_>>,
    ) -> Option<Vec<u8>> {
        let text = Text::from_text(&conversion.messages.first()?.er7).ok()?;
        let patient = match self.adt_to_patient_json(&text).ok()?.subject {
            Subject::Merged { survivor, .. } if survivor.as_deref() == Some(id) => return None,
            Subject::Snapshot(patient) | Subject::Merged { retired: patient, .. } => patient,
            _ => return None,
        };
        let Some(shown) = stamp.filter(|stamp| stamp.shown_as.is_some()) else { return Some(patient) };
        let mut patient = serde_json::from_slice(&patient).ok()?;
        put_stamp(&mut patient, id, &VersionStamp { version_id: shown.shown_as, ..shown });
        serde_json::to_vec(&patient).ok()
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
        let meta = checked.patient.get("meta").cloned();
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
        let mut write = self.write(meta.as_ref().and_then(fhir::of), context, report);
        if interaction == Interaction::Delete {
            write.delete(&typed, events::delete(&self.site.config));
        } else {
            write.events(whole.as_ref(), &normal, &typed, interaction);
        }
        write.finish(&normal.origins)
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
        let only_id = Patient { resource_type: "Patient".into(), id: Some(id.into()), ..Patient::default() };
        let normal = context.previous.and_then(|previous| {
            let checked = input::check(previous, &self.input_rules(id, true)).ok()?;
            Some(normalise::normalise(checked.patient, &self.site, &mut Report::default()).patient)
        });
        let known = normal.as_ref().and_then(Patient::of);
        // Also for the control id: the delete of one version is one event.
        let meta = context
            .previous
            .filter(|_| known.is_some())
            .and_then(Patient::of)
            .and_then(|previous| previous.meta);
        let mut write = self.write(meta, context, report);
        write.delete(known.as_ref().unwrap_or(&only_id), events::delete(&self.site.config));
        write.finish(&Origins::default())
    }

    /// What a message says about a patient. Own messages read back as the Patient they were made from, less what the
    /// report told; foreign ones as well as the tables allow.
    ///
    /// # Errors
    /// [`MappingError`] for a text that is no ADT message, or has no PID where its event needs one.
    pub fn adt_to_patient(&self, er7: &Text) -> Result<ReadBack, MappingError> {
        let message = er7.parse()?;
        let reading = Reading::new(&self.site, &message);
        let as_value = |patient: Patient<'_>| read::with_residue(patient.to_json(), &message, &reading);
        let read = read_message(&message, &reading, as_value)?;
        Ok(ReadBack { report: reading.into_report(), ..read })
    }

    /// As [`Mapper::adt_to_patient`], with the Patient as JSON text, which is quicker: no JSON value is built.
    ///
    /// # Errors
    /// As [`Mapper::adt_to_patient`].
    pub fn adt_to_patient_json(&self, er7: &Text) -> Result<ReadBack<Vec<u8>>, MappingError> {
        let message = er7.parse()?;
        let reading = Reading::new(&self.site, &message);
        let as_text = |patient: Patient<'_>| {
            // JSON says about twice as much to say the same.
            let mut json = Vec::with_capacity(2 * er7.as_str().len());
            // Neither can fail: there is no map with keys that are no texts, and a Vec takes everything.
            let written = if message.segment("ZFP").is_some() {
                let patient = read::with_residue(patient.to_json(), &message, &reading);
                serde_json::to_writer(&mut json, &patient)
            } else {
                serde_json::to_writer(&mut json, &patient)
            };
            debug_assert!(written.is_ok());
            json
        };
        let read = read_message(&message, &reading, as_text)?;
        Ok(ReadBack { report: reading.into_report(), ..read })
    }

    fn write<'a>(
        &'a self,
        meta: Option<Meta<'a>>,
        context: &'a MappingContext<'a>,
        report: Report,
    ) -> Write<'a> {
        let (site, traced) = (&self.site, self.traced);
        let (conversion, own) = (Conversion::default(), Own::default());
        Write { site, traced, context, meta, key: None, report, conversion, own }
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

/// The server's part of a resource: its id, and when it was written. A version id in it is one that the client read.
fn put_stamp(patient: &mut Value, id: &str, stamp: &VersionStamp<'_>) {
    let Some(members) = patient.as_object_mut() else { return };
    members.insert("id".to_owned(), id.into());
    let meta = members.entry("meta").or_insert(Value::Null);
    if meta.is_null() {
        *meta = Value::Object(serde_json::Map::new());
    }
    if let Some(meta) = meta.as_object_mut() {
        meta.remove("versionId");
        if let Some(version) = stamp.version_id {
            meta.insert("versionId".to_owned(), version.into());
        }
        meta.insert("lastUpdated".to_owned(), stamp.last_updated.into());
    }
}

/// What a message says; what there is to tell stays in the reading.
fn read_message<'m, P>(
    message: &'m Message<'_>,
    reading: &Reading<'m>,
    as_json: impl Fn(Patient<'m>) -> P,
) -> Result<ReadBack<P>, MappingError> {
    let msh = message.segment("MSH");
    let header = |field: usize, component: usize| {
        msh.and_then(|msh| msh.field(field).component(component).text()).unwrap_or_default()
    };
    if header(9, 1) != "ADT" {
        return Err(MappingError::NotAdt);
    }
    let evn = message.segment("EVN");
    let evn_text = |field: usize| evn.and_then(|evn| reading.text(evn.field(field).component(1)));
    let event = match header(9, 2) {
        event if event.is_empty() => evn_text(1).unwrap_or_default(),
        event => event,
    };
    let times = [evn_text(6), evn_text(2), Some(header(7, 1))].into_iter().flatten();
    let time = times.into_iter().find_map(|ts| {
        let (value, _) = date_time::from_ts(&ts, None, &reading.offset).ok()?;
        date_time::sortable(&value, &reading.offset)
    });
    let site = reading.site;
    let mut pids = message.segments_named("PID");
    let pid = pids.next();
    let needed = || pid.ok_or(MappingError::MissingSegment { segment: "PID" });
    let id = |pid: Option<hl7v2::Segment<'_>>| {
        pid.and_then(|pid| identifier::logical_id(&pid, site).map(Str::into_owned))
    };
    let subject = match &*event {
        "A28" | "A31" | "A01" | "A04" | "A05" | "A08" => {
            Subject::Snapshot(as_json(read::patient(message, &needed()?, reading)))
        }
        "A29" | "A23" => Subject::Deleted { id: id(Some(needed()?)) },
        "A40" => {
            let pid = needed()?;
            let survivor = id(Some(pid));
            let mrg = message.segment("MRG").ok_or(MappingError::MissingSegment { segment: "MRG" })?;
            let retired = read::retired(&mrg, &pid, survivor.as_deref(), reading);
            Subject::Merged { retired: as_json(retired), survivor }
        }
        "A24" => Subject::Linked { ids: [id(Some(needed()?)), id(pids.next())] },
        "A37" => Subject::Unlinked { ids: [id(Some(needed()?)), id(pids.next())] },
        _ => Subject::NotAPatient,
    };
    Ok(ReadBack { event: event.into_owned(), subject, time, report: Report::default() })
}

/// One write being converted.
struct Write<'a> {
    site: &'a Site,
    traced: bool,
    context: &'a MappingContext<'a>,
    meta: Option<Meta<'a>>,
    /// Patient id and version key of the control id, where the write itself does not give them (MRG-B).
    key: Option<(String, String)>,
    report: Report,
    conversion: Conversion,
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
    fn events(
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
    fn delete(&mut self, patient: &Patient<'_>, event: Option<Event>) {
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
    fn message(&self, event: Event) -> (String, Writer) {
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

    fn send(&mut self, event: Event, control_id: String, out: Writer) {
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
    fn finish(self, origins: &Origins) -> Result<Conversion, Rejection> {
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
fn write_snapshot(
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
