//! The FHIR hook: Patient writes in, ADT messages onto the queue.
