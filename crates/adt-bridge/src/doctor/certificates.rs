//! Certificate files: readable, in order, in time, and with the key that belongs to them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use ::credentials::{CertificateInfo, ServerTls, ServerTlsConfig, TlsConfigError, certificate_chain};

use super::{Examined, Finding, Report};

const CHECK: &str = "certificate";
/// Time enough to order a new one.
const SOON: Duration = Duration::from_secs(21 * 86_400);

pub(super) fn examine(examined: &Examined, report: &mut Report) {
    let Examined { config, role, development } = examined;
    if role.is_hook()
        && let Some(tls) = &config.hook.tls
    {
        pair("hook.tls", &tls.cert_file, &tls.key_file, Holder::Server, report);
        authorities("hook.tls.client_ca_file", tls.client_ca_file.as_deref(), report);
    }
    if role.is_receiver()
        && let Some(tls) = &config.receiver.tls
    {
        if tls.cert_file == development.cert_file && !tls.cert_file.exists() {
            let file = tls.cert_file.display();
            report.add(Finding::ok(CHECK, format!("{file} is not there yet: the first start makes it")));
        } else {
            pair("receiver.tls", &tls.cert_file, &tls.key_file, Holder::Server, report);
        }
        authorities("receiver.tls.client_ca_file", tls.client_ca_file.as_deref(), report);
    }
    let tls = &config.sender.endpoint.tls;
    if role.is_sender() && tls.enabled {
        authorities("sender.endpoint.tls.ca_file", tls.ca_file.as_deref(), report);
        match (&tls.cert_file, &tls.key_file) {
            (Some(cert), Some(key)) => pair("sender.endpoint.tls", cert, key, Holder::Client, report),
            (None, None) => {}
            _ => report.add(
                Finding::failed(CHECK, "sender.endpoint.tls: cert_file and key_file go together")
                    .fix("set both for an endpoint that asks for a certificate, or none"),
            ),
        }
    }
}

/// Who shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Server,
    Client,
}

fn pair(setting: &str, cert: &Path, key: &Path, holder: Holder, report: &mut Report) {
    let chain = match certificate_chain(cert) {
        Ok(chain) => chain,
        Err(error) => return report.add(unreadable(setting, &error)),
    };
    let files =
        ServerTlsConfig { cert_file: cert.to_owned(), key_file: key.to_owned(), client_ca_file: None };
    match ServerTls::new(&files) {
        Ok(_) => {}
        Err(TlsConfigError::Pair { .. }) => {
            let (cert, key) = (cert.display(), key.display());
            report.add(
                Finding::failed(CHECK, format!("{setting}: {key} is not the key of {cert}"))
                    .because("TLS cannot be served with the one and the other")
                    .fix(format!(
                        "the key that {cert} was requested with; these agree when they belong together: \
                         `openssl x509 -in {cert} -noout -pubkey` and `openssl pkey -in {key} -pubout`"
                    )),
            );
        }
        Err(error) => report.add(unreadable(setting, &error)),
    }
    if fs::metadata(key).is_ok_and(|file| file.permissions().mode() & 0o004 != 0) {
        let key = key.display();
        report.add(
            Finding::warning(
                CHECK,
                format!("{setting}: everybody on this machine may read the private key {key}"),
            )
            .fix(format!("chmod 600 {key}, owned by the user of the service")),
        );
    }
    let Some(own) = chain.first() else { return };
    if holder == Holder::Server && own.dns_names.is_empty() && own.ip_addresses.is_empty() {
        report.add(
            Finding::warning(CHECK, format!("{setting}: {} names no host", cert.display()))
                .because("it has no subject alternative name, and clients look at nothing else")
                .fix("a certificate with the name that clients connect to as subject alternative name"),
        );
    }
    let gap = chain.windows(2).any(|pair| matches!(pair, [lower, upper] if lower.issuer != upper.subject));
    if gap {
        report.add(
            Finding::warning(CHECK, format!("{setting}: the certificates in {} are not a chain", cert.display()))
                .because("one of them is not signed by the one after it; peers may not find the authority")
                .fix("our own certificate first, then the one that signed it, and so on; the authority may be left out"),
        );
    }
    for (index, certificate) in chain.iter().enumerate() {
        let what = if index == 0 { "our certificate" } else { "an intermediate certificate" };
        report.add(in_time(&format!("{setting}: {what}"), certificate, SystemTime::now()));
    }
}

fn authorities(setting: &str, file: Option<&Path>, report: &mut Report) {
    let Some(file) = file else { return };
    match certificate_chain(file) {
        Err(error) => report.add(unreadable(setting, &error)),
        Ok(authorities) if authorities.is_empty() => {
            report.add(Finding::failed(CHECK, format!("{setting}: {} holds no certificate", file.display())));
        }
        Ok(authorities) => {
            for authority in &authorities {
                report.add(in_time(&format!("{setting}: authority"), authority, SystemTime::now()));
            }
        }
    }
}

fn unreadable(setting: &str, error: &TlsConfigError) -> Finding {
    Finding::failed(CHECK, format!("{setting}: {error}"))
        .because("a service does not start with it; a running one goes on with what it read before")
        .fix("PEM files that the user of the service may read, in folders that it may enter")
}

/// Whether a certificate may be used now, and for how long.
pub(super) fn in_time(whose: &str, certificate: &CertificateInfo, now: SystemTime) -> Finding {
    if now < certificate.not_before {
        return Finding::failed(CHECK, format!("{whose} is not valid yet: {certificate}"))
            .because("its validity begins later than the clock of this machine says")
            .fix("check the clock; otherwise wait, or use the one before it");
    }
    match certificate.not_after.duration_since(now) {
        Err(_) => Finding::failed(CHECK, format!("{whose} has expired: {certificate}"))
            .because("peers refuse it")
            .fix("put a renewed one in its place; running services read it within 30 seconds"),
        Ok(left) if left < SOON => {
            Finding::warning(CHECK, format!("{whose} expires in {} days: {certificate}", days(left)))
                .because("after that, peers refuse it and nothing is delivered")
                .fix("put a renewed one in its place; running services read it within 30 seconds")
        }
        Ok(left) => {
            Finding::ok(CHECK, format!("{whose} is valid for {} more days: {certificate}", days(left)))
        }
    }
}

fn days(time: Duration) -> u64 {
    time.as_secs() / 86_400
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    #[test]
    fn warns_three_weeks_before_the_end() {
        let now = SystemTime::now();
        let day = Duration::from_secs(86_400);
        let certificate = CertificateInfo {
            subject: "CN=a".to_owned(),
            issuer: "CN=b".to_owned(),
            not_before: now,
            not_after: now + day * 30,
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            uris: Vec::new(),
        };
        for (at, expected) in [
            (now - day, Severity::Failed),
            (now, Severity::Ok),
            (now + day * 9, Severity::Ok),
            (now + day * 9 + Duration::from_secs(1), Severity::Warning),
            (now + day * 30 + Duration::from_secs(1), Severity::Failed),
        ] {
            let mut report = Report::default();
            report.add(in_time("it", &certificate, at));
            assert_eq!(report.worst(), expected, "{}", report.as_text());
        }
    }
}
