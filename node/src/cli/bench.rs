//! `vostro bench`: what parts and whole networks cost on this machine.

use clap::{Args, Subcommand};
use color_eyre::eyre::Result;

use crate::bench::contract;
use crate::output::Output;

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    /// The settlement contract alone, in memory, on one core
    Contract(ContractArgs),
}

/// The contract alone.
#[derive(Args, Debug)]
pub struct ContractArgs {
    /// Split payments to make
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    payments: u64,
    /// Objects in the state before the first payment, about
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=30_000_000))]
    objects: u64,
    /// Payments in a block
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    block: u32,
}

/// Runs a benchmark.
///
/// # Errors
/// What kept it from measuring.
pub async fn run(command: BenchCommand, output: Output) -> Result<()> {
    match command {
        BenchCommand::Contract(ContractArgs { payments, objects, block }) => {
            let options = contract::Options { payments, objects, block: block as usize };
            let report = contract::run(options, output)?;
            output.show(&report, || report.text())
        }
    }
}
