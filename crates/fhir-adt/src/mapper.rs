//! The mapping itself: one Patient in, messages and a report out; one message in, a Patient and a report out.

mod subject;
mod write;

use hl7v2::Text;
use serde_json::Value;

use crate::config::{ConfigError, MappingConfig, Residue};
use crate::context::{
    Conversion, Interaction, JsonError, JsonWrite, MappingContext, MappingError, ReadBack, Rejection,
    Subject, VersionStamp,
};
use crate::events;
use crate::fhir::{self, Patient};
use crate::input;
use crate::normalise;
use crate::ordinary::{self, Ordinary};
use crate::origins::Origins;
use crate::read;
use crate::reading::Reading;
use crate::report::{Issue, IssueType, Report};
use crate::site::Site;
use subject::read_message;
use write::write_snapshot;

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
