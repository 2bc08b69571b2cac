//! Judges what gungraun measured, or writes it to the file of expected counts; `scripts/guards` calls it.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::ExitCode;

use vostro_guards::judge::{Expected, TOLERANCE_PERCENT, Unreadable, Verdict, measured, table};

const USAGE: &str = "usage: vostro-guards judge|update FILE [NAME=VERSION ...] < gungraun's output in JSON lines";

/// A guard failed.
const GREW: u8 = 2;
/// One would have failed, but the counts it is held against were made with other tools.
const NOT_COMPARABLE: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [verb, file, made_with @ ..] = arguments.as_slice() else { return usage() };
    let pair = |text: &String| text.split_once('=').map(|(name, value)| (name.to_string(), value.to_string()));
    let Some(made_with) = made_with.iter().map(pair).collect::<Option<BTreeMap<_, _>>>() else { return usage() };
    let mut lines = String::new();
    if let Err(e) = std::io::stdin().read_to_string(&mut lines) {
        return failed(format!("the measurement: {e}"));
    }
    match verb.as_str() {
        "judge" => judge(file, &made_with, &lines),
        "update" => update(file, made_with, &lines),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(64)
}

fn failed(what: impl std::fmt::Display) -> ExitCode {
    eprintln!("guards: {what}");
    ExitCode::FAILURE
}

fn read(file: &str) -> Result<Expected, Unreadable> {
    let text = std::fs::read_to_string(file).map_err(|e| Unreadable::File { reason: format!("{file}: {e}") })?;
    Expected::parse(&text)
}

fn judge(file: &str, made_with: &BTreeMap<String, String>, lines: &str) -> ExitCode {
    let (expected, measured) = match (read(file), measured(lines)) {
        (Ok(expected), Ok(measured)) => (expected, measured),
        (Err(e), _) | (_, Err(e)) => return failed(e),
    };
    let rows = expected.judge(&measured);
    println!("{}", table(&rows));
    let otherwise = expected.otherwise(made_with);
    for (name, then, now) in &otherwise {
        println!("note: counted with {name} {then}, now {now}: counts may differ without a change of the code");
    }
    let names = |which: &dyn Fn(Verdict) -> bool| -> Vec<&str> {
        rows.iter().filter(|row| which(row.verdict)).map(|row| row.name.as_str()).collect()
    };
    let failing = names(&|verdict| verdict.fails());
    if failing.is_empty() {
        println!("{} guards, none grew by more than {} %", rows.len(), expected.tolerance_percent);
        return ExitCode::SUCCESS;
    }
    let grown = names(&|verdict| verdict == Verdict::Grew);
    if !otherwise.is_empty() && grown == failing {
        eprintln!("guards: {} grew, and with other tools that says nothing: {}", grown.len(), grown.join(", "));
        return ExitCode::from(NOT_COMPARABLE);
    }
    eprintln!("guards: {} failed: {}", failing.len(), failing.join(", "));
    ExitCode::from(GREW)
}

fn update(file: &str, made_with: BTreeMap<String, String>, lines: &str) -> ExitCode {
    let instructions = match measured(lines) {
        Ok(instructions) if instructions.is_empty() => return failed("nothing was measured"),
        Ok(instructions) => instructions,
        Err(e) => return failed(e),
    };
    let tolerance_percent = read(file).map_or(TOLERANCE_PERCENT, |before| before.tolerance_percent);
    let expected = Expected { tolerance_percent, made_with, instructions };
    if let Err(e) = std::fs::write(file, expected.text()) {
        return failed(format!("{file}: {e}"));
    }
    println!("{} guards written to {file}", expected.instructions.len());
    ExitCode::SUCCESS
}
