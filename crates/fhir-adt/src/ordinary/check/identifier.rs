//! The identifiers of a Patient.

use super::{Check, has_system, is, is_dates, period};
use crate::fhir::{CodeableConcept, Coding, Identifier, Reference, system};
use crate::identifier;
use crate::loss::reason;
use crate::path::Path;

impl Check<'_> {
    pub(super) fn identifier(&mut self, identifier: &Identifier<'_>, path: &Path<'_>) -> Option<()> {
        is(identifier.value.is_some() && identifier.extension.is_empty())?;
        if let Some(assigner) = identifier.assigner.as_deref() {
            self.assigner(assigner, &path.member("assigner"))?;
        }
        period(identifier.period.as_ref())?;
        is(is_dates(identifier.period.as_ref()))?;
        let system = identifier.system.as_deref();
        is(system.is_none_or(|system| self.site.registry.is_carried(system)))?;
        let default_type = system.and_then(|system| self.site.registry.default_type(system));
        match &identifier.r#type {
            Some(concept) => self.identifier_type(concept, default_type, &path.member("type"))?,
            None => is(default_type != Some(self.site.config.logical_id.type_code.as_str()))?,
        }
        if let Some(used) = identifier.r#use.as_deref() {
            is(matches!(used, "usual" | "official" | "temp" | "secondary" | "old"))?;
            self.no_home(const { reason("identifier.use") }, &path.member("use"));
        }
        Some(())
    }

    /// CX.10 takes the name.
    fn assigner(&mut self, assigner: &Reference<'_>, path: &Path<'_>) -> Option<()> {
        is(assigner.r#type.is_none() && assigner.identifier.is_none())?;
        match (&assigner.reference, &assigner.display) {
            (None, display) => is(display.is_some())?,
            (Some(_), Some(_)) => {
                self.no_home(const { reason("identifier.assigner.reference") }, &path.member("reference"));
            }
            (Some(_), None) => self.no_home(const { reason("identifier.assigner") }, path),
        }
        Some(())
    }

    /// CX.5 takes the first coding, where it is of table 0203; a type without one is lost, unless the system has a type
    /// of its own.
    fn identifier_type(
        &mut self,
        concept: &CodeableConcept<'_>,
        default_type: Option<&str>,
        path: &Path<'_>,
    ) -> Option<()> {
        let is_of_table = |coding: &Coding<'_>| coding.system.as_deref() == Some(system::IDENTIFIER_TYPE);
        let (first, further) = match concept.coding.as_slice() {
            [first, further @ ..] if is_of_table(first) => (Some(first), further),
            further => (None, further),
        };
        is(further.iter().all(|coding| has_system(coding) && !is_of_table(coding)))?;
        let Some(first) = first else {
            is(default_type.is_none())?;
            self.no_home(const { reason("identifier.type") }, path);
            return Some(());
        };
        is(first.version.is_none() && first.user_selected.is_none())?;
        let code = first.code.as_deref()?;
        is(identifier::is_type_code(code) && code != self.site.config.logical_id.type_code)?;
        let codings = path.member("coding");
        if first.display.is_some() {
            self.detail(const { reason("coding.display") }, &codings.index(0).member("display"));
        }
        for index in 1..concept.coding.len() {
            self.no_home(const { reason("identifier.type.coding") }, &codings.index(index));
        }
        if concept.text.is_some() {
            self.no_home(const { reason("identifier.type.text") }, &path.member("text"));
        }
        Some(())
    }
}
