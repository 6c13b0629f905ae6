//! `adt-bridge demo`: one patient through the whole path, each step shown and confirmed.

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use hl7v2::{AckCode, Acknowledgment};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod tap;

use crate::{
    cli::{Cli, DemoArgs},
    config::Config,
    exit::{Code, Failure},
    output,
    stack::{Listen, Stack},
};
use tap::Tap;

/// The patient of <https://github.com/aws-samples/fhir-hl7v2-integration-transform>, MIT-0.
const EXAMPLE: &str = include_str!("../../../examples/patient.json");

pub(crate) async fn run(cli: &Cli, arguments: &DemoArgs) -> Result<ExitCode, Failure> {
    let (name, text) = match &arguments.file {
        None => ("the built-in patient".to_owned(), EXAMPLE.to_owned()),
        Some(path) => (path.display().to_string(), read(path)?),
    };
    let patient: Value = serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Failure::new(Code::InputInvalid, format!("{name} is not valid JSON at line {line} column {column}"))
    })?;

    let folder = tempfile::Builder::new().prefix("adt-bridge-demo-").tempdir()?;
    // Nothing but the log is configurable, so that no setting leads a demonstration to a real queue or endpoint.
    let mut config = Config::private(folder.path())?;
    config.log = Config::load(cli, folder.path())?.log;
    if !cli.verbose {
        config.log.level = "warn".into();
    }
    service::telemetry::init(&config.log, "adt-bridge");

    let free = ([127, 0, 0, 1], 0).into();
    let listen = Listen { hook: free, mllp_tls: free, mllp_plain: None, inspector: None };
    let mut stack = Stack::prepare(config, folder.path(), listen).await?;
    let tap = Tap::start(&stack.ca, stack.mllp_tls).await?;
    stack.config.sender.endpoint.address = tap.address.to_string();

    output::line(format_args!("adt-bridge demo   {name}, in a private folder, over loopback\n"))?;
    let mut walk = Walk {
        client: reqwest::Client::new(),
        persistence: format!("http://{}/persistence", stack.hook),
        endpoint: stack.mllp_tls.to_string(),
        queue: std::sync::Arc::clone(&stack.queue),
        tap,
    };
    let shutdown = CancellationToken::new();
    let tasks = TaskTracker::new();
    let services = tasks.spawn(stack.run(shutdown.clone()));
    let walked = tokio::select! {
        walked = walk.through(patient) => walked,
        () = shutdown.cancelled() => Err(Failure::internal("a service ended")),
    };
    shutdown.cancel();
    let settled = services.await.map_err(Failure::internal)?;
    walk.tap.stop().await;
    walked?;
    settled?;
    output::line("\nEvery step was confirmed. Next: adt-bridge up")?;
    Ok(ExitCode::SUCCESS)
}

/// The steps, and what they share.
struct Walk {
    client: reqwest::Client,
    persistence: String,
    endpoint: String,
    queue: std::sync::Arc<dyn queue::Queue>,
    tap: Tap,
}

impl Walk {
    async fn through(&mut self, mut patient: Value) -> Result<(), Failure> {
        let created = self.write("1 create", Method::POST, "Patient", Some(&patient), "ADT^A28").await?;
        let id = created["id"].as_str().unwrap_or_default().to_owned();
        let path = format!("Patient/{id}");
        let read = self.read("2 read  ", &path).await?;
        same(&patient, &read)?;

        patient["id"] = json!(id);
        add_telephone(&mut patient)?;
        self.write("3 update", Method::PUT, &path, Some(&patient), "ADT^A31").await?;
        let read = self.read("4 read  ", &path).await?;
        if !read["telecom"].as_array().is_some_and(|all| all.iter().any(|one| one["value"] == TELEPHONE)) {
            return Err(Failure::internal("the updated patient reads back without the new telephone number"));
        }

        self.write("5 delete", Method::DELETE, &path, None, "ADT^A29").await?;
        let (status, _) = self.ask(Method::GET, &path, None).await?;
        output::line(format_args!("6 read    GET /persistence/{path}   {status}"))?;
        if status == StatusCode::NOT_FOUND {
            Ok(())
        } else {
            Err(Failure::internal(format!("the deleted patient reads back with {status}")))
        }
    }

