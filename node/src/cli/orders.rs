//! `orders import`: replays an order file through RPC.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use color_eyre::eyre::{Result, bail};
use vostro_types::Hash;

use crate::orders::{ImportOptions, import};
use crate::output::Output;

/// The order file that comes with the program: a tenth of a real shop's history (CDNOW, 1997–98, Fader & Hardie);
/// platforms and creators are assigned by arithmetic.
pub const SAMPLE: &[u8] = include_bytes!("../../../genesis/cdnow-sample.csv");

/// The verbs of `orders`.
#[derive(Subcommand, Debug)]
pub enum OrdersCommand {
    /// Replay an order file; importing the same file again changes nothing
    Import(ImportArgs),
}

/// What to import and where.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The order file (CSV); the sample that comes with the program if left out
    #[arg(value_name = "FILE.csv")]
    pub file: Option<PathBuf>,
    /// A node's RPC address; several are asked in turn when one does not answer
    #[arg(long, env = "VOSTRO_RPC", value_name = "URL", required = true, value_delimiter = ',')]
    pub rpc: Vec<String>,
    /// Key book with the keys of platforms and gateway; buyers' and creators' keys follow from its master
    #[arg(long, value_name = "BOOK.json")]
    pub book: PathBuf,
    /// Genesis hash of the chain, to refuse any other
    #[arg(long, value_name = "HASH")]
    pub chain: Option<Hash>,
    /// Write name,kind,account of everybody in the file here
    #[arg(long, value_name = "FILE.csv")]
    pub accounts: Option<PathBuf>,
    /// Orders in one call
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub chunk: u64,
    /// Calls whose orders may be unsettled at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub in_flight: u64,
    /// Seconds to wait for t+N orders to mature
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub wait: u64,
}

/// Runs a verb of `orders`.
///
/// # Errors
/// What keeps the file from being imported, or creators whose balances do not add up.
pub async fn run(command: OrdersCommand, output: Output) -> Result<()> {
    let OrdersCommand::Import(args) = command;
    let options = ImportOptions {
        orders: args.file,
        rpc: args.rpc,
        chain: args.chain,
        book: args.book,
        accounts_csv: args.accounts,
        chunk: usize::try_from(args.chunk)?,
        in_flight: usize::try_from(args.in_flight)?,
        wait: Duration::from_secs(args.wait),
        ..ImportOptions::default()
    };
    let report = import(&options, output).await?;
    output.show(&report, || report.text())?;
    if !report.mismatches.is_empty() {
        bail!("{} creators' balances are not the sum of their legs", report.mismatches.len());
    }
    Ok(())
}
