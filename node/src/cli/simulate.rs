//! `vostro simulate`: whole networks in virtual time, under faults drawn from a seed.

use std::time::Instant;

use clap::Args;
use color_eyre::eyre::{Result, bail, eyre};
use serde_json::json;
use vostro_simulator::campaign::{Summary, campaign};
use vostro_simulator::faults::{Fault, Faults};
use vostro_simulator::scale::{Scale, measure};
use vostro_simulator::trace::TAIL;
use vostro_simulator::{Failure, Outcome, Settings, simulate};

use crate::output::{Output, Usage, pairs, table};

/// Seeds without `--seeds`.
const SEEDS: u64 = 200;
/// Most validators of a simulation: what the scale figures need.
const MAX_VALIDATORS: usize = 128;

/// Arguments of `simulate`.
#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// How many seeds to run, from --seed (or 0) on
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The seed to run, or to begin with
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Number of validators; each seed chooses among 4, 5, 7 and 10 if left out
    #[arg(long, value_name = "n")]
    validators: Option<usize>,
    /// What may go wrong, separated by commas: all, none, loss, duplicate, delay, partition, crash, tear, skew, byzantine,
    /// twins, lostdisk, bitrot; everything but bitrot if left out
    #[arg(long, value_name = "LIST")]
    faults: Option<String>,
    /// Print every event of one seed
    #[arg(long, conflicts_with = "seeds")]
    trace: bool,
    /// Measure delays, messages, bytes and signature checks a block as the number of validators grows
    #[arg(long, conflicts_with_all = ["seeds", "seed", "trace", "faults"])]
    scale: bool,
}

/// Runs the simulation.
///
/// # Errors
/// A property that does not hold, with the lines that led there.
pub fn run(args: SimulateArgs, output: Output) -> Result<()> {
    let usage = |text: String| -> Result<()> { Err(Usage(text).into()) };
    if let Some(n) = args.validators
        && (n == 0 || n > MAX_VALIDATORS)
    {
        return usage(format!("--validators {n}: from 1 to {MAX_VALIDATORS}"));
    }
    let faults = match args.faults.as_deref().map(str::parse::<Faults>) {
        None => Faults::default(),
        Some(Ok(faults)) => faults,
        Some(Err(error)) => return usage(format!("--faults: {error}")),
    };
    if args.scale {
        return scale(args.validators, output);
    }
    let settings = Settings { seed: args.seed.unwrap_or(0), validators: args.validators, faults, ..Settings::of(0) };
    match (args.seed, args.seeds) {
        (Some(_), None) => one(&Settings { trace: true, ..settings }, args.trace, output),
        _ if args.trace => one(&Settings { trace: true, ..settings }, true, output),
        (_, seeds) => many(&settings, seeds.unwrap_or(SEEDS), output),
    }
}

fn failed(failure: &Failure, settings: &Settings, all: bool, output: Output) -> Result<()> {
    let again = again(failure.seed, settings);
    let verdict = json!({
        "holds": false, "seed": failure.seed, "validators": failure.validators, "step": failure.step,
        "virtualMs": failure.now, "property": failure.what, "again": again,
    });
    output.show(&verdict, || {
        let skip = if all { 0 } else { failure.lines.len().saturating_sub(TAIL) };
        failure.lines[skip..].join("\n")
    })?;
    bail!("seed {}, step {}: {} (again: {again})", failure.seed, failure.step, failure.what)
}

/// The command that repeats a seed with its trace.
fn again(seed: u64, settings: &Settings) -> String {
    let validators = settings.validators.map(|n| format!(" --validators {n}")).unwrap_or_default();
    let faults = match &settings.faults {
        faults if *faults == Faults::default() => String::new(),
        faults => {
            let names: Vec<&str> = Fault::ALL.iter().filter(|(f, _)| faults.has(*f)).map(|(_, name)| *name).collect();
            format!(" --faults {}", if names.is_empty() { "none".to_owned() } else { names.join(",") })
        }
    };
    format!("vostro simulate --seed {seed}{validators}{faults} --trace")
}

