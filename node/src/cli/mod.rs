//! The command line: a file a verb.
//!
//! Invariant: names of verbs and flags here are fixed interfaces; parsing them touches nothing.

pub mod audit;
pub mod bench;
pub mod completions;
pub mod devnet;
pub mod genesis;
pub mod init;
pub mod keys;
pub mod orders;
pub mod query;
pub mod remote;
pub mod simulate;
pub mod start;
pub mod tx;
pub mod version;
pub mod wallet;

use clap::{Parser, Subcommand};
use color_eyre::eyre::Result;

use crate::output::Output;

/// Log level without `RUST_LOG`.
pub const DEFAULT_LOG_FILTER: &str = "warn";

/// A settlement network of knowledge platforms: node, wallet and tools.
#[derive(Parser, Debug)]
#[command(name = "vostro", version, about, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Print JSON alone on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[allow(clippy::large_enum_variant)] // there is one, once
#[derive(Subcommand, Debug)]
pub enum Command {
    // --- nodes ---
    /// Run a development network and settle an order file on it
    Devnet(devnet::DevnetArgs),
    /// Make a node's home
    Init(init::InitArgs),
    /// Run a node
    Start(start::StartArgs),
    /// Replay a home offline and say what differs
    Audit(audit::AuditArgs),
    // --- keys and genesis ---
    /// Make, show and move key files
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// The ceremony in which partners agree on the first facts of a chain
    #[command(subcommand)]
    Genesis(genesis::GenesisCommand),
    // --- payments and reads ---
    /// Act on accounts: what users, platforms, gateways and arbiters sign
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    /// A program's verbs: encode, decode, sign, submit, wait, status
    #[command(subcommand)]
    Tx(tx::TxCommand),
    /// Read the chain
    #[command(subcommand)]
    Query(query::QueryCommand),
    /// Replay order files
    #[command(subcommand)]
    Orders(orders::OrdersCommand),
    // --- proofs for engineers ---
    /// Run whole networks in virtual time, under faults drawn from a seed
    Simulate(simulate::SimulateArgs),
    /// Measure what parts and whole networks cost on this machine
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    // --- the binary itself ---
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print versions of the binary and of the formats it speaks
    Version,
}

impl Command {
    /// Log level without `RUST_LOG`.
    pub fn log_filter(&self) -> &'static str {
        match self {
            // Torn logs are what a simulation is about.
            Command::Simulate(_) => "error",
            _ => DEFAULT_LOG_FILTER,
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// The verb's failure; [`crate::output::Usage`] among its causes means wrong usage.
pub async fn run(cli: Cli) -> Result<()> {
    let output = Output { json: cli.json };
    match cli.command {
        Command::Devnet(args) => devnet::run(args, output).await,
        Command::Init(args) => init::run(&args, output),
        Command::Start(args) => start::run(args, output).await,
        Command::Audit(args) => audit::run(args, output).await,
        Command::Keys(command) => keys::run(command, output),
        Command::Genesis(command) => genesis::run(command, output),
        Command::Wallet(command) => wallet::run(command, output).await,
        Command::Tx(command) => tx::run(command, output).await,
        Command::Query(command) => query::run(command, output).await,
        Command::Orders(command) => orders::run(command, output).await,
        Command::Simulate(args) => simulate::run(args, output),
        Command::Bench(command) => bench::run(command, output).await,
        Command::Completions(args) => completions::run(&args),
        Command::Version => version::run(output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
