//! What a proxy does to the flows that pass through it.

use std::{net::SocketAddr, time::Duration};

/// Which way bytes travel. The client is who connected to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// An orderly end of the stream.
    Fin,
    /// An abort.
    Reset,
}

/// What happens to a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is forwarded.
    Forward,
    /// The port does not listen.
    Refuse,
    /// Accepted and ended at once.
    End(Close),
    /// Accepted, never read, never forwarded.
    Hold,
}

/// The pieces in which bytes are written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// As they came.
    Whole,
    /// Each byte in its own packet.
    EveryByte,
    /// Pieces of random length, at most `.0` bytes.
    Random(usize),
}

/// The end of one flow after a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of the flow that still pass.
    pub after: u64,
    /// How the flow then ends, on both sides.
    pub close: Close,
}

/// What happens to the bytes of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impairment {
    /// Each piece is written this much later than it was read. Pieces do not overtake each other, and the next
    /// one is read after the previous one is written.
    pub latency: Duration,
    /// Up to this much is added to the latency, at random from the seed.
    pub jitter: Duration,
    /// Bytes per second; `None` is unlimited.
    pub bytes_per_second: Option<u64>,
    /// How bytes are cut into packets.
    pub split: Split,
    /// Ends the first flow that reaches it, once.
    pub cut: Option<Cut>,
    /// Bytes and ends of streams are read and thrown away.
    pub swallow: bool,
    /// Nothing is read.
    pub stop_reading: bool,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            bytes_per_second: None,
            split: Split::Whole,
            cut: None,
            swallow: false,
            stop_reading: false,
        }
    }
}

/// The whole of what the proxy does now.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where new flows go.
    pub upstream: SocketAddr,
    /// What happens to new connections.
    pub arrival: Arrival,
    /// Towards the server.
    pub to_server: Impairment,
    /// Towards the client.
    pub to_client: Impairment,
    pub(crate) orders: Orders,
}

/// Orders to the flows that run now: a flow obeys when a count rises above what it was when the flow began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Orders {
    pub(crate) half_close_to_server: u64,
    pub(crate) half_close_to_client: u64,
    pub(crate) close: u64,
    pub(crate) reset: u64,
    pub(crate) forget: u64,
}

impl Plan {
    pub(crate) fn new(upstream: SocketAddr) -> Self {
        Self {
            upstream,
            arrival: Arrival::Forward,
            to_server: Impairment::default(),
            to_client: Impairment::default(),
            orders: Orders::default(),
        }
    }

    /// The impairment of one direction.
    pub fn side(&self, direction: Direction) -> &Impairment {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// The impairment of one direction, to change it.
    pub fn side_mut(&mut self, direction: Direction) -> &mut Impairment {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

impl Orders {
    pub(crate) fn half_close(&self, direction: Direction) -> u64 {
        match direction {
            Direction::ToServer => self.half_close_to_server,
            Direction::ToClient => self.half_close_to_client,
        }
    }
}
