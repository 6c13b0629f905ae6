//! Certificates, keys and tokens from files, read again when they change.
//!
//! For every listener and client that proves who it is: MLLP and the hook. TLS is rustls on aws-lc-rs, with
//! verification that cannot be turned off.
//!
//! ```
//! use credentials::Reloader;
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("token");
//! std::fs::write(&file, "old")?;
//! let path = file.clone();
//! let token = Reloader::new(vec![file.clone()], move || std::fs::read_to_string(&path))?;
//! std::fs::write(&file, "newer")?;
//! token.reload_if_changed()?;
//! assert_eq!(*token.current(), "newer");
//! # Ok::<(), std::io::Error>(())
//! ```
#![warn(missing_docs)]
#![warn(clippy::indexing_slicing)]

mod certificate;
mod config;
mod error;
mod metrics;
mod reload;
pub mod tls;

pub use certificate::CertificateInfo;
pub use config::{ClientTlsConfig, ServerTlsConfig};
pub use error::TlsConfigError;
pub use metrics::{METRICS, tell_expiry};
pub use reload::{POLL_INTERVAL, Reloader};
pub use tls::{ClientTls, ServerTls, ServerTlsOptions, certificate_chain, install_provider};
