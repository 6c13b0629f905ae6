//! Who may call the hook: every credential can be read.

use transform::{AuthConfig, HookConfig};

use super::{Examined, Finding, Report};

const CHECK: &str = "credentials";

pub(super) fn examine(examined: &Examined, report: &mut Report) {
    if !examined.role.is_hook() {
        return;
    }
    let hook = &examined.config.hook;
    if !hook.auth.asks() {
        let open = format!("the hook asks nobody who calls; it listens on {}", hook.listen);
        report.add(if hook.listen.ip().is_loopback() {
            Finding::ok(CHECK, format!("{open}, which only this machine reaches"))
        } else {
            Finding::warning(CHECK, open)
                .because("hook.allow_remote says that something in front of it asks")
                .fix("make sure that nothing reaches it on another way, or set [hook.auth]")
        });
        return;
    }
    for (name, auth) in apart(&hook.auth) {
        let alone = HookConfig { auth, ..HookConfig::default() };
        report.add(match alone.check() {
            Ok(()) => Finding::ok(CHECK, format!("{name} can be read")),
            Err(error) => Finding::failed(CHECK, error.to_string())
                .because("the hook does not start, or goes on with what the file held before")
                .fix("mend the file or the setting; the user of the service must be able to read it"),
        });
    }
}

/// Each way to prove who calls, alone.
fn apart(auth: &AuthConfig) -> Vec<(String, AuthConfig)> {
    let none = AuthConfig::default;
    let mut ways = Vec::new();
    for (name, bearer) in &auth.bearer {
        let alone = AuthConfig { bearer: [(name.clone(), bearer.clone())].into(), ..none() };
        ways.push((format!("hook.auth.bearer.{name}"), alone));
    }
    for (name, jwt) in &auth.jwt {
        let alone = AuthConfig { jwt: [(name.clone(), jwt.clone())].into(), ..none() };
        ways.push((format!("hook.auth.jwt.{name}"), alone));
    }
    if let Some(signature) = &auth.signature {
        let alone = AuthConfig { signature: Some(signature.clone()), ..none() };
        ways.push(("hook.auth.signature".to_owned(), alone));
    }
    for (name, sigv4) in &auth.sigv4 {
        let alone = AuthConfig { sigv4: [(name.clone(), sigv4.clone())].into(), ..none() };
        ways.push((format!("hook.auth.sigv4.{name}"), alone));
    }
    ways
}
