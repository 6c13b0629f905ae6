//! `adt-bridge reference DIR`: the pages of `docs/reference` that are made from the code.
//!
//! A page is one function that gives Markdown, registered in [`PAGES`]. A test holds the files to the functions, so that
//! the reference cannot say what the program does not do.

mod cli;
mod exit_codes;
mod metrics;

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;

pub(crate) use exit_codes::advice;

use crate::{exit::Failure, output};

#[derive(Debug, Args)]
pub(crate) struct ReferenceArgs {
    /// Folder to write the pages into; made when it is missing
    folder: PathBuf,
}

/// One generated page.
struct Page {
    /// Its name in `docs/reference`.
    file: &'static str,
    /// Its Markdown, beginning with the title. The same on every machine: no time, no width of a terminal.
    text: fn() -> String,
}

/// Every generated page, by name.
const PAGES: &[Page] = &[
    Page { file: "cli.md", text: cli::page },
    Page { file: "configuration.md", text: crate::settings::init::page },
    Page { file: "error-codes.md", text: crate::errors::page },
    Page { file: "exit-codes.md", text: exit_codes::page },
    Page { file: "metrics.md", text: metrics::page },
];

impl Page {
    fn content(&self) -> String {
        format!("{MARK}\n{}\n", (self.text)().trim())
    }
}

/// Writes every page.
pub(crate) fn run(arguments: &ReferenceArgs) -> Result<ExitCode, Failure> {
    fs::create_dir_all(&arguments.folder)?;
    for page in PAGES {
        let path = arguments.folder.join(page.file);
        fs::write(&path, page.content())?;
        output::line(path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Text for one cell of a table.
pub(crate) fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|").replace('\n', " ")
}

/// First line of every generated page.
const MARK: &str =
    "<!-- Made by `cargo run -- reference docs/reference` from the code; a change here is lost. -->";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn folder() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference"))
    }

    /// The first line where two texts part, for whoever reads the failure.
    fn difference(file: &str, code: &str) -> Option<String> {
        let longest = file.lines().count().max(code.lines().count());
        let of = |text: &str, line| text.lines().nth(line).unwrap_or("(no such line)").to_owned();
        let apart = (0..longest).find(|line| of(file, *line) != of(code, *line))?;
        Some(format!("line {}\n  file: {}\n  code: {}", apart + 1, of(file, apart), of(code, apart)))
    }

    #[test]
    fn every_page_says_what_the_code_says() {
        let mut wrong = Vec::new();
        for page in PAGES {
            let file = fs::read_to_string(folder().join(page.file)).unwrap_or_default();
            wrong.extend(difference(&file, &page.content()).map(|at| format!("{}: {at}", page.file)));
        }
        assert!(
            wrong.is_empty(),
            "docs/reference is not what the code says; run: cargo run -- reference docs/reference\n{}",
            wrong.join("\n")
        );
    }

    #[test]
    fn a_page_that_nothing_makes_is_not_left_behind() {
        for entry in fs::read_dir(folder()).unwrap() {
            let path = entry.unwrap().path();
            let made = fs::read_to_string(&path).unwrap().starts_with(MARK);
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let known = PAGES.iter().any(|page| page.file == name);
            assert_eq!(made, known, "{name}: generated pages carry the mark, others do not");
        }
    }

    #[test]
    fn pages_are_written_where_asked() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ReferenceArgs { folder: folder.path().join("new") };
        run(&arguments).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(fs::read_dir(&arguments.folder).unwrap().count(), PAGES.len());
    }
}
