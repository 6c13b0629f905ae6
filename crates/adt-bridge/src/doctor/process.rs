//! Which process holds a port or a lock, as far as this user may see: from `/proc`.

use std::{
    fmt, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) id: u32,
    pub(super) name: String,
}

impl Running {
    fn of(id: u32) -> Option<Self> {
        let name = fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
        Some(Self { id, name: name.trim_end().to_owned() })
    }

    /// Whether it is one of the programs of this project.
    pub(super) fn is_ours(&self) -> bool {
        ["adt-bridge", "transform", "sender", "test-hl7-server"].contains(&self.name.as_str())
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.id)
    }
}

/// Who listens on an address, a wildcard of its port included.
pub(super) fn listener(address: SocketAddr) -> Option<Running> {
    let sockets =
        ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|table| fs::read_to_string(table).ok());
    let inodes: Vec<String> = sockets
        .flat_map(|table| {
            table.lines().skip(1).filter_map(|line| listening(line, address)).collect::<Vec<_>>()
        })
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let holds = |id: &u32| {
        let Ok(files) = fs::read_dir(format!("/proc/{id}/fd")) else { return false };
        files.flatten().any(|file| {
            fs::read_link(file.path())
                .is_ok_and(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
        })
    };
    let ids =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.into_iter().find(holds).and_then(Running::of)
}

/// The inode of a line that says somebody listens on the address.
fn listening(line: &str, wanted: SocketAddr) -> Option<String> {
    const LISTEN: &str = "0A";
    let mut columns = line.split_whitespace();
    let (address, port) = columns.nth(1)?.split_once(':')?;
    let state = columns.nth(1)?;
    let ip = ip(address)?;
    let same = ip == wanted.ip() || ip.is_unspecified() || wanted.ip().is_unspecified();
    let listens = state == LISTEN && u16::from_str_radix(port, 16).ok()? == wanted.port() && same;
    listens.then(|| columns.nth(5)).flatten().map(str::to_owned)
}

/// Words of four bytes, each in the order of this machine.
fn ip(hex: &str) -> Option<IpAddr> {
    let words: Vec<u32> = hex
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    match words.as_slice() {
        [word] => Some(Ipv4Addr::from(word.to_ne_bytes()).into()),
        [_, _, _, _] => {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let ip = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4))
        }
        _ => None,
    }
}

/// Who holds the lock on a file.
pub(super) fn lock_owner(file: &Path) -> Option<Running> {
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 4711 08:02:131 0 EOF`
    locks.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", id, place, ..] = columns.as_slice() else { return None };
        let same = place.rsplit(':').next() == Some(inode.as_str());
        same.then(|| Running::of(id.parse().ok()?)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_who_listens_and_who_locks() {
        let listener_of_this_test = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener_of_this_test.local_addr().unwrap();
        assert_eq!(listener(address).unwrap().id, std::process::id());
        let wildcard = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
        assert_eq!(listener(wildcard).unwrap().id, std::process::id());
        drop(listener_of_this_test);
        assert_eq!(listener(address), None);

        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(lock_owner(file.path()), None);
        file.as_file().lock().unwrap();
        assert_eq!(lock_owner(file.path()).unwrap().id, std::process::id());
    }
}
