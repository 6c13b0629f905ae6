//! The floors that the goals are measured against: what this machine does when nothing is checked, logged or counted.
//!
//! `floors run ADT-BRIDGE [ROUNDS] [SECONDS]` lets each floor and the product take turns and prints the ratios of
//! their medians beside the goals (docs/explanation/performance.md). `floors bench part …` is the bare skeleton of
//! the path, driven by `adt-bridge bench path --system`, so that both are measured by the same driver.
#![expect(clippy::print_stdout, reason = "a table on standard output is all it does")]

use std::process::ExitCode;

mod commit;
mod pipe;
mod rounds;
mod store;

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["bench", "part", "bridge", folder, settings] => pipe::bridge(folder, settings),
        ["bench", "part", "receiver", folder, _] => pipe::receiver(folder),
        ["run", program, rest @ ..] => rounds::run(program, rest),
        _ => Err("floors run ADT-BRIDGE [ROUNDS] [SECONDS]".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("floors: {error}");
            ExitCode::FAILURE
        }
    }
}
