//! The HL7 endpoint: its name, its port, its certificate, and what it makes of ours.

use std::time::SystemTime;

use mllp::{ClientConfig, Connection, Connector, MllpError, TlsCause};

use super::{Examined, Finding, Report, Role, certificates, echo};
use crate::{config::BUNDLED, errors, stack::chain};

const CHECK: &str = "endpoint";

/// Connects once. With `echo`, sends one message over that connection.
pub(super) async fn examine(examined: &Examined, receiver_is_served: bool, echo: bool, report: &mut Report) {
    let config = match settings(examined, receiver_is_served) {
        Ok(config) => config,
        Err(finding) => return report.add(finding),
    };
    let connector = match Connector::new(&config) {
        Ok(connector) => connector,
        // The certificate files have told already.
        Err(error) => {
            return report.add(Finding::failed(CHECK, chain("no connection without its TLS files", &error)));
        }
    };
    let address = &config.address;
    match connector.connect().await {
        Ok(connection) => {
            report.add(reached(&config, &connection));
            if let Some(certificate) = connection.certificate() {
                report.add(certificates::in_time(
                    "the endpoint's certificate",
                    certificate,
                    SystemTime::now(),
                ));
            }
            if echo {
                echo::examine(&examined.config, connection, report).await;
            } else {
                connection.close().await;
            }
        }
        Err(error) => report.add(failure(address, &config, &error)),
    }
}

/// How the endpoint is reached, or why it is not looked at.
fn settings(examined: &Examined, receiver_is_served: bool) -> Result<ClientConfig, Finding> {
    let mut config = examined.config.sender.endpoint.clone();
    if config.address != BUNDLED {
        return Ok(config);
    }
    if examined.role != Role::All {
        return Err(Finding::failed(CHECK, "sender.endpoint.address is not set")
            .fix("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS=host:port, or [sender.endpoint] in the file"));
    }
    if !receiver_is_served {
        return Err(Finding::ok(
            CHECK,
            "the bundled test receiver, which is not running: `adt-bridge up` starts it",
        ));
    }
    config.address.clone_from(&examined.config.receiver.listen);
    config.tls = examined.development.client();
    Ok(config)
}

fn reached(config: &ClientConfig, connection: &Connection) -> Finding {
    let (address, peer) = (&config.address, connection.peer());
    match connection.certificate() {
        Some(certificate) => {
            let dns = certificate.dns_names.iter().cloned();
            let names: Vec<String> =
                dns.chain(certificate.ip_addresses.iter().map(ToString::to_string)).collect();
            Finding::ok(
                CHECK,
                format!("{address} ({peer}) speaks TLS; its certificate is for {}", names.join(", ")),
            )
        }
        None if peer.ip().is_loopback() => {
            Finding::ok(CHECK, format!("{address} ({peer}) takes connections, in clear"))
        }
        None => Finding::warning(CHECK, format!("{address} ({peer}) takes connections, in clear"))
            .because("sender.endpoint.tls.enabled is false: everybody on the way can read patient data")
            .fix("TLS, unless something else protects that network (VPN, IPsec)"),
    }
}

fn failure(address: &str, config: &ClientConfig, error: &MllpError) -> Finding {
    let finding = Finding::failed(CHECK, chain(address, error));
    let tls = &config.tls;
    let host = tls
        .server_name
        .as_deref()
        .unwrap_or_else(|| address.rsplit_once(':').map_or(address, |(host, _)| host));
    let finding = match error {
        MllpError::Tls { cause: TlsCause::UnknownAuthority, .. } => finding.because(match &tls.ca_file {
            Some(file) => format!("nothing in sender.endpoint.tls.ca_file ({}) signed that certificate", file.display()),
            None => "no authority of the system signed that certificate, and sender.endpoint.tls.ca_file is not set".to_owned(),
        }),
        MllpError::Tls { cause: TlsCause::WrongName, certificate, .. } => {
            let names = certificate.as_ref().map_or_else(Vec::new, |certificate| {
                let ips = certificate.ip_addresses.iter().map(ToString::to_string);
                certificate.dns_names.iter().cloned().chain(ips).collect()
            });
            finding.because(format!("it is for {}, and not for {host}", names.join(", ")))
        }
        MllpError::Tls { cause: TlsCause::ClientCertificateRequired, .. } => {
            finding.because("sender.endpoint.tls has no cert_file and key_file")
        }
        _ => finding,
    };
    finding.explained(errors::connection(error))
}
