//! `vostro bench`: what parts and whole networks cost on this machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use color_eyre::eyre::Result;

use crate::bench::{consensus, contract, storage};
use crate::output::Output;

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    /// The settlement contract alone, in memory, on one core
    Contract(ContractArgs),
    /// The block log and the state store alone, on this disk
    Storage(StorageArgs),
    /// Agreement alone: validators in one process, without network and disk
    Consensus(ConsensusArgs),
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

/// Storage alone.
#[derive(Args, Debug)]
pub struct StorageArgs {
    /// New directory for the files, on the disk to be measured; removed afterwards. A temporary one if left out
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Blocks of each size to append
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    blocks: u64,
    /// Keys in the state store
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    keys: u64,
    /// Updates of random keys
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    updates: u64,
}

/// Agreement alone.
#[derive(Args, Debug)]
pub struct ConsensusArgs {
    /// Numbers of validators, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [4u16, 7, 10], value_name = "N", value_parser = clap::value_parser!(u16).range(1..=128))]
    validators: Vec<u16>,
    /// Blocks of each kind
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    blocks: u64,
    /// Payments in a full block
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4000))]
    payments: u64,
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
        BenchCommand::Storage(StorageArgs { dir, blocks, keys, updates }) => {
            let report = storage::run(&storage::Options { dir, blocks, keys, updates }, output)?;
            output.show(&report, || report.text())
        }
        BenchCommand::Consensus(ConsensusArgs { validators, blocks, payments }) => {
            let validators = validators.into_iter().map(usize::from).collect();
            let report = consensus::run(&consensus::Options { validators, blocks, payments }, output)?;
            output.show(&report, || report.text())
        }
    }
}
