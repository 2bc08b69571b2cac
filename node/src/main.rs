//! The binary `vostro`: reads the command line, sets up logs and the runtime, and turns the result into an exit code.
//!
//! Exit codes: 0 success, 1 a failure explained in one sentence on standard error, 2 wrong usage.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use vostro_node::cli::{self, Cli};
use vostro_node::output;

/// Executing payments makes many short-lived keys and values: docs/adr/0011-an-allocator-of-our-own.md has figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let colour = output::colour_allowed(std::io::stderr().is_terminal());
    start_logging(colour, cli.command.log_filter());
    let theme = if colour { color_eyre::config::Theme::dark() } else { color_eyre::config::Theme::new() };
    // Only panics are shown by this hook; errors are one sentence, below.
    let hook = color_eyre::config::HookBuilder::default().theme(theme).display_env_section(false).install();
    let result = hook.and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let result = runtime.block_on(cli::run(cli));
        // A thread that reads standard input cannot be interrupted; waiting for it would keep a node that has stopped.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", output::one_sentence(&error));
            let usage = error.chain().any(|e| e.is::<output::Usage>());
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

/// Logs go to standard error, at the level `RUST_LOG` asks for, or the verb's own.
fn start_logging(colour: bool, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).init();
}
