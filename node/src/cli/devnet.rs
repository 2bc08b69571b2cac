//! `devnet`: the main job, settled while one watches.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use color_eyre::eyre::{Result, WrapErr, bail};
use serde::Serialize;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::devnet::{DEFAULT_BASE_PORT, Devnet, Layout, NodeResult, agreed, prepare, report_ended};
use crate::orders::{ImportOptions, ImportReport, import};
use crate::output::{Output, table};

/// The network and its job.
#[derive(Args, Debug)]
pub struct DevnetArgs {
    /// How many validators to run
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=31))]
    pub validators: u16,
    /// Directory of the network; a second start on it continues the same chain
    #[arg(long, default_value = "devnet", value_name = "DIR")]
    pub dir: PathBuf,
    /// First port; each validator takes the next ten
    #[arg(long, default_value_t = DEFAULT_BASE_PORT, value_name = "PORT")]
    pub base_port: u16,
    /// Order file to settle; the sample that comes with the program if left out
    #[arg(long, value_name = "FILE.csv")]
    pub orders: Option<PathBuf>,
    /// Stop when the orders are done
    #[arg(long)]
    pub exit: bool,
}

/// The line that `--json` ends with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    validators: usize,
    rows: u64,
    accepted: u64,
    rejected: BTreeMap<String, u64>,
    accepted_total: BTreeMap<String, String>,
    by_state: BTreeMap<String, BTreeMap<String, Value>>,
    height: u64,
    state_root: String,
    elapsed_s: f64,
    payments_per_s: f64,
    finality_ms: Percentiles,
    nodes: Vec<NodeResult>,
}

#[derive(Serialize)]
struct Percentiles {
    p50: f64,
    p99: f64,
}

impl Summary {
    fn of(report: &ImportReport, nodes: Vec<NodeResult>, elapsed: Duration) -> Self {
        let round = |x: f64| (x * 1000.0).round() / 1000.0;
        Summary {
            validators: nodes.len(),
            rows: report.rows,
            accepted: report.accepted,
            rejected: report.rejected.clone(),
            accepted_total: report.accepted_total.clone(),
            by_state: report.by_state.clone(),
            height: nodes.first().map_or(0, |n| n.height),
            state_root: nodes.first().map_or_else(String::new, |n| n.state_root.clone()),
            elapsed_s: round(elapsed.as_secs_f64()),
            payments_per_s: round(report.payments_per_s),
            finality_ms: Percentiles { p50: report.finality_ms.p50, p99: report.finality_ms.p99 },
            nodes,
        }
    }
}

fn person(report: &ImportReport, summary: &Summary) -> String {
    let nodes = table(
        ["validator", "height", "state root", "cpu s", "memory MiB"],
        summary.nodes.iter().map(|n| {
            [
                n.name.clone(),
                n.height.to_string(),
                n.state_root.clone(),
                format!("{:.1}", n.cpu_s),
                format!("{:.0}", n.rss_mb),
            ]
        }),
    );
    format!(
        "{}\n\nAll {} validators stand at one height with one state root:\n{nodes}",
        report.text(),
        summary.validators
    )
}

fn where_next(devnet: &Devnet) -> String {
    let Some(first) = devnet.file.nodes.first() else { return String::new() };
    let mut text = format!("Open {}/ in a browser, or ask:\n", first.rpc);
    text.push_str(&format!("  vostro query status --rpc {}\n", first.rpc));
    text.push_str(&format!("  vostro query order northwind cd-000001 --rpc {}\n", first.rpc));
    text.push_str(&format!("  curl -s {}\n", first.metrics));
    text.push_str("Kill a validator and start it again; nothing is lost:\n");
    if let Some(last) = devnet.file.nodes.last() {
        text.push_str(&format!("  kill -9 {}; vostro start --home {}\n", last.pid, last.home));
    }
    text.push_str(&format!("Everything is in {}; logs are in nodes/NAME/node.log.", devnet.layout.dir.display()));
    text
}

/// Runs the network.
///
/// # Errors
/// If it cannot be started, an order file cannot be imported, or the result does not add up.
pub async fn run(args: DevnetArgs, output: Output) -> Result<()> {
    let started = Instant::now();
    let layout = Layout { dir: args.dir.clone() };
    let _lock = layout.lock()?;
    let continued = layout.genesis().exists();
    let genesis = prepare(&layout, usize::from(args.validators), args.base_port)?;
    let mut terminate = signal(SignalKind::terminate()).wrap_err("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).wrap_err("cannot listen for SIGINT")?;
    let mut devnet = Devnet::start(layout, &genesis, args.base_port)?;
    let how = if continued { "continuing the chain in" } else { "a new chain in" };
    output.note(&format!("{} validators start, {how} {} …", devnet.file.nodes.len(), args.dir.display()));
    let outcome = tokio::select! {
        outcome = job(&args, &mut devnet, started, output) => outcome,
        _ = terminate.recv() => Err(Stopped.into()),
        _ = interrupt.recv() => Err(Stopped.into()),
    };
    let outcome = match outcome {
        Ok(()) if !args.exit => {
            output.note(&format!("\n{}\n\nRunning until Ctrl-C.", where_next(&devnet)));
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    () = tokio::time::sleep(Duration::from_secs(1)) => report_ended(&mut devnet, output),
                }
            }
            Ok(())
        }
        Ok(()) => Ok(()),
        Err(error) if error.is::<Stopped>() => Ok(()),
        Err(error) => Err(error),
    };
    output.note("stopping …");
    devnet.stop().await;
    outcome
}

/// The person asked to stop before the job was done.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Stopped;

async fn job(args: &DevnetArgs, devnet: &mut Devnet, started: Instant, output: Output) -> Result<()> {
    devnet.wait_ready().await?;
    let options = ImportOptions {
        orders: args.orders.clone(),
        rpc: devnet.file.nodes.iter().map(|n| n.rpc.clone()).collect(),
        chain: Some(devnet.file.genesis_hash.parse()?),
        book: devnet.layout.book(),
        accounts_csv: Some(devnet.layout.accounts()),
        ..ImportOptions::default()
    };
    let import = import(&options, output);
    tokio::pin!(import);
    let report = loop {
        tokio::select! {
            report = &mut import => break report?,
            () = tokio::time::sleep(Duration::from_millis(500)) => report_ended(devnet, output),
        }
    };
    let elapsed = started.elapsed();
    let nodes = agreed(&devnet.file.nodes, Duration::from_secs(60)).await?;
    let summary = Summary::of(&report, nodes, elapsed);
    output.show(&summary, || person(&report, &summary))?;
    if !report.mismatches.is_empty() {
        bail!("{} creators' balances are not the sum of their legs", report.mismatches.len());
    }
    Ok(())
}
