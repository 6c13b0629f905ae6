//! Where received HL7 messages are kept: S3, a directory, memory.
