//! Test equipment for delivery under faults. No part of it runs in production, and none of it uses the code it
//! judges: frames, control ids and HTTP are read by hand here.
//!
//! | Module | What it breaks or measures |
//! |---|---|
//! | [`proxy`] | bytes between two TCP peers: late, slow, split, cut, swallowed, refused |
//! | [`endpoint`] | a hospital listener with a script: every acknowledgment, and none |
//! | [`certificates`] | certificates that are fine, expired, early, or from a stranger |
//! | [`aws_stub`] | SQS and S3 over HTTP that fail on demand |
//! | [`load`] | a FHIR server's side: writes to the hook, and the list of what was answered with 2xx |
//! | [`deployment`] | the built binary, as one process or as several, on ports that outlive a kill |
//! | [`port`] | a port that stays ours while nobody listens |
//! | [`power_loss`] | what a disk may have left when the power fails, at every moment of a recorded process |
//! | [`process`] | a spawned binary: its start-up line, kill, pause, terminate |
//! | [`oracle`] | what was accepted against what arrived: loss, order, repeats |
#![warn(missing_docs)]

pub mod aws_stub;
pub mod certificates;
pub mod deployment;
pub mod endpoint;
pub mod load;
pub mod oracle;
pub mod port;
pub mod power_loss;
pub mod process;
pub mod proxy;

mod watched;
