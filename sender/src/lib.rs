//! From the queue over MLLP and TLS to the HL7 endpoint, and what its acknowledgments decide.
