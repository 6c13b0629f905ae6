//! The ordinary Patient, on a short way: read once from its bytes, checked, written. Nothing is copied, and the message
//! is not read back.
//!
//! A Patient is ordinary where the checks here show, element by element, that what is written reads back as it was
//! given, and name each element that is lost (mapping section 10.1). Everything else is a surprise: `None`, and the
//! Patient goes the long way, by which every check, repair and loss is found. Both ways write with the same code. That
//! they agree on the message, the report and the reading is tested for every patient of the corpus and for generated
//! ones (`tests/it/ordinary.rs`).

mod check;
mod said;

use crate::codes::{self, Table};
use crate::config::{CharsetName, Country, DegreeComponent, EmailUseCode, MappingConfig, Residue};
use crate::context::VersionStamp;
use crate::fhir::{Json, Patient, Read as _, system};
use crate::report::Issue;
use crate::site::Site;
use crate::version::Version;

pub(crate) use said::as_read;

/// What the checks look up, of one configuration.
#[derive(Debug)]
pub(crate) struct Ordinary {
    genders: Vec<&'static str>,
    name_uses: Vec<&'static str>,
    address_uses: Vec<&'static str>,
    telecom_uses: Vec<&'static str>,
    telecom_systems: Vec<&'static str>,
    /// Code systems that read back as other ones.
    lossy_systems: Vec<&'static str>,
}

impl Ordinary {
    /// `None` for a configuration under which no Patient is taken for ordinary.
    pub(crate) fn new(site: &Site) -> Option<Self> {
        is_ordinary(&site.config).then(|| {
            let carried = |table, system, codes: &[&'static str]| -> Vec<&'static str> {
                codes.iter().copied().filter(|code| is_carried(code, table, system, site)).collect()
            };
            let systems = codes::CODING_SYSTEM_NAMES.iter().map(|row| &*row.system);
            let is_lossy = |uri: &&'static str| {
                site.systems.uri(site.systems.name(uri), true).is_none_or(|read| read != **uri)
            };
            let address_use = Some("http://hl7.org/fhir/address-use");
            Self {
                genders: carried(Table::AdministrativeSex, None, &["male", "female", "other", "unknown"]),
                name_uses: carried(
                    Table::NameUse,
                    None,
                    &["usual", "official", "nickname", "anonymous", "maiden"],
                ),
                address_uses: carried(
                    Table::AddressUseType,
                    address_use,
                    &["home", "work", "temp", "old", "billing"],
                ),
                telecom_uses: carried(Table::TelecomUse, None, &["home", "work"]),
                telecom_systems: carried(Table::TelecomSystem, None, &["fax", "pager"]),
                lossy_systems: systems.filter(is_lossy).collect(),
            }
        })
    }

    /// Reads and checks a Patient; what is lost of it, in the order of the report.
    pub(crate) fn read<'a>(
        &self,
        json: &'a [u8],
        stamp: Option<VersionStamp<'a>>,
        site: &Site,
    ) -> Option<(Patient<'a>, Vec<Issue>)> {
        let mut json = Json::new(std::str::from_utf8(json).ok()?);
        let mut patient = Patient::default();
        patient.read(&mut json)?;
        json.end()?;
        if let Some(stamp) = stamp {
            let meta = patient.meta.get_or_insert_default();
            meta.version_id = stamp.version_id.map(Into::into);
            meta.last_updated = Some(stamp.last_updated.into());
        }
        let lost = check::losses(&patient, self, site)?;
        Some((patient, lost))
    }
}

/// True where nothing but the defaults decides what a message carries.
fn is_ordinary(config: &MappingConfig) -> bool {
    matches!(config.version, Version::V2_5 | Version::V2_5_1)
        && !config.ihe_strict
        && config.charset == CharsetName::Utf8
        && config.residue == Residue::Off
        && !config.logical_id.expose
        && config.hd_prefix.is_empty()
        && config.default_authority.is_empty()
        && config.coding_systems.is_empty()
        && config.codes.is_empty()
        && config.omit.is_empty()
        && config.z_segments.is_empty()
        && config.country == Country::Asis
        && config.birthplace_xad
        && config.degree_component == DegreeComponent::Auto
        && config.email_use_code == EmailUseCode::ByUse
        && !config.xtn1_mirror
        && !config.pid40
}

/// True where a code reads back as itself, without an extension beside it.
fn is_carried(code: &str, table: Table, system: Option<&str>, site: &Site) -> bool {
    let (codes, version) = (&site.codes, site.codes.version());
    let Some(v2) = codes.to_v2(table, system, code) else { return false };
    let back = match system {
        Some(system) => codes.to_fhir_in(table, v2, system, version),
        None => codes.to_fhir(table, v2, version).map(|(_, code)| code),
    };
    // `U` stands for no use of a name, `N` for a birth place.
    let is_taken = matches!((table, v2), (Table::NameUse, "U") | (Table::AddressUseType, "N" | "BDL"));
    back == Some(code) && !is_taken
}

impl Ordinary {
    /// True where a code system reads back as itself, and is not the name of another one.
    fn carries_system(&self, uri: &str) -> bool {
        uri.contains(':') && !uri.starts_with(system::V2) && !self.lossy_systems.contains(&uri)
    }
}