    /// A write, its message, the acknowledgment, and the queue empty again.
    async fn write(
        &mut self,
        step: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        event: &str,
    ) -> Result<Value, Failure> {
        let (status, answer) = self.ask(method.clone(), path, body).await?;
        output::line(format_args!("{step}  {method} /persistence/{path}   {status}"))?;
        if !status.is_success() {
            let message = answer["message"].as_str().unwrap_or("no message");
            let code = if status.is_client_error() { Code::InputInvalid } else { Code::Internal };
            return Err(Failure::new(code, format!("the hook answered {status}: {message}")));
        }
        let Some(exchange) = self.tap.next(DEADLINE).await else {
            return Err(Failure::new(
                Code::TimedOut,
                format!("no message was delivered within {DEADLINE:?}"),
            ));
        };
        output::line(format_args!("  -> {event} over MLLP and TLS to {}", self.endpoint))?;
        output::line(output::segments(&exchange.message))?;
        output::line("  <- acknowledgment")?;
        output::line(output::segments(&exchange.acknowledgment))?;
        check(&exchange, event)?;
        self.queue_is_empty().await?;
        output::line("  stored by the endpoint, removed from the queue\n")?;
        Ok(answer["resource"].clone())
    }

    async fn read(&self, step: &str, path: &str) -> Result<Value, Failure> {
        let (status, mut answer) = self.ask(Method::GET, path, None).await?;
        output::line(format_args!("{step}  GET /persistence/{path}   {status}"))?;
        if status != StatusCode::OK {
            return Err(Failure::internal(format!("the patient does not read back: {status}")));
        }
        let resource = answer["resource"].take();
        for (name, value) in resource.as_object().into_iter().flatten() {
            output::line(format_args!("    {name}: {value}"))?;
        }
        output::line("")?;
        Ok(resource)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Failure> {
        let mut request =
            self.client.request(method, format!("{}/{path}", self.persistence)).timeout(DEADLINE);
        if let Some(body) = body {
            request = request.header("content-type", "application/fhir+json").body(body.to_string());
        }
        let response = request.send().await.map_err(|error| Failure::new(Code::CannotConnect, error))?;
        let status = response.status();
        let text = response.text().await.map_err(Failure::internal)?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// The sender deletes a message only after it took the acknowledgment as positive.
    async fn queue_is_empty(&self) -> Result<(), Failure> {
        let end = Instant::now() + DEADLINE;
        loop {
            let counts = self.queue.statistics().await.map_err(Failure::internal)?;
            if counts.dead > 0 {
                return Err(Failure::new(Code::Rejected, "the message went to the dead letters"));
            }
            if counts.ready + counts.in_flight == 0 {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Failure::new(Code::TimedOut, "the message was not removed from the queue"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The message is the one expected and the acknowledgment accepts exactly it.
fn check(exchange: &tap::Exchange, event: &str) -> Result<(), Failure> {
    let text = hl7v2::Text::from_bytes(exchange.message.as_bytes()).map_err(Failure::internal)?;
    let message = text.parse().map_err(Failure::internal)?;
    let msh = message.segment("MSH");
    let component = |field: usize, component: usize| {
        msh.and_then(|msh| msh.field(field).component(component).text()).unwrap_or_default().into_owned()
    };
    let sent = format!("{}^{}", component(9, 1), component(9, 2));
    if sent != event {
        return Err(Failure::internal(format!("expected {event}, sent {sent}")));
    }
    let acknowledgment =
        Acknowledgment::from_bytes(exchange.acknowledgment.as_bytes()).map_err(Failure::internal)?;
    if acknowledgment.code != AckCode::AA {
        return Err(Failure::new(Code::Rejected, format!("the endpoint answered {}", acknowledgment.code)));
    }
    if acknowledgment.control_id.as_deref() != Some(&component(10, 1)) {
        return Err(Failure::new(Code::Rejected, "the acknowledgment is for another message"));
    }
    Ok(())
}

/// What HL7 v2 carries without loss reads back as it was written.
fn same(written: &Value, read: &Value) -> Result<(), Failure> {
    for pointer in ["/birthDate", "/gender", "/name/0/family", "/name/0/given/0"] {
        let expected = written.pointer(pointer);
        if expected.is_some() && read.pointer(pointer) != expected {
            return Err(Failure::internal(format!("Patient{pointer} does not read back as written")));
        }
    }
    Ok(())
}

fn add_telephone(patient: &mut Value) -> Result<(), Failure> {
    let telephone = json!({ "system": "phone", "use": "home", "value": TELEPHONE });
    let patient = patient.as_object_mut();
    match patient.map(|patient| patient.entry("telecom").or_insert_with(|| json!([]))) {
        Some(Value::Array(all)) => {
            all.push(telephone);
            Ok(())
        }
        _ => Err(Failure::new(Code::InputInvalid, "Patient.telecom must be a list")),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Code::InputInvalid, format!("{}: {error}", path.display())))
}

/// For one step. Generous: it is reached only when something is wrong.
const DEADLINE: Duration = Duration::from_secs(20);
/// From the range that is reserved for fiction.
const TELEPHONE: &str = "+1-202-555-0100";
