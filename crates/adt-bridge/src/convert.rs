//! `adt-bridge convert`: the mapping alone, in either direction.

use std::{
    io::{self, Read as _},
    path::Path,
    process::ExitCode,
};

use fhir_adt::{Interaction, Mapper, MappingContext, Subject};

use crate::{
    cli::{Cli, ConvertArgs, Event, Format, Target},
    config::Config,
    exit::{Code, Failure},
    explain::{self, issues},
    output,
};

pub(crate) fn run(cli: &Cli, arguments: &ConvertArgs) -> Result<ExitCode, Failure> {
    let config = Config::load(cli, Path::new(".adt-bridge"))?;
    let mapper = Mapper::new(config.message)
        .map_err(|error| Failure::new(Code::ConfigInvalid, format!("[message]: {error}")))?
        .traced();
    let input = input(&arguments.file)?;
    match arguments.to {
        Target::Er7 => to_er7(&mapper, &config.hook.destination, arguments, &input),
        Target::Fhir => to_fhir(&mapper, arguments.format, &input),
    }?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn input(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.map_err(|error| Failure::new(Code::InputInvalid, format!("{}: {error}", path.display())))
}

fn to_er7(mapper: &Mapper, destination: &str, arguments: &ConvertArgs, input: &[u8]) -> Result<(), Failure> {
    let mut patient: serde_json::Value = serde_json::from_slice(input).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Failure::new(
            Code::InputInvalid,
            format!("the input is not valid JSON at line {line} column {column}"),
        )
    })?;
    if let Some(resource) = patient.as_object_mut() {
        resource.entry("id").or_insert_with(|| arguments.id.clone().into());
    }
    let id = patient["id"].as_str().unwrap_or(&arguments.id);
    let context = MappingContext {
        receipt_time: arguments.time.unwrap_or_else(jiff::Timestamp::now),
        request_id: &arguments.request_id,
        patient_id: id,
        destination,
        lookup: None,
        previous: None,
    };
    let converted = match arguments.event {
        None | Some(Event::A28) => mapper.patient_to_adt(&patient, Interaction::Create, &context),
        Some(Event::A31) => mapper.patient_to_adt(&patient, Interaction::Update, &context),
        Some(Event::A29) => mapper.delete_to_adt(id, &context),
    };
    let conversion = converted.map_err(|rejection| {
        let issues = issues(&rejection.report).join("\n");
        Failure::new(Code::InputInvalid, format!("the Patient cannot be converted\n{issues}"))
    })?;
    match arguments.format {
        Format::Plain => {}
        Format::Explain => return Ok(output::line(explain::text(&conversion)?)?),
        Format::Json => return json(&explain::json(&conversion)?),
    }
    for message in &conversion.messages {
        // Lines for people and pipes; on the wire a segment ends with CR.
        output::line(message.er7.trim_end_matches('\r').replace('\r', "\n"))?;
    }
    note(&conversion.report)
}

fn to_fhir(mapper: &Mapper, format: Format, input: &[u8]) -> Result<(), Failure> {
    let invalid = |error: &dyn std::fmt::Display| Failure::new(Code::InputInvalid, error);
    if format == Format::Explain {
        return Err(Failure::new(Code::Usage, "--format explain is for --to er7"));
    }
    let text = hl7v2::Text::from_bytes(input).map_err(|error| invalid(&error))?;
    let read = mapper.adt_to_patient(&text).map_err(|error| invalid(&error))?;
    let patient = match read.subject {
        Subject::Snapshot(patient) | Subject::Merged { retired: patient, .. } => patient,
        Subject::Deleted { .. } => return Err(invalid(&"the message deletes a patient and describes none")),
        Subject::Linked { .. } | Subject::Unlinked { .. } | Subject::NotAPatient => {
            return Err(invalid(&"the message does not describe a patient"));
        }
    };
    if format == Format::Json {
        return json(
            &serde_json::json!({ "patient": patient, "report": read.report.to_operation_outcome() }),
        );
    }
    json(&patient)?;
    note(&read.report)
}

fn json(value: &serde_json::Value) -> Result<(), Failure> {
    Ok(output::line(serde_json::to_string_pretty(value).map_err(Failure::internal)?)?)
}

/// Standard error, so that standard output holds the result alone.
fn note(report: &fhir_adt::Report) -> Result<(), Failure> {
    let text: String = issues(report).into_iter().map(|line| line + "\n").collect();
    io::Write::write_all(&mut io::stderr().lock(), text.as_bytes())?;
    Ok(())
}
