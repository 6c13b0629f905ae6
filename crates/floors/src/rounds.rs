//! Floors and product in turns, and the table of ratios.

use std::{path::Path, process::Command, time::Duration};

use serde_json::Value;

use crate::{Error, commit};

/// One figure that is compared.
struct Goal {
    name: String,
    ours: Vec<f64>,
    floor: Vec<f64>,
    /// What the ratio has to be, and whether more is better.
    limit: f64,
    more: bool,
}

impl Goal {
    fn new(name: impl Into<String>, limit: f64, more: bool) -> Self {
        Self { name: name.into(), ours: Vec::new(), floor: Vec::new(), limit, more }
    }

    fn row(&self) -> String {
        let (ours, floor) = (median(&self.ours), median(&self.floor));
        let ratio = ours / floor;
        let reached = if self.more { ratio >= self.limit } else { ratio <= self.limit };
        let sign = if self.more { "≥" } else { "≤" };
        let verdict = if reached { "reached" } else { "NOT REACHED" };
        format!("{:<46}{ours:>12.1}{floor:>12.1}{ratio:>8.2}   {sign} {:<6}{verdict}", self.name, self.limit)
    }
}

pub(crate) fn run(program: &str, rest: &[&str]) -> Result<(), Error> {
    let number = |at: usize, default: usize| rest.get(at).map_or(Ok(default), |text| text.parse());
    let (rounds, seconds) = (number(0, 5)?, number(1, 2)?.to_string());
    let own = std::env::current_exe()?;
    let own = own.to_str().ok_or("a path that is no text")?;
    let bench = |arguments: &[&str]| -> Result<Value, Error> {
        let output =
            Command::new(program).arg("bench").args(arguments).args(["--json", "--no-syncs"]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let mut goals = Vec::new();
    // Connections, in flight, least rate, and what else is asked of the case.
    for (connections, in_flight, rate) in
        [(1, 1024, 0.9), (16, 1024, 0.8), (64, 1024, 0.8), (16, 16, 0.0), (1, 1, 0.0)]
    {
        let what = format!("path, {connections} connections, {in_flight} in flight");
        let mut speed = Goal::new(format!("{what}: msg/s"), rate, true);
        let mut cpu = Goal::new(format!("{what}: CPU µs"), 1.3, false);
        let mut half =
            Goal::new(format!("{what}: p50 POST-AA µs"), if in_flight == 1 { 1.2 } else { 2.0 }, false);
        let mut most = Goal::new(format!("{what}: p99 POST-AA µs"), 2.0, false);
        let (connections, in_flight) = (connections.to_string(), in_flight.to_string());
        let base = [
            ["path", "--patient", PATIENT],
            ["--connections", &connections, "--in-flight"],
            [in_flight.as_str(), "--seconds", &seconds],
        ]
        .concat();
        for _ in 0..rounds {
            for of_floor in [false, true] {
                let system = if of_floor { &["--system", own][..] } else { &[] };
                let report = bench(&[&base[..], system].concat())?;
                let put = |goal: &mut Goal, value: f64| {
                    if of_floor { goal.floor.push(value) } else { goal.ours.push(value) }
                };
                put(&mut speed, float(&report["per_second"]));
                let cost = &report["cost"];
                let both = ["hook, queue, sender", "receiver"].map(|part| float(&cost[part]["cpu_us"]));
                put(&mut cpu, both.iter().sum());
                put(&mut half, float(&report["latency_us"]["2 POST to AA"]["p50"]));
                put(&mut most, float(&report["latency_us"]["2 POST to AA"]["p99"]));
            }
        }
        goals.extend(if in_flight == "1024" { [speed, cpu] } else { [half, most] });
        tell(&goals);
    }
    for (connections, rate) in [(1, 0.8), (16, 0.4), (64, 0.4)] {
        let mut goal =
            Goal::new(format!("sender / wire alone, {connections} connections: msg/s"), rate, true);
        let connections = connections.to_string();
        for _ in 0..rounds {
            let wire = ["server", "--sink", "--connections", &connections, "--seconds", &seconds];
            goal.floor.push(float(&bench(&wire)?["per_second"]));
            goal.ours.push(float(&bench(&["sender", "--connections", &connections])?["per_second"]));
        }
        goals.push(goal);
        tell(&goals);
    }
    for (producers, rate) in [(1, 0.6), (16, 0.6), (64, 0.6)] {
        let mut goal = Goal::new(format!("server / raw group commit, {producers}: msg/s"), rate, true);
        let text = producers.to_string();
        for _ in 0..rounds {
            let folder = tempfile::tempdir()?;
            let time = Duration::from_secs(seconds.parse()?);
            goal.floor.push(commit::per_second(Path::new(folder.path()), producers, time)?);
            let load = ["server", "--connections", &text, "--seconds", &seconds];
            goal.ours.push(float(&bench(&load)?["per_second"]));
        }
        goals.push(goal);
        tell(&goals);
    }
    let idle = bench(&["server", "--idle", "500", "--messages", "100"])?;
    println!("\nmedians of {rounds} rounds in turns, ratio = ours / floor");
    println!("{:<46}{:>12}{:>12}{:>8}   goal", "", "ours", "floor", "ratio");
    goals.iter().for_each(|goal| println!("{}", goal.row()));
    let kib = float(&idle["idle_connection_kib"]);
    let verdict = if kib <= 24.0 { "reached" } else { "NOT REACHED" };
    println!("{:<46}{kib:>12.1}{:>20}   ≤ 24    {verdict}", "KiB per idle TLS connection", "");
    Ok(())
}

/// So that who waits sees that it goes on.
fn tell(goals: &[Goal]) {
    goals.last().iter().for_each(|goal| println!("… {}", goal.row()));
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The Patient of the conversion benchmarks, as servers write them; the built-in one is an oddity that goes the long way.
const PATIENT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../fhir-adt/tests/examples/2-update.request.json");
