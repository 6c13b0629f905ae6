//! Names, addresses and contact points, of a Patient and of its contacts.

use super::extension::unknown_extension;
use super::{Check, LONG, are_different, is, period};
use crate::contact_point::has_scheme;
use crate::fhir::{Address, ContactPoint, HumanName, Str, url};
use crate::human_name;
use crate::loss::reason;
use crate::path::Path;

impl Check<'_> {
    pub(super) fn name(&mut self, name: &HumanName<'_>, path: &Path<'_>) -> Option<()> {
        is(name.extension.is_empty() && name.use_element.is_none() && name.family_element.is_none())?;
        is(name.family.is_some() || !name.given.is_empty())?;
        is(name.r#use.as_deref().is_none_or(|used| self.ordinary.name_uses.contains(&used)))?;
        let whole = |parts: &[Option<Str<'_>>], separators: &[char]| {
            parts.iter().all(|part| part.as_deref().is_some_and(|part| !part.contains(separators)))
        };
        is(whole(name.given.get(1..).unwrap_or_default(), &[' ']))?;
        is(whole(&name.prefix, &[' ']) && whole(&name.suffix, &[' ', ',']))?;
        is(name
            .suffix
            .is_sorted_by_key(|suffix| !suffix.as_deref().is_some_and(human_name::is_generational)))?;
        period(name.period.as_ref())?;
        if let Some(text) = name.text.as_deref()
            && !human_name::is_joined(text, name)
        {
            self.no_home(const { reason("name.text") }, &path.member("text"));
        }
        Some(())
    }

    /// Not work, then work (B5).
    pub(super) fn telecom(&mut self, points: &[ContactPoint<'_>], parent: &Path<'_>) -> Option<()> {
        let before = self.lost.len();
        let list = parent.member("telecom");
        for at_work in [false, true] {
            for (index, point) in points.iter().enumerate() {
                if (point.r#use.as_deref() == Some("work")) == at_work {
                    self.contact_point(point, &list.index(index))?;
                }
            }
        }
        let values = || points.iter().map(|point| &point.value);
        is(points.len() <= LONG || self.lost.len() == before || are_different(values()))
    }

    fn contact_point(&mut self, point: &ContactPoint<'_>, path: &Path<'_>) -> Option<()> {
        is(point.extension.is_empty() && point.system_element.is_none() && point.use_element.is_none())?;
        let value = point.value.as_deref()?;
        let used = point.r#use.as_deref();
        is(used.is_none_or(|used| used == "mobile" || self.ordinary.telecom_uses.contains(&used)))?;
        match point.system.as_deref()? {
            "phone" => {}
            "email" => is(!has_scheme(value) && used != Some("mobile"))?,
            "url" => is(has_scheme(value) && used != Some("mobile"))?,
            system => {
                is(self.ordinary.telecom_systems.contains(&system) && used != Some("mobile"))?;
            }
        }
        if point.period.is_some() {
            period(point.period.as_ref())?;
            self.no_home(const { reason("telecom.period") }, &path.member("period"));
        }
        if let Some(rank) = point.rank {
            is(rank > 0 && i32::try_from(rank).is_ok())?;
            self.no_home(const { reason("telecom.rank") }, &path.member("rank"));
        }
        Some(())
    }

    pub(super) fn address(&mut self, address: &Address<'_>, path: &Path<'_>) -> Option<()> {
        is(address.use_element.is_none() && address.line_element.is_empty())?;
        let parts =
            [&address.city, &address.state, &address.postal_code, &address.country, &address.district];
        is(!address.line.is_empty() || parts.iter().any(|part| part.is_some()))?;
        let extensions = path.member("extension");
        for (index, extension) in address.extension.iter().enumerate() {
            is(extension.url != url::CENSUS_TRACT)?;
            unknown_extension(extension)?;
            self.no_home(const { reason("extension") }, &extensions.index(index));
        }
        if address.line.len() > 2 {
            self.detail(const { reason("address.line") }, &path.member("line"));
        }
        period(address.period.as_ref())?;
        if address.text.is_some() {
            self.no_home(const { reason("address.text") }, &path.member("text"));
        }
        match (address.r#use.as_deref(), address.r#type.as_deref()) {
            (None, None) => Some(()),
            (Some(used), kind) => {
                is(self.ordinary.address_uses.contains(&used))?;
                if let Some(kind) = kind {
                    is(matches!(kind, "postal" | "physical" | "both"))?;
                    self.no_home(const { reason("address.type") }, &path.member("type"));
                }
                Some(())
            }
            // XAD.7 takes the type.
            (None, Some(_)) => None,
        }
    }
}
