//! The settings: everything that is wrong with them, not only the first.

use service::config::{Origins, Problem, Source};

use super::{DoctorArgs, Finding, Report, Role};
use crate::{
    cli::Cli,
    config::{BUNDLED, Config},
};

const CHECK: &str = "configuration";

/// The settings, when they can be read.
pub(super) fn examine(cli: &Cli, arguments: &DoctorArgs, report: &mut Report) -> Option<Config> {
    let from = Source::new("", cli.config.as_deref()).file().map_or_else(
        || "environment and defaults; no file is named".to_owned(),
        |file| format!("{}, environment and defaults", file.display()),
    );
    let (config, origins) = match Config::read(cli, &arguments.data_dir) {
        Ok(read) => read,
        Err(error) => {
            for problem in error.problems() {
                report.add(invalid(problem));
            }
            return None;
        }
    };
    let problems = problems(&config, &origins, arguments.role);
    for problem in &problems {
        report.add(invalid(problem));
    }
    if problems.is_empty() {
        report.add(Finding::ok(CHECK, format!("valid: {from}")));
    }
    Some(config)
}

fn invalid(problem: &Problem) -> Finding {
    Finding::failed(CHECK, problem.to_string())
        .because("no service starts with it")
        .fix("mend it; `adt-bridge config show --origin` says who decided each setting")
}

/// What serde cannot check, of the sections that the role reads. Files have their own checks.
fn problems(config: &Config, origins: &Origins, role: Role) -> Vec<Problem> {
    let mut problems = Vec::new();
    if role.is_hook() {
        match config.hook.check() {
            Ok(()) | Err(transform::Error::Auth(_) | transform::Error::Tls(_)) => {}
            Err(error) => problems.push(Problem::new("[hook]", error.to_string())),
        }
        problems.extend(transform::message_problems(&config.message, origins));
    }
    let mut checked = Vec::new();
    if role.is_sender() {
        let mut sender = config.sender.clone();
        if sender.endpoint.address == BUNDLED {
            match role {
                Role::All => sender.endpoint.address.clone_from(&config.receiver.listen),
                _ => problems.push(Problem::new(
                    "sender.endpoint.address",
                    "is not set: a sender alone has no bundled test server",
                )),
            }
        }
        if sender.endpoint.address != BUNDLED {
            checked.push(sender.validate());
        }
    }
    if role.is_receiver() {
        checked.push(config.receiver.validate());
    }
    problems.extend(
        checked.iter().filter_map(|result| result.as_ref().err()).flat_map(|e| e.problems().to_vec()),
    );
    problems
}
