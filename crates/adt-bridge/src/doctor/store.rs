//! The message store: its folder is looked at with the other folders, its bucket here.

use message_store::{Config, S3Config, S3Store};

use super::{Examined, Finding, Report, Role, clock, cloud};

const CHECK: &str = "store";

pub(super) async fn examine(examined: &Examined, report: &mut Report) {
    let Examined { config, role, .. } = examined;
    if *role == Role::Sender {
        return;
    }
    match &config.store {
        Config::Embedded(message_store::EmbeddedConfig { path })
        | Config::Directory(message_store::DirectoryConfig { path })
            if *role != Role::All =>
        {
            report.add(
                Finding::warning(CHECK, format!("{} is a place on this machine", path.display()))
                    .because("hook and receiver share the store; on different machines they do not see each other's")
                    .fix("store.kind = \"s3\", unless both run here"),
            );
        }
        // Looked at with the other folders.
        Config::Embedded(_) | Config::Directory(_) => {}
        Config::S3(s3) => in_s3(s3, examined, report).await,
        Config::Memory {} => report.add(
            Finding::warning(CHECK, "the store is in memory")
                .because("what was received is lost when the process ends: for demonstrations only")
                .fix("store.kind = \"embedded\" or \"s3\""),
        ),
    }
}

async fn in_s3(config: &S3Config, examined: &Examined, report: &mut Report) {
    let store = match S3Store::connect(config).await {
        Ok(store) => store,
        Err(error) => {
            return report.add(Finding::failed(CHECK, error.to_string()).fix("mend the [store] section"));
        }
    };
    let resource = format!("arn:aws:s3:::{}", config.bucket);
    let looked = store.examine().await;
    for (action, result) in &looked.rights {
        let needed = *action != "s3:DeleteObject" || examined.role.is_hook();
        match result {
            Ok(()) => {
                report.add(Finding::ok(CHECK, format!("store.bucket {}: {action} is allowed", config.bucket)))
            }
            // Only the hook removes something.
            Err(_) if !needed => {}
            Err(refused) => {
                let trial =
                    cloud::Trial { service: "S3", action, setting: "store.bucket", resource: &resource };
                report.add(cloud::refused(CHECK, &trial, refused.code.as_deref(), &refused.reason));
            }
        }
    }
    if looked.wrote {
        report.add(Finding::ok(CHECK, "an object was written, read and removed"));
    }
    if let Some(key) = looked.left {
        report.add(
            Finding::warning(CHECK, format!("our object {key} could not be removed"))
                .fix("remove it by hand; it holds one line of text and no patient data"),
        );
    }
    if let Some((date, came)) = looked.date {
        clock::compare("S3", &date, came, report);
    }
}
