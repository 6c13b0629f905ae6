//! Converts every Patient of a folder into messages, one file each, for a validator of another make.
//!
//! ```text
//! cargo run -p fhir-adt --example corpus_messages -- crates/fhir-adt/tests/corpus/fhir-patients target/corpus-messages
//! ```

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use fhir_adt::{Interaction, Mapper, MappingConfig, MappingContext};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("usage: corpus_messages FOLDER-OF-PATIENTS FOLDER-OF-MESSAGES".into());
    };
    // Messages of an earlier run must not be validated again.
    if to.exists() {
        fs::remove_dir_all(&to)?;
    }
    fs::create_dir_all(&to)?;
    let mapper = Mapper::new(MappingConfig::default())?;
    let (mut written, mut refused) = (0, 0);
    for entry in fs::read_dir(&from)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut patient: Value =
            serde_json::from_slice(&fs::read(&path)?).map_err(|error| format!("{name}: {error}"))?;
        let known = patient["id"].is_string();
        if !known {
            patient["id"] = json!("assigned-1");
        }
        let context = MappingContext {
            receipt_time: "2024-03-01T09:30:15Z".parse()?,
            request_id: &name,
            patient_id: patient["id"].as_str().unwrap_or_default(),
            destination: "default",
            lookup: None,
            previous: None,
        };
        // Both structures: the write, then a delete of what it wrote.
        let write = if known { Interaction::Update } else { Interaction::Create };
        for interaction in [write, Interaction::Delete] {
            let Ok(conversion) = mapper.patient_to_adt(&patient, interaction, &context) else {
                refused += 1;
                break;
            };
            for message in &conversion.messages {
                fs::write(to.join(format!("{name}.{}.hl7", message.event)), &message.er7)?;
                written += 1;
            }
        }
    }
    // Which patients may be refused is said in tests/corpus/exceptions.csv.
    writeln!(std::io::stdout(), "{written} messages in {}; {refused} patients refused", to.display())?;
    Ok(())
}
