//! A client of MLLP that does nothing but write a frame and read its answer: no limits, no checks of the peer beyond
//! TLS, no copies. What it takes is what wire and TLS take.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::TlsConnector;

use super::{
    load::{Template, control_id},
    monotonic,
};
use crate::{
    exit::{Code, Failure},
    stack::chain,
};

/// Opens connections to one endpoint.
#[derive(Clone)]
pub(super) struct Door {
    address: String,
    tls: Option<credentials::ClientTls>,
}

/// One connection, and what it received beyond the last answer.
pub(super) struct Line {
    stream: Box<dyn Duplex>,
    buffer: Vec<u8>,
}

pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// What is sent in one go, on all connections together.
pub(super) struct Plan {
    pub(super) template: Template,
    pub(super) next: AtomicU64,
    pub(super) end: u64,
    pub(super) until: Instant,
    /// Answered so far.
    pub(super) done: AtomicU64,
}

impl Door {
    pub(super) fn new(address: &str, tls: &credentials::ClientTlsConfig) -> Result<Self, Failure> {
        let unusable = |error: credentials::TlsConfigError| Failure::new(Code::Usage, chain("TLS", &error));
        let tls = tls.enabled.then(|| credentials::ClientTls::new(tls, address)).transpose();
        Ok(Self { address: address.to_owned(), tls: tls.map_err(unusable)? })
    }

    pub(super) async fn open(&self) -> Result<Line, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(Code::CannotConnect, chain(&format!("cannot connect to {}", self.address), &error))
        };
        let stream = TcpStream::connect(&self.address).await.map_err(failed)?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Duplex> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let connector = TlsConnector::from(Arc::clone(tls.files().current().config()));
                Box::new(connector.connect(tls.name(), stream).await.map_err(failed)?)
            }
        };
        Ok(Line { stream, buffer: Vec::with_capacity(4096) })
    }
}

impl Line {
    /// Sends until the plan ends; the nanoseconds that each message took, and when the last one was answered.
    pub(super) async fn send_all(mut self, plan: Arc<Plan>) -> Result<(Self, Vec<u64>), Failure> {
        let mut times = Vec::new();
        loop {
            let number = plan.next.fetch_add(1, Ordering::Relaxed);
            if number >= plan.end || Instant::now() >= plan.until {
                return Ok((self, times));
            }
            let mut frame = Vec::with_capacity(plan.template.len() + 3);
            frame.push(START_BLOCK);
            frame.extend_from_slice(&plan.template.numbered(number));
            frame.extend_from_slice(&[END_BLOCK, b'\r']);
            let began = monotonic::now();
            self.exchange(&frame, number).await?;
            times.push(monotonic::now() - began);
            plan.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn exchange(&mut self, frame: &[u8], number: u64) -> Result<(), Failure> {
        let lost =
            |error: std::io::Error| Failure::new(Code::CannotConnect, format!("the endpoint: {error}"));
        self.stream.write_all(frame).await.map_err(lost)?;
        self.stream.flush().await.map_err(lost)?;
        loop {
            if let Some(end) =
                memchr::memchr(END_BLOCK, &self.buffer).filter(|end| self.buffer.len() > end + 1)
            {
                let accepted = accepts(self.buffer.get(..end).unwrap_or_default(), &control_id(number));
                self.buffer.drain(..end + 2);
                return if accepted {
                    Ok(())
                } else {
                    Err(Failure::new(
                        Code::Rejected,
                        "the endpoint did not answer AA with the id of the message",
                    ))
                };
            }
            if self.stream.read_buf(&mut self.buffer).await.map_err(lost)? == 0 {
                return Err(Failure::new(Code::CannotConnect, "the endpoint closed the connection"));
            }
        }
    }
}

fn accepts(answer: &[u8], control_id: &str) -> bool {
    let mut segments = answer.split(|byte| *byte == b'\r');
    let Some(fields) = segments.find_map(|segment| segment.strip_prefix(b"MSA|AA|")) else { return false };
    fields.split(|byte| *byte == b'|').next() == Some(control_id.as_bytes())
}

const START_BLOCK: u8 = 0x0b;
const END_BLOCK: u8 = 0x1c;

#[cfg(test)]
mod tests {
    use super::accepts;

    #[test]
    fn only_aa_of_the_message_counts() {
        let id = "BENCH0000000007";
        assert!(accepts(b"\x0bMSH|^~\\&|\rMSA|AA|BENCH0000000007\r", id));
        assert!(accepts(b"\x0bMSH|^~\\&|\rMSA|AA|BENCH0000000007|done\r", id));
        assert!(!accepts(b"\x0bMSH|^~\\&|\rMSA|AE|BENCH0000000007\r", id));
        assert!(!accepts(b"\x0bMSH|^~\\&|\rMSA|AA|BENCH0000000008\r", id));
        assert!(!accepts(b"", id));
    }
}
