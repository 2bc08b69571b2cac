//! `start`: runs one node until SIGTERM or Ctrl-C.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use color_eyre::eyre::{Result, WrapErr, ensure};
use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use vostro_types::Height;

use crate::boot::load_genesis;
use crate::cli::keys::{DirArgs, PasswordArgs, open};
use crate::config::{Config, HomePaths, Overrides};
use crate::output::Output;
use crate::run::{Node, run as run_node};

/// Which node to run and how.
#[derive(Args, Debug)]
pub struct StartArgs {
    /// The node's home, made by `init`
    #[arg(long, env = "VOSTRO_HOME", value_name = "DIR")]
    pub home: PathBuf,
    /// Multiaddresses to listen on for peers, instead of the file's
    #[arg(long, value_name = "MULTIADDR")]
    pub p2p_listen: Option<String>,
    /// Address of the RPC port, instead of the file's
    #[arg(long, value_name = "IP:PORT")]
    pub rpc_listen: Option<String>,
    /// Address of the metrics port, instead of the file's
    #[arg(long, value_name = "IP:PORT")]
    pub metrics_listen: Option<String>,
    /// Let a validator that does not know what it signed before vote from this height on. If it has signed there before,
    /// it may contradict itself, which is evidence against it
    #[arg(long, value_name = "HEIGHT", value_parser = clap::value_parser!(u64).range(1..))]
    pub vote_from: Option<u64>,
    /// Where the key files' password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// End when standard input closes, so that a node does not outlive the program that started it
    #[arg(long, hide = true)]
    pub stop_with_stdin: bool,
    /// Hold messages to peers back for so many milliseconds, as a wide area network would
    #[arg(long, hide = true, default_value_t = 0, value_name = "MS")]
    pub delay_ms: u64,
}

/// Said once the node serves.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Serving {
    rpc: String,
    metrics: String,
    p2p: Vec<String>,
    peer_id: String,
}

/// Runs the node.
///
/// # Errors
/// Why it could not start, or why it halted.
pub async fn run(args: StartArgs, output: Output) -> Result<()> {
    let paths = HomePaths::new(&args.home);
    ensure!(
        paths.config().exists(),
        "{} is not a node's home: {} is missing; make one with `vostro init`",
        args.home.display(),
        paths.config().display()
    );
    let overrides =
        Overrides { p2p_listen: args.p2p_listen, rpc_listen: args.rpc_listen, metrics_listen: args.metrics_listen };
    let config = Config::load(&paths.config(), |name| std::env::var(name).ok(), &overrides)?;
    let genesis = load_genesis(&paths, &config)?;
    let key = |path: PathBuf| open(&path.display().to_string(), &DirArgs { dir: None }, &args.password);
    let validator_key = if paths.validator_key().exists() { Some(key(paths.validator_key())?) } else { None };
    let network_key = key(paths.network_key())?;
    let vote_from = args.vote_from.map(Height);
    let node = Node {
        paths,
        config,
        genesis,
        validator_key,
        network_key,
        vote_from,
        delay: Duration::from_millis(args.delay_ms),
    };

    let mut terminate = signal(SignalKind::terminate()).wrap_err("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).wrap_err("cannot listen for SIGINT")?;
    let stop_with_stdin = args.stop_with_stdin;
    let stop = async move {
        let closed = async {
            if stop_with_stdin {
                let mut byte = [0; 64];
                let mut stdin = tokio::io::stdin();
                while matches!(stdin.read(&mut byte).await, Ok(n) if n > 0) {}
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = closed => {}
        }
    };
    let mut shown = Ok(());
    let outcome = run_node(node, stop, |addresses| {
        let serving = Serving {
            rpc: format!("http://{}/rpc", addresses.rpc),
            metrics: format!("http://{}/metrics", addresses.metrics),
            p2p: addresses.p2p.iter().map(ToString::to_string).collect(),
            peer_id: addresses.peer_id.to_string(),
        };
        shown = output.show(&serving, || {
            format!("serving: rpc {}  metrics {}  p2p {}", serving.rpc, serving.metrics, serving.p2p.join(" "))
        });
    })
    .await;
    outcome.and(shown)
}
