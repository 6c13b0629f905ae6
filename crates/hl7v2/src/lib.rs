//! HL7 v2 messages: separators, escaping, reading, writing, acknowledgments.
