//! What each HL7 version can carry: the version table of the mapping, as data.

use serde::{Deserialize, Serialize};

/// An HL7 v2 version that messages are written in (MSH-12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub enum Version {
    /// 2.3.
    #[serde(rename = "2.3")]
    V2_3,
    /// 2.3.1, the version of IHE ITI-8.
    #[serde(rename = "2.3.1")]
    V2_3_1,
    /// 2.4.
    #[serde(rename = "2.4")]
    V2_4,
    /// 2.5.
    #[serde(rename = "2.5")]
    V2_5,
    /// 2.5.1, the default.
    #[default]
    #[serde(rename = "2.5.1")]
    V2_5_1,
    /// 2.6.
    #[serde(rename = "2.6")]
    V2_6,
    /// 2.7.
    #[serde(rename = "2.7")]
    V2_7,
    /// 2.8.
    #[serde(rename = "2.8")]
    V2_8,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Self; 8] =
        [Self::V2_3, Self::V2_3_1, Self::V2_4, Self::V2_5, Self::V2_5_1, Self::V2_6, Self::V2_7, Self::V2_8];

    /// As it stands in MSH-12.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2_3 => "2.3",
            Self::V2_3_1 => "2.3.1",
            Self::V2_4 => "2.4",
            Self::V2_5 => "2.5",
            Self::V2_5_1 => "2.5.1",
            Self::V2_6 => "2.6",
            Self::V2_7 => "2.7",
            Self::V2_8 => "2.8",
        }
    }

    /// The version that an MSH-12 value stands for when a message is read: the newest known one that is not
    /// newer, so that `2.2` reads as 2.3 and `2.8.2` as 2.8. Anything else reads as the default.
    #[must_use]
    pub fn read(msh_12: &str) -> Self {
        match msh_12.trim() {
            "2.1" | "2.2" | "2.3" => Self::V2_3,
            "2.3.1" => Self::V2_3_1,
            "2.4" => Self::V2_4,
            "2.5" => Self::V2_5,
            "2.6" => Self::V2_6,
            "2.7" | "2.7.1" => Self::V2_7,
            newer if newer.starts_with("2.8") || newer.starts_with("2.9") => Self::V2_8,
            _ => Self::V2_5_1,
        }
    }

    /// What this version can carry.
    pub(crate) fn rules(self) -> &'static Rules {
        match self {
            Self::V2_3 => &V2_3,
            Self::V2_3_1 => &V2_3_1,
            Self::V2_4 => &V2_4,
            Self::V2_5 | Self::V2_5_1 => &V2_5,
            Self::V2_6 => &V2_6,
            Self::V2_7 => &V2_7,
            Self::V2_8 => &V2_8,
        }
    }
}

/// The type of a coded field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coded {
    /// One code of a user table, nothing else (CD-8).
    Is,
    /// Two triplets; the text shares CE.2 and CE.5 with the displays (CD-0).
    Ce,
    /// Two triplets and the original text in CWE.9 (CD-7).
    Cwe,
    /// CWE with a third triplet in components 10 to 13 (CD-6).
    CweThird,
}

/// Where a period stands inside XPN or XAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    /// The version has no place for it.
    None,
    /// One component `start&end`: XPN.10, XAD.12.
    Range,
    /// Two components: XPN.12/13, XAD.13/14.
    Two,
}

