//! Actions in the words of the log of faults.

use std::fmt;

use super::{Action, ConnectionAction};

/// For the log of faults: what is done, without texts.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store => f.write_str("store"),
            Self::StoreError(fault) => write!(f, "store_error {fault:?}"),
            Self::SlowStore(time) => write!(f, "slow_store {:?}", time.0),
            Self::Answer => f.write_str("answer"),
            Self::Reply(reply) => {
                write!(f, "reply {}", reply.code.as_deref().unwrap_or("honest"))?;
                if let Some(error) = reply.error {
                    write!(f, " {error}")?;
                }
                write!(f, " id {:?}", reply.id)
            }
            Self::Send(text) => write!(f, "send {} bytes", text.len()),
            Self::Wait(time) => write!(f, "wait {:?}", time.0),
            Self::Close => f.write_str("close"),
            Self::Reset => f.write_str("reset"),
            Self::Stall => f.write_str("stall"),
            Self::Exit(code) => write!(f, "exit {code}"),
        }
    }
}

/// For the log of faults.
impl fmt::Display for ConnectionAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close => f.write_str("close"),
            Self::Reset => f.write_str("reset"),
            Self::Stall => f.write_str("stall"),
            Self::StallHandshake => f.write_str("stall_handshake"),
            Self::AbortHandshake => f.write_str("abort_handshake"),
            Self::OldTls => f.write_str("old_tls"),
            Self::Certificate(_) => f.write_str("certificate"),
            Self::ReadBytesPerSecond(rate) => write!(f, "read_bytes_per_second {rate}"),
            Self::EndAfter(end) => write!(f, "end_after {} {:?}", end.bytes, end.ending),
        }
    }
}
