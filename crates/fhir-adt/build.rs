//! Turns `tables/*.csv` into sorted static arrays, one per file, so that no table is read at run time.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=tables");
    println!("cargo::rerun-if-changed=build.rs");
    let mut paths: Vec<_> = fs::read_dir("tables")?.collect::<Result<Vec<_>, _>>()?;
    paths.sort_by_key(fs::DirEntry::path);
    let mut out = String::new();
    for entry in paths {
        let path = entry.path();
        // Rules rather than codes: `events` and `assigning_authority` are those.
        let is_code_table = !["event.csv", "universal-id-type.csv"].iter().any(|name| path.ends_with(name));
        if is_code_table && path.extension().is_some_and(|extension| extension == "csv") {
            table(&path, &mut out)?;
        }
    }
    let target = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    fs::write(Path::new(&target).join("tables.rs"), out)?;
    Ok(())
}

/// One static array named after the file.
fn table(path: &Path, out: &mut String) -> Result<(), Box<dyn Error>> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a table's name is not text")?;
    let name = stem.to_uppercase().replace('-', "_");
    writeln!(out, "pub(crate) static {name}: &[Row] = &[")?;
    let mut reader = csv::Reader::from_path(path)?;
    for record in reader.records() {
        let record = record?;
        let field = |index: usize| record.get(index).unwrap_or_default().trim();
        let (direction, note) = (field(4), field(5));
        let (to_v2, to_fhir) = match direction {
            "both" => (true, true),
            "to_v2" => (true, false),
            "to_fhir" => (false, true),
            other => return Err(format!("{stem}: direction {other:?}").into()),
        };
        // Only a note that starts with the limit restricts the row.
        let limit = |prefix: &str| {
            note.strip_prefix(prefix).map(|rest| rest.split([';', ' ']).next().unwrap_or_default().to_owned())
        };
        let min = limit("min=").unwrap_or_default();
        let max = limit("max=").unwrap_or_default();
        writeln!(
            out,
            "    Row {{ system: Cow::Borrowed({:?}), code: Cow::Borrowed({:?}), v2: Cow::Borrowed({:?}), to_v2: {to_v2}, to_fhir: {to_fhir}, min: {}, max: {} }},",
            field(0),
            field(1),
            field(3),
            version(&min)?,
            version(&max)?,
        )?;
    }
    writeln!(out, "];")?;
    Ok(())
}

/// `2.7` as the variant of `Version` it names.
fn version(text: &str) -> Result<&'static str, Box<dyn Error>> {
    Ok(match text {
        "" => "None",
        "2.3" => "Some(Version::V2_3)",
        "2.4" => "Some(Version::V2_4)",
        "2.5" => "Some(Version::V2_5)",
        "2.6" => "Some(Version::V2_6)",
        "2.7" => "Some(Version::V2_7)",
        "2.8" => "Some(Version::V2_8)",
        other => return Err(format!("unknown version {other:?}").into()),
    })
}
