//! Reading slower than the bytes come, and only so far.

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::{Arrival, Ending};
use crate::reader::FrameReader;
use crate::stream::Stream;

#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: Option<NonZeroU32>,
    /// Not before this.
    next: Instant,
    /// Bytes that may still be read, and what comes then.
    left: Option<(u64, Ending)>,
}

impl Pace {
    /// `None` where reading is as usual. With a rate the receive buffer is made small, so that the peer notices.
    pub(super) fn of(arrival: &Arrival, socket: &TcpStream) -> Option<Self> {
        let Arrival { read_bytes_per_second, end_after_bytes, .. } = *arrival;
        if read_bytes_per_second.is_none() && end_after_bytes.is_none() {
            return None;
        }
        if read_bytes_per_second.is_some()
            && let Err(error) = SockRef::from(socket).set_recv_buffer_size(SMALL_BUFFER_BYTES)
        {
            tracing::debug!(%error, "the receive buffer keeps its size");
        }
        Some(Self { bytes_per_second: read_bytes_per_second, next: Instant::now(), left: end_after_bytes })
    }

    /// Set when everything that may be read was read.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.left.filter(|(left, _)| *left == 0).map(|(_, ending)| ending)
    }

    pub(super) async fn fill(&mut self, reader: &mut FrameReader, stream: &mut Stream) -> io::Result<usize> {
        sleep_until(self.next).await;
        let read = reader.fill(&mut stream.take(self.chunk())).await?;
        if let Some((left, _)) = &mut self.left {
            *left = left.saturating_sub(read as u64);
        }
        if let Some(rate) = self.bytes_per_second {
            self.next = Instant::now() + Duration::from_secs_f64(read as f64 / f64::from(rate.get()));
        }
        Ok(read)
    }

    /// A tenth of a second's worth at most.
    fn chunk(&self) -> u64 {
        let rate = self.bytes_per_second.map_or(u64::MAX, |rate| u64::from(rate.get() / 10).max(1));
        self.left.map_or(rate, |(left, _)| rate.min(left))
    }
}

const SMALL_BUFFER_BYTES: usize = 2048;
