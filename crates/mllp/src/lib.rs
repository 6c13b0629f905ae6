//! MLLP: frames over TCP and TLS, client and server.
//!
//! Bytes in, bytes out: nothing here knows an HL7 segment. Both roles share one streaming decoder with a
//! bound on every frame ([`codec`]), every wait has a deadline, and a failure says what the caller can do.
//!
//! ```
//! use mllp::codec::{MllpCodec, Trailer};
//! use tokio_util::codec::Decoder;
//!
//! let mut received = bytes::BytesMut::from(&b"\x0bMSH|^~\\&|...\x1c\r"[..]);
//! let frame = MllpCodec::new(1024, Trailer::Strict).decode(&mut received)?.ok_or("incomplete")?;
//! assert_eq!(frame.as_bytes(), b"MSH|^~\\&|...");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]
#![warn(clippy::indexing_slicing)]

pub mod client;
pub mod codec;
pub mod config;
pub mod error;
mod reader;
pub mod server;
mod stream;

pub use client::{Connection, Connector};
pub use codec::Frame;
pub use config::{ClientConfig, ServerConfig};
pub use credentials::{
    CertificateInfo, ClientTls, ClientTlsConfig, POLL_INTERVAL, ServerTls, ServerTlsConfig, TlsConfigError,
};
pub use error::{MllpError, TlsCause};
pub use server::{Handler, Limits, Peer, Reply, Server};
