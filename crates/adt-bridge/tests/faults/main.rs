//! The fault matrix: every way in which delivery is broken on purpose, in a form that takes seconds.
//!
//! `rows.txt` lists the rows F1 to F50. A row is shown by the tests whose names begin with its number, or the list
//! says why it is not. The long forms (500 kills, half an hour of mixed faults) are the soak driver's.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "helpers of tests fail the test, and its tasks end with it"
)]

mod acknowledgment;
mod aws;
mod clocks;
mod connection;
mod framing;
mod hook;
mod kills;
mod lease;
mod mixed;
mod operator;
mod poison;
mod power_loss;
mod processes;
mod queue_file;
mod receiver;
mod rig;
mod rows;
mod signals;
mod slow_clients;
mod tls;
mod upgrade;
mod watched_queue;
mod zombie;
