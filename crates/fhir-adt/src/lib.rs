//! FHIR R4 Patient to HL7 v2 ADT and back: a pure mapping.
