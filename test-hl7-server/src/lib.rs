//! An HL7 endpoint for tests: stores what it receives, then acknowledges.
