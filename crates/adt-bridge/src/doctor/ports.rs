//! The addresses to listen on: free, or served by our own process.

use std::{io, net::SocketAddr};

use tokio::net::{TcpSocket, lookup_host};

use super::{Examined, Finding, Report, process};

const CHECK: &str = "port";

/// What our own running processes serve already.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// The receiver over TLS.
    pub(super) receiver: bool,
}

pub(super) async fn examine(examined: &Examined, report: &mut Report) -> Served {
    let Examined { config, role, .. } = examined;
    let mut served = Served::default();
    if role.is_hook() {
        let speaks_http = config.hook.tls.is_none();
        let listen = config.hook.listen;
        if look("hook.listen", &listen.to_string(), speaks_http, report).await && speaks_http {
            readiness(listen, report).await;
        }
    }
    if role.is_receiver() {
        if config.receiver.tls.is_some() {
            served.receiver = look("receiver.listen", &config.receiver.listen, false, report).await;
        }
        if let Some(plain) = &config.receiver.listen_plain {
            look("receiver.listen_plain", plain, false, report).await;
        }
        if let Some(inspector) = config.inspector.listen {
            look("inspector.listen", &inspector.to_string(), false, report).await;
        }
    }
    served
}

/// Looks at one address; true when our own process serves it.
async fn look(setting: &str, text: &str, speaks_http: bool, report: &mut Report) -> bool {
    let address = match lookup_host(text).await.map(|mut found| found.next()) {
        Ok(Some(address)) => address,
        Ok(None) | Err(_) => {
            report.add(
                Finding::failed(CHECK, format!("{setting} {text} is no address to listen on"))
                    .fix("an IP address of this machine and a port, such as 127.0.0.1:2575"),
            );
            return false;
        }
    };
    if address.port() == 0 {
        report.add(Finding::ok(CHECK, format!("{setting} {address} takes any free port")));
        return false;
    }
    match ask_for(address) {
        Ok(()) => report.add(Finding::ok(CHECK, format!("{setting} {address} is free"))),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            return taken(setting, address, speaks_http, report).await;
        }
        Err(error) => report.add(refused(setting, address, &error)),
    }
    false
}

/// Asks the kernel for the address and does not listen: who starts meanwhile is not disturbed.
fn ask_for(address: SocketAddr) -> io::Result<()> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

async fn taken(setting: &str, address: SocketAddr, speaks_http: bool, report: &mut Report) -> bool {
    let owner = process::listener(address);
    let finding = match &owner {
        Some(owner) if owner.is_ours() => {
            report.add(Finding::ok(CHECK, format!("{setting} {address} is served by {owner}")));
            return true;
        }
        Some(owner) => Finding::failed(CHECK, format!("{setting} {address} is taken by {owner}")),
        None if speaks_http
            && service::health::ask(address, service::health::Question::Alive).await.is_ok() =>
        {
            report.add(Finding::ok(
                CHECK,
                format!("{setting} {address} is served, and answers as a hook does"),
            ));
            return true;
        }
        None => Finding::failed(
            CHECK,
            format!("{setting} {address} is taken by a process that this user cannot see"),
        )
        .because("if that is the bridge itself, run doctor as its user"),
    };
    let section = setting.to_uppercase().replace('.', "__");
    report.add(
        finding
            .fix(format!("stop that process, or set {setting} (ADT_BRIDGE__{section}) to another address")),
    );
    false
}

fn refused(setting: &str, address: SocketAddr, error: &io::Error) -> Finding {
    let finding = Finding::failed(CHECK, format!("{setting} {address} cannot be listened on: {error}"));
    match error.kind() {
        io::ErrorKind::PermissionDenied => finding
            .because("ports below 1024 belong to root")
            .fix("a port from 1024 on, or the capability CAP_NET_BIND_SERVICE"),
        io::ErrorKind::AddrNotAvailable => {
            finding.because("no network interface of this machine has that address").fix(format!(
                "0.0.0.0:{} for every interface, or an address that `ip address` lists",
                address.port()
            ))
        }
        _ => finding.fix("another address"),
    }
}

/// What the running hook says of itself.
async fn readiness(listen: SocketAddr, report: &mut Report) {
    report.add(match service::health::ask(listen, service::health::Question::Ready).await {
        Ok(()) => Finding::ok("hook", "the running hook is ready"),
        Err(error) => Finding::failed("hook", format!("the running hook is not ready: {error}"))
            .because("its queue or its store does not work; the findings below say which")
            .fix(format!("curl -s 'http://{listen}/readyz?verbose' lists its checks")),
    });
}
