//! `vostro bench`: what parts and whole networks cost on this machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use color_eyre::eyre::Result;

use crate::bench::network::Profile;
use crate::bench::{consensus, contract, load, network, storage};
use vostro_storage::state::Backend;

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
    /// A network of real processes with durable storage, under load from client processes
    Network(NetworkArgs),
    /// A client process of `bench network`; talks over standard input and output
    #[command(hide = true)]
    Client,
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
    /// The state store: fjall or sled
    #[arg(long, default_value = "fjall", value_name = "NAME")]
    backend: Backend,
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

/// A network of real processes.
#[derive(Args, Debug)]
pub struct NetworkArgs {
    /// Validators, each a process
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=31))]
    validators: u16,
    /// Payments to settle
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    payments: u64,
    /// Payers
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    accounts: u64,
    /// Client processes; each talks to one validator
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// Payments in a call
    #[arg(long, default_value_t = 250, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    chunk: u32,
    /// Calls of a client whose payments are not settled yet, at most
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    in_flight: u32,
    /// Offer this many payments a second, whatever the answers, and see how long they take
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Hold messages between validators back for so many milliseconds, one way
    #[arg(long, default_value_t = 0, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=1000))]
    delay_ms: u64,
    /// Which workload
    #[arg(long, value_enum, default_value_t = Profile::Standard)]
    profile: Profile,
    /// New directory for the network's files, on the disk to be measured; removed afterwards. A temporary one if left out
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// First port; each validator takes the next ten. The first free ones if left out
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
}

impl NetworkArgs {
    fn options(self) -> network::Options {
        network::Options {
            validators: usize::from(self.validators),
            payments: self.payments,
            accounts: self.accounts,
            clients: self.clients,
            chunk: self.chunk as usize,
            in_flight: self.in_flight as usize,
            rate: self.rate.map(f64::from),
            delay_ms: self.delay_ms,
            profile: self.profile,
            dir: self.dir,
            base_port: self.base_port,
        }
    }
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
        BenchCommand::Storage(StorageArgs { dir, blocks, keys, updates, backend }) => {
            let report = storage::run(&storage::Options { dir, blocks, keys, updates, backend }, output)?;
            output.show(&report, || report.text())
        }
        BenchCommand::Consensus(ConsensusArgs { validators, blocks, payments }) => {
            let validators = validators.into_iter().map(usize::from).collect();
            let report = consensus::run(&consensus::Options { validators, blocks, payments }, output)?;
            output.show(&report, || report.text())
        }
        BenchCommand::Network(args) => {
            let report = network::run(&args.options(), output).await?;
            output.show(&report, || report.text())
        }
        BenchCommand::Client => load::run().await,
    }
}
