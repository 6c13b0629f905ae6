//! What every process needs: configuration, telemetry, metrics, signals, drain, health.
//!
//! Nothing here knows what the processes do. The environment is read in this crate only.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! #[derive(Debug, Default, serde::Deserialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct Config {
//!     log: service::telemetry::Config,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::process::ExitCode {
//! let config: Config = match service::config::load("", None) {
//!     Ok(config) => config,
//!     Err(error) => return error.report(),
//! };
//! service::telemetry::init(&config.log, "example");
//! let shutdown = match service::shutdown_on_signal() {
//!     Ok(shutdown) => shutdown,
//!     Err(_) => return std::process::ExitCode::FAILURE,
//! };
//! let work = async { Ok::<(), std::io::Error>(()) };
//! service::drain(work, shutdown, service::grace(Duration::from_secs(20))).await
//! # }
//! ```

#![warn(missing_docs)]

pub mod build;
pub mod config;
pub mod health;
pub mod metrics;
mod shutdown;
pub mod telemetry;
pub mod traces;

pub use shutdown::{Finished, drain, grace, shutdown_on_signal};
