//! The settings with a few named values.

use serde::{Deserialize, Serialize};

/// A setting with a few named values.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// As it is written in the configuration.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

choice!(
    /// Which events stand for create and update.
    Profile {
        /// IHE ITI-30: A28 and A31.
        #[default]
        Pam = "pam",
        /// IHE ITI-8: A04 and A08.
        Pix = "pix",
    }
);

choice!(
    /// Which write sends A40 (MRG-B).
    MergeTrigger {
        /// The write of the retired record.
        #[default]
        ReplacedBy = "replaced-by",
        /// The write of the survivor.
        Replaces = "replaces",
        /// Either; both give the same control id.
        Both = "both",
    }
);

choice!(
    /// What a link `seealso` sends.
    Seealso {
        /// Nothing; it is told.
        #[default]
        Off = "off",
        /// A24, and A37 when it is removed.
        A24 = "a24",
    }
);

choice!(
    /// What a delete sends.
    DeleteEvent {
        /// A29, delete person information.
        #[default]
        A29 = "A29",
        /// A23, delete a patient record.
        A23 = "A23",
        /// Nothing; it is told.
        None = "none",
    }
);

choice!(
    /// What `active=false` sends.
    InactiveEvent {
        /// An update.
        #[default]
        Off = "off",
        /// A29 instead of the update.
        A29 = "A29",
    }
);

choice!(
    /// MSH-11 (table 0103).
    ProcessingId {
        /// Production. Must be chosen explicitly.
        Production = "P",
        /// Training.
        #[default]
        Training = "T",
        /// Debugging.
        Debugging = "D",
    }
);

choice!(
    /// MSH-11.2 (table 0207).
    ProcessingMode {
        /// Current processing: the component is empty.
        #[default]
        Current = "",
        /// From an archive.
        Archive = "A",
        /// Restored from an archive.
        Restore = "R",
        /// Initial load.
        InitialLoad = "I",
    }
);

choice!(
    /// Acknowledgment mode (HL7 v2.5.1 §2.9).
    AckMode {
        /// MSH-15 and MSH-16 empty.
        #[default]
        Original = "original",
        /// MSH-15 `AL`, MSH-16 by `application_ack`.
        Enhanced = "enhanced",
    }
);

choice!(
    /// MSH-16 (table 0155).
    ApplicationAck {
        /// Never.
        #[default]
        Never = "NE",
        /// Always.
        Always = "AL",
        /// Errors only.
        Error = "ER",
        /// Success only.
        Success = "SU",
    }
);

choice!(
    /// Whether EVN-1 is sent.
    Evn1 {
        /// Where the version has it: up to 2.4.
        #[default]
        Auto = "auto",
        /// In every version.
        Always = "always",
        /// In none.
        Never = "never",
    }
);

choice!(
    /// MSH-18 (table 0211).
    CharsetName {
        /// UTF-8.
        #[default]
        Utf8 = "UTF-8",
        /// ISO 8859-1.
        Latin1 = "8859/1",
        /// Seven bits.
        Ascii = "ASCII",
    }
);

impl From<CharsetName> for hl7v2::Charset {
    fn from(name: CharsetName) -> Self {
        match name {
            CharsetName::Utf8 => Self::Utf8,
            CharsetName::Latin1 => Self::Latin1,
            CharsetName::Ascii => Self::Ascii,
        }
    }
}

choice!(
    /// What an update does to elements that the Patient no longer has (mapping section 8.1).
    UpdateMode {
        /// Their fields are empty.
        #[default]
        Snapshot = "snapshot",
        /// Their fields hold the explicit null `""`.
        Null = "null",
    }
);

choice!(
    /// Whether what HL7 cannot carry travels in ZFP segments (mapping section 10.3).
    Residue {
        /// No.
        #[default]
        Off = "off",
        /// Yes.
        Zfp = "zfp",
    }
);

choice!(
    /// How XAD.6 is written.
    Country {
        /// As it is.
        #[default]
        Asis = "asis",
        /// ISO alpha-2 becomes alpha-3.
        Alpha3 = "alpha3",
    }
);

choice!(
    /// XPN component of professional suffixes (NM-5).
    DegreeComponent {
        /// XPN.14, up to 2.4 XPN.6.
        #[default]
        Auto = "auto",
        /// XPN.6.
        Six = "6",
    }
);

choice!(
    /// XTN.2 of email and url (TEL-4).
    EmailUseCode {
        /// By use; `NET` only without use.
        #[default]
        ByUse = "by-use",
        /// Always `NET`.
        Net = "net",
    }
);

choice!(
    /// What happens to a field longer than its version allows. Nothing is ever cut.
    Length {
        /// It is sent whole, with a warning.
        #[default]
        Warn = "warn",
        /// Nothing is sent.
        Reject = "reject",
    }
);

choice!(
    /// In which directions a code row holds.
    Direction {
        /// Both.
        #[default]
        Both = "both",
        /// FHIR to HL7 v2 only.
        ToV2 = "to_v2",
        /// HL7 v2 to FHIR only.
        ToFhir = "to_fhir",
    }
);