fn one(settings: &Settings, trace: bool, output: Output) -> Result<()> {
    let outcome = match simulate(settings) {
        Ok(outcome) => outcome,
        Err(failure) => return failed(&failure, settings, trace, output),
    };
    output.show(&outcome_json(&outcome), || {
        let Outcome { seed, validators, faulty, blocks, transactions, applied, .. } = outcome;
        let figures = &outcome.figures;
        let mut lines = if trace { outcome.lines.clone() } else { Vec::new() };
        lines.push(format!("seed {seed}: {validators} validators, {faulty} of them faulty"));
        lines.push(format!(
            "{blocks} blocks, the highest view {}; {transactions} transactions, {applied} took effect",
            outcome.highest_view
        ));
        lines.push(format!(
            "{} crashes, {} view-changes, {} falsified messages, {} contradictions proved",
            figures.crashes, figures.view_changes, figures.falsified, outcome.accused
        ));
        lines.push(format!(
            "two more blocks everywhere {} ms after the weather cleared (asserted: {} ms); {} virtual ms, {} events",
            outcome.recovered_ms, outcome.bound_ms, outcome.virtual_ms, figures.events
        ));
        lines.push(format!("everything held; trace hash {}", outcome.trace_hash));
        lines.join("\n")
    })
}

fn outcome_json(outcome: &Outcome) -> serde_json::Value {
    json!({
        "holds": true, "seed": outcome.seed, "validators": outcome.validators, "faulty": outcome.faulty,
        "blocks": outcome.blocks, "highestView": outcome.highest_view, "transactions": outcome.transactions,
        "applied": outcome.applied, "crashes": outcome.figures.crashes, "viewChanges": outcome.figures.view_changes,
        "falsified": outcome.figures.falsified, "contradictions": outcome.accused, "recoveredMs": outcome.recovered_ms,
        "boundMs": outcome.bound_ms, "virtualMs": outcome.virtual_ms, "events": outcome.figures.events,
        "traceHash": outcome.trace_hash.to_string(),
    })
}

fn many(settings: &Settings, seeds: u64, output: Output) -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let bar = output.progress(seeds, "seeds");
    let started = Instant::now();
    let summary = match campaign(settings, seeds, threads, || bar.inc(1)) {
        Ok(summary) => summary,
        Err(failure) => {
            bar.finish_and_clear();
            return failed(&failure, settings, false, output);
        }
    };
    bar.finish_and_clear();
    let elapsed = started.elapsed().as_secs_f64();
    let Summary { seeds, with_faulty, blocks, transactions, applied, crashes, view_changes, .. } = summary;
    let verdict = json!({
        "holds": true, "seeds": seeds, "withFaulty": with_faulty, "blocks": blocks, "transactions": transactions,
        "applied": applied, "crashes": crashes, "viewChanges": view_changes, "falsified": summary.falsified,
        "contradictions": summary.accused, "highestView": summary.highest_view, "messages": summary.messages,
        "events": summary.events, "slowestRecoveryMs": summary.slowest_recovery_ms, "virtualMs": summary.virtual_ms,
        "elapsedS": elapsed,
    });
    output.show(&verdict, || {
        let rows = [
            ("blocks decided", format!("{blocks} (the highest view {})", summary.highest_view)),
            ("transactions", format!("{transactions}, each once; {applied} took effect")),
            ("crashes", crashes.to_string()),
            ("view-changes", view_changes.to_string()),
            ("falsified messages", summary.falsified.to_string()),
            ("contradictions proved", summary.accused.to_string()),
            ("slowest recovery", format!("{} virtual ms", summary.slowest_recovery_ms)),
            ("messages, events", format!("{}, {}", summary.messages, summary.events)),
            ("time", format!("{:.1} virtual minutes in {elapsed:.1} s", summary.virtual_ms as f64 / 60_000.0)),
        ];
        format!(
            "{seeds} seeds, {with_faulty} of them with faulty validators: every property held in every one\n{}",
            pairs(rows)
        )
    })
}

fn scale(validators: Option<usize>, output: Output) -> Result<()> {
    let sizes: Vec<usize> = validators.map_or_else(|| vec![4, 7, 10, 31, 100], |n| vec![n]);
    let mut rows = Vec::new();
    for n in sizes {
        rows.push((n, measure(n).map_err(|failure| eyre!("{n} validators: {}", failure.what))?));
    }
    let json_row = |(n, s): &(usize, Scale)| {
        json!({
            "validators": n, "delaysPerBlock": s.delays, "messagesPerBlock": s.messages, "bytesPerBlock": s.bytes,
            "signatureChecksPerBlockPerValidator": s.checks,
        })
    };
    output.show(&rows.iter().map(json_row).collect::<Vec<_>>(), || {
        let header = ["validators", "delays a block", "messages", "kB", "signature checks a validator"];
        let row = |(n, s): &(usize, Scale)| {
            let Scale { delays, messages, bytes, checks } = s;
            [
                n.to_string(),
                format!("{delays:.2}"),
                format!("{messages:.0}"),
                format!("{:.0}", bytes / 1000.0),
                format!("{checks:.1}"),
            ]
        };
        table(header, rows.iter().map(row))
    })
}
