//! Runs fuzz targets on stable Rust; docs/fuzzing.md says how.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use vostro_fuzz::{Failure, Options, Report, Target, find, run, targets};

/// Feeds changed inputs to the project's decoders and checks their properties.
#[derive(Parser)]
#[command(name = "vostro-fuzz")]
struct Arguments {
    /// Targets to run; all of them if none is named.
    targets: Vec<String>,
    /// Executions of each target.
    #[arg(long, default_value_t = 1_000_000)]
    executions: u64,
    /// Everything follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ends each target after this many seconds, if that is earlier.
    #[arg(long)]
    seconds: Option<u64>,
    /// Where failing inputs are written.
    #[arg(long, default_value = "target/fuzz")]
    out: PathBuf,
    /// Runs this input alone; needs one target.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// Lists the targets with their properties.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for target in targets() {
            println!("{:<20} {}", target.name, target.property);
        }
        return ExitCode::SUCCESS;
    }
    let chosen: Result<Vec<Target>, &String> = arguments.targets.iter().map(|name| find(name).ok_or(name)).collect();
    let chosen = match chosen {
        Ok(chosen) if chosen.is_empty() => targets(),
        Ok(chosen) => chosen,
        Err(name) => {
            eprintln!("no target is named {name}; --list shows them");
            return ExitCode::from(2);
        }
    };
    if let Some(path) = &arguments.replay {
        let [target] = chosen.as_slice() else {
            eprintln!("--replay needs one target");
            return ExitCode::from(2);
        };
        return replay(target, path);
    }
    // Panics are caught and reported with their input; the default message would break the progress bar.
    std::panic::set_hook(Box::new(|_| {}));
    println!(
        "{:<20} {:>11} {:>9} {:>9} {:>9} {:>10} {:>10}",
        "target", "executions", "per s", "decoded", "outcomes", "peak KiB", "slowest ms"
    );
    let mut failed = false;
    for target in &chosen {
        let report = watch(target, &arguments);
        print(target, &report);
        if let Some(failure) = &report.failure {
            failed = true;
            keep(target, failure, &arguments);
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn watch(target: &Target, arguments: &Arguments) -> Report {
    let style = ProgressStyle::with_template("{msg:20} {bar:40} {human_pos}/{human_len} {per_sec} {eta}");
    let bar = ProgressBar::new(arguments.executions);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(target.name);
    let at_most = arguments.seconds.map(Duration::from_secs);
    let options = Options { executions: arguments.executions, seed: arguments.seed, at_most };
    let report = run(target, &options, |tick| bar.set_position(tick.executions));
    bar.finish_and_clear();
    report
}

fn print(target: &Target, report: &Report) {
    let seconds = report.elapsed.as_secs_f64().max(0.001);
    println!(
        "{:<20} {:>11} {:>9.0} {:>8.1}% {:>9} {:>10} {:>10.1}",
        target.name,
        report.executions,
        report.executions as f64 / seconds,
        100.0 * report.accepted as f64 / report.executions.max(1) as f64,
        report.outcomes,
        report.peak.div_ceil(1024),
        report.slowest.as_secs_f64() * 1000.0,
    );
}

fn keep(target: &Target, failure: &Failure, arguments: &Arguments) {
    eprintln!("{}: execution {} with seed {}: {}", target.name, failure.execution, arguments.seed, failure.what);
    let path = arguments.out.join(format!("{}-{}-{}.bin", target.name, arguments.seed, failure.execution));
    let written = std::fs::create_dir_all(&arguments.out).and_then(|()| std::fs::write(&path, &failure.input));
    match written {
        Ok(()) => eprintln!(
            "{} bytes (found as {}); replay: cargo run -p vostro-fuzz --profile fuzz -- {} --replay {}",
            failure.input.len(),
            failure.found_as,
            target.name,
            path.display()
        ),
        Err(e) => eprintln!("the input cannot be written to {}: {e}", path.display()),
    }
}

fn replay(target: &Target, path: &Path) -> ExitCode {
    let input = match std::fs::read(path) {
        Ok(input) => input,
        Err(e) => {
            eprintln!("cannot read {}: {e}", path.display());
            return ExitCode::FAILURE;
        }
    };
    match Failure::replay(target, &input) {
        Ok(outcome) => {
            println!("{}: {}", target.name, if outcome.accepted { "decoded" } else { "refused" });
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{}: {}", target.name, failure.what);
            ExitCode::FAILURE
        }
    }
}
