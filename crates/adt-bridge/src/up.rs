//! `adt-bridge up`: everything on this machine, until a signal.

use std::{fmt::Write as _, net::SocketAddr, path::Path, process::ExitCode};

use serde_json::json;
use service::traces::Traces;

use crate::{
    cli::{Cli, UpArgs},
    config::Config,
    development_ca::Made,
    exit::{Code, Failure},
    metrics, output,
    stack::{Listen, Stack},
};

pub(crate) async fn run(cli: &Cli, arguments: &UpArgs) -> Result<ExitCode, Failure> {
    let (mut config, message) = Config::load_for_hook(cli, &arguments.data_dir)?;
    service::telemetry::init(&config.log, "adt-bridge");
    metrics::init(&config.metrics);
    let listen = Listen {
        hook: arguments.hook_listen.unwrap_or(config.hook.listen),
        mllp_tls: match arguments.mllp_listen {
            Some(address) => address,
            None => parse("receiver.listen", &config.receiver.listen)?,
        },
        inspector: Some(arguments.inspector_listen.or(config.inspector.listen)),
        mllp_plain: match (arguments.mllp_plain_listen, &config.receiver.listen_plain) {
            (None, Some(address)) => Some(parse("receiver.listen_plain", address)?),
            (address, _) => address,
        },
    };
    config.hook.listen = listen.hook;
    config.hook.allow_remote |= arguments.allow_remote;
    if !config.hook.allow_remote {
        stays_on_this_machine(listen, config.hook.auth.asks())?;
    }
    config.hook.check()?;
    let traces = Traces::start(&config.traces, "adt-bridge")?;
    // Before anything is opened, so that a signal during the start is not lost.
    let shutdown = service::shutdown_on_signal()?;
    let grace = service::grace(config.hook.drain_timeout.max(config.sender.drain)).max(config.receiver.drain);
    let mut stack = Stack::prepare(config, &arguments.data_dir, listen).await?;
    stack.message = message;
    let start = if arguments.json {
        as_json(&stack, &arguments.data_dir)
    } else {
        as_text(&stack, &arguments.data_dir)
    };
    output::line(start)?;
    let code = service::drain(stack.run(shutdown.clone()), shutdown, grace).await;
    traces.end().await;
    Ok(code)
}

fn parse(setting: &str, address: &str) -> Result<SocketAddr, Failure> {
    address.parse().map_err(|_| {
        Failure::new(
            Code::ConfigInvalid,
            format!("{setting} is not an IP address and a port, such as 127.0.0.1:2575"),
        )
    })
}

fn stays_on_this_machine(listen: Listen, hook_asks: bool) -> Result<(), Failure> {
    let addresses = [Some(listen.hook).filter(|_| !hook_asks), Some(listen.mllp_tls), listen.mllp_plain];
    match addresses.into_iter().flatten().find(|address| !address.ip().is_loopback()) {
        None => Ok(()),
        Some(address) => Err(Failure::new(
            Code::Usage,
            format!("{address} can be reached from other machines, and nobody there is asked who calls"),
        )
        .hint("127.0.0.1, or --allow-remote where something in front of it asks; the hook can ask itself: [hook.auth]")),
    }
}

fn as_json(stack: &Stack, data: &Path) -> String {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "hook": format!("{}://{}", stack.hook_scheme(), stack.hook),
        "mllp_tls": stack.mllp_tls,
        "mllp_plain": stack.mllp_plain,
        "inspector": stack.inspector.as_ref().map(|inspector| format!("http://{}", inspector.address)),
        "endpoint": stack.config.sender.endpoint.address,
        "data": data,
        "ca": stack.ca.ca_file,
    })
    .to_string()
}

fn as_text(stack: &Stack, data: &Path) -> String {
    let mut text =
        format!("adt-bridge {}   local stack: no AWS, no Docker, no account\n\n", env!("CARGO_PKG_VERSION"));
    let mut row = |name: &str, value: String, note: &str| {
        // Writing to a String does not fail.
        writeln!(text, "  {name:<12} {value:<44} {note}").ok();
    };
    let hook = format!("{}://{}/persistence/Patient", stack.hook_scheme(), stack.hook);
    row("FHIR hook", hook.clone(), "POST a Patient; GET, PUT, DELETE {id} below it");
    if let Some(inspector) = &stack.inspector {
        row("inspector", inspector.link(), "");
    }
    row("MLLP/TLS", stack.mllp_tls.to_string(), "bundled test receiver");
    if let Some(plain) = stack.mllp_plain {
        row("MLLP", plain.to_string(), "the same without TLS");
    }
    if !is(&stack.config.sender.endpoint.address, stack.mllp_tls) {
        row("endpoint", stack.config.sender.endpoint.address.clone(), "where messages are sent");
    }
    match &stack.config.queue {
        queue::Config::Embedded(embedded) => {
            row("queue", embedded.path.display().to_string(), "durable (survives kill -9)");
        }
        queue::Config::Sqs(_) => row("queue", "SQS".to_owned(), ""),
        queue::Config::Memory(_) => row("queue", "memory".to_owned(), "lost when this process ends"),
    }
    match &stack.config.store {
        message_store::Config::Embedded(embedded) => {
            row("store", embedded.path.display().to_string(), "durable; adt-bridge ls shows what arrived");
        }
        message_store::Config::Directory(directory) => {
            row("store", directory.path.display().to_string(), "received/: one file per message");
        }
        message_store::Config::S3(s3) => row("store", format!("s3://{}/{}", s3.bucket, s3.prefix), ""),
        message_store::Config::Memory {} => row("store", "memory".to_owned(), "lost when this process ends"),
    }
    row("operator", "adt-bridge tail".to_owned(), "and: queue status, dlq ls");
    let made = match stack.made {
        Made::Nothing => "this machine only",
        Made::ServerCertificate => "this machine only; server certificate renewed now",
        Made::Everything => "this machine only; created now",
    };
    row("dev CA", stack.ca.ca_file.display().to_string(), made);
    let folder = data.display();
    write!(
        text,
        "\n  next: curl -sS -d @examples/patient.json -H 'content-type: application/fhir+json' {hook}\n        \
         adt-bridge ls --data-dir {folder}      what arrived\n        \
         Ctrl-C ends it; what is accepted and not yet delivered waits in the queue"
    )
    .ok();
    text
}

fn is(address: &str, listener: SocketAddr) -> bool {
    address.parse::<SocketAddr>().is_ok_and(|address| address.port() == listener.port())
}