/// One column of the version table.
#[derive(Debug)]
pub(crate) struct Rules {
    /// MSH-9.3 is sent.
    pub(crate) message_structure: bool,
    /// MSH-18 for UTF-8.
    pub(crate) utf8_name: &'static str,
    /// EVN-1 is sent (withdrawn in 2.7, deprecated before).
    pub(crate) evn_1: bool,
    /// Type of PID-16, PID-15, NK1-3 ... from 2.3.1 on.
    pub(crate) coded: Coded,
    /// Type of PID-8/10/16/17/22/26, which were IS in 2.3.
    pub(crate) coded_pid: Coded,
    /// PID-39, where the version has it.
    pub(crate) tribal: Option<Coded>,
    /// PID-10 and PID-22 repeat.
    pub(crate) race_repeats: bool,
    /// Longest PID-5 repetition that goes without a warning.
    pub(crate) name_max: Option<usize>,
    /// Longest PID-3 repetition that goes without a warning.
    pub(crate) identifier_max: Option<usize>,
    /// CX.7 and CX.8.
    pub(crate) identifier_period: bool,
    /// CX.9 and CX.10.
    pub(crate) identifier_assigner: bool,
    /// CX.5 must be valued: `U` where the type is absent.
    pub(crate) identifier_type_required: bool,
    /// XPN.10 or XPN.12/13.
    pub(crate) name_period: Period,
    /// XPN.6 or XPN.14.
    pub(crate) professional_suffix: usize,
    /// XPN.11.
    pub(crate) assembly_order: bool,
    /// XAD.1 has subcomponents.
    pub(crate) street_address: bool,
    /// XAD.12 or XAD.13/14.
    pub(crate) address_period: Period,
    /// XAD.9 is CWE: the district stands in XAD.9.2.
    pub(crate) county_coded: bool,
    /// XAD.18.
    pub(crate) address_usage: bool,
    /// XTN.1 or XTN.12.
    pub(crate) phone_text: usize,
    /// XTN.3 must be valued.
    pub(crate) equipment_required: bool,
    /// XTN.13/14 and XTN.18.
    pub(crate) phone_period: bool,
    /// XTN.5 to XTN.8 take numbers only (NM).
    pub(crate) phone_parts_numeric: bool,
    /// `use=old` can be sent, with XTN.14.
    pub(crate) old_phone: bool,
    /// HD.3 for an absolute URI.
    pub(crate) uri_type: &'static str,
    /// XON.10 or XON.3.
    pub(crate) organization_id: usize,
    /// PD1-4; withdrawn in 2.7.
    pub(crate) primary_care_provider: bool,
    /// PID-33.
    pub(crate) last_update: bool,
    /// PID-35 to PID-38.
    pub(crate) species: bool,
    /// PID-40.
    pub(crate) pid_40: bool,
}

static V2_3: Rules = Rules {
    message_structure: false,
    utf8_name: "UNICODE",
    evn_1: true,
    coded: Coded::Ce,
    coded_pid: Coded::Is,
    tribal: None,
    race_repeats: false,
    name_max: Some(48),
    identifier_max: Some(20),
    identifier_period: false,
    identifier_assigner: false,
    identifier_type_required: false,
    name_period: Period::None,
    professional_suffix: 6,
    assembly_order: false,
    street_address: false,
    address_period: Period::None,
    county_coded: false,
    address_usage: false,
    phone_text: 1,
    equipment_required: false,
    phone_period: false,
    phone_parts_numeric: true,
    old_phone: false,
    uri_type: "L",
    organization_id: 3,
    primary_care_provider: true,
    last_update: false,
    species: false,
    pid_40: false,
};

static V2_3_1: Rules = Rules { coded_pid: Coded::Ce, race_repeats: true, ..V2_3 };

static V2_4: Rules = Rules {
    message_structure: true,
    name_max: Some(250),
    identifier_max: Some(250),
    identifier_period: true,
    name_period: Period::Range,
    assembly_order: true,
    street_address: true,
    address_period: Period::Range,
    last_update: true,
    species: true,
    ..V2_3_1
};

static V2_5: Rules = Rules {
    utf8_name: "UNICODE UTF-8",
    evn_1: false,
    tribal: Some(Coded::Cwe),
    identifier_assigner: true,
    name_period: Period::Two,
    professional_suffix: 14,
    address_period: Period::Two,
    phone_text: 12,
    uri_type: "URI",
    organization_id: 10,
    ..V2_4
};

static V2_6: Rules = Rules { coded: Coded::Cwe, coded_pid: Coded::Cwe, phone_period: true, ..V2_5 };

static V2_7: Rules = Rules {
    coded: Coded::CweThird,
    coded_pid: Coded::CweThird,
    tribal: Some(Coded::CweThird),
    name_max: None,
    identifier_max: None,
    identifier_type_required: true,
    county_coded: true,
    address_usage: true,
    equipment_required: true,
    phone_parts_numeric: false,
    old_phone: true,
    primary_care_provider: false,
    pid_40: true,
    ..V2_6
};

static V2_8: Rules = Rules { ..V2_7 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_newer_and_an_older_version_as_the_nearest_known() {
        assert_eq!(Version::read("2.8.2"), Version::V2_8);
        assert_eq!(Version::read("2.2"), Version::V2_3);
        assert_eq!(Version::read(""), Version::V2_5_1);
        for version in Version::ALL {
            assert_eq!(Version::read(version.as_str()), version);
        }
    }
}
