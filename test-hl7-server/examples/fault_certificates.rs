//! Makes certificates that are right, or wrong in one way, for TLS faults:
//! `cargo run -p test-hl7-server --example fault_certificates -- FOLDER [NAME]`.
//!
//! | File | What it is |
//! |---|---|
//! | `ca.pem` | the authority that the sender under test has to trust |
//! | `good`, `expired`, `not-yet-valid`, `wrong-name` | `.pem` and `.key` of servers, issued by it |
//! | `unknown-ca` | the same of an authority that nobody knows |
//! | `client` | a client certificate, issued by `ca.pem` |
use std::path::Path;

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("usage: fault_certificates FOLDER [NAME]")?;
    let name = arguments.next().unwrap_or_else(|| "localhost".to_owned());
    make(Path::new(&folder), &name)
}

/// Writes all files; servers answer to `name`, `localhost` and `127.0.0.1`.
pub(crate) fn make(folder: &Path, name: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let known = authority("test authority", Some(&folder.join("ca.pem")))?;
    let unknown = authority("unknown authority", None)?;
    let names = || vec![name.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned()];
    let now = (2020, 2100);
    issue(folder, "good", &known, names(), now)?;
    issue(folder, "expired", &known, names(), (2020, 2021))?;
    issue(folder, "not-yet-valid", &known, names(), (2090, 2100))?;
    issue(folder, "wrong-name", &known, vec!["another.example".to_owned()], now)?;
    issue(folder, "unknown-ca", &unknown, names(), now)?;
    issue(folder, "client", &known, vec!["client.example".to_owned()], now)
}

fn authority(name: &str, file: Option<&Path>) -> anyhow::Result<Issuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    if let Some(file) = file {
        std::fs::write(file, params.self_signed(&key)?.pem())?;
    }
    Ok(Issuer::new(params, key))
}

fn issue(
    folder: &Path,
    file: &str,
    issuer: &Issuer<'static, KeyPair>,
    names: Vec<String>,
    (from, to): (i32, i32),
) -> anyhow::Result<()> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, file);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    let key = KeyPair::generate()?;
    std::fs::write(folder.join(format!("{file}.pem")), params.signed_by(&key, issuer)?.pem())?;
    std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem())?;
    Ok(())
}
