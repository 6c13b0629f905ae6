//! A port that stays ours while nobody listens on it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// A loopback port, held by a socket that is bound and never listens: connections are refused, and no other
/// program is given the port, until [`Port::listen`] opens it.
#[derive(Debug)]
pub struct Port {
    _hold: Socket,
    address: SocketAddr,
}

impl Port {
    /// Claims a free port.
    ///
    /// # Errors
    /// There is none.
    pub fn claim() -> io::Result<Self> {
        let hold = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = hold.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { _hold: hold, address })
    }

    /// The address, for whoever is to listen there; another process may, too.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to listen; dropping the listener refuses connections again.
    ///
    /// # Errors
    /// Somebody listens already.
    pub fn listen(&self) -> io::Result<TcpListener> {
        let socket = bound(self.address)?;
        socket.listen(1024)?;
        TcpListener::from_std(socket.into())
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
