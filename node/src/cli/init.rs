//! `init`: makes a node's home.

use std::path::{Path, PathBuf};

use clap::Args;
use color_eyre::eyre::{Result, WrapErr, ensure};
use serde::Serialize;
use vostro_consensus::GuardMark;
use vostro_types::{Genesis, Hash};

use crate::boot::read_genesis;
use crate::cli::keys::{ProtectionArgs, seal};
use crate::config::{Config, HomePaths, MempoolConfig, MetricsConfig, NetworkConfig, RpcConfig, StorageConfig};
use crate::keystore::{self, KeyFile, Replace, write_atomic};
use crate::output::{Output, pairs};
use crate::signer;

/// What the home is made of.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Directory to make
    #[arg(long, env = "VOSTRO_HOME", value_name = "DIR")]
    pub home: PathBuf,
    /// The chain's genesis file
    #[arg(long, value_name = "FILE")]
    pub genesis: PathBuf,
    /// Key file that votes; without it the node is an observer
    #[arg(long, value_name = "FILE")]
    pub validator_key: Option<PathBuf>,
    /// Key file of the network identity; made new for an observer if left out
    #[arg(long, value_name = "FILE")]
    pub network_key: Option<PathBuf>,
    /// The validator key has signed on this chain before: the node follows without voting until it is safe to vote
    #[arg(long, requires = "validator_key")]
    pub rejoin: bool,
    /// How a new network key is protected.
    #[command(flatten)]
    pub protection: ProtectionArgs,
}

/// What was made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    home: String,
    genesis_hash: String,
    role: String,
    peer_id: String,
}

/// Settings of a new node on this chain.
pub fn new_config(genesis: &Genesis) -> Config {
    Config {
        genesis_hash: genesis.hash().to_string(),
        network: NetworkConfig::default(),
        rpc: RpcConfig::default(),
        metrics: MetricsConfig::default(),
        mempool: MempoolConfig::default(),
        storage: StorageConfig::default(),
    }
}

/// What is known of the past of a validator's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// It has signed nothing on this chain.
    NeverSigned,
    /// It has signed, and nobody knows what.
    Unknown,
}

/// Writes the files of a new home. Nothing of an older one is replaced.
///
/// # Errors
/// If the home has settings already or a file cannot be written.
pub fn make_home(
    paths: &HomePaths,
    genesis_file: &Path,
    config: &Config,
    chain: &Hash,
    validator: Option<(&KeyFile, Past)>,
    network: &KeyFile,
) -> Result<()> {
    ensure!(
        !paths.config().exists(),
        "{} exists already; a home is made once (remove it yourself if it is really not needed)",
        paths.config().display()
    );
    for dir in ["config", "keys"] {
        let dir = paths.root().join(dir);
        std::fs::create_dir_all(&dir).wrap_err_with(|| format!("cannot make {}", dir.display()))?;
    }
    let genesis = std::fs::read(genesis_file).wrap_err_with(|| format!("cannot read {}", genesis_file.display()))?;
    write_atomic(&paths.genesis(), &genesis, Replace::Atomically)?;
    if let Some((key, past)) = validator {
        let mark = match past {
            Past::NeverSigned => GuardMark::never_signed(),
            Past::Unknown => GuardMark::unknown(),
        };
        signer::begin(paths.root(), chain, mark)?;
        key.save(&paths.validator_key())?;
    }
    network.save(&paths.network_key())?;
    // Last, because its presence says that the home is whole.
    write_atomic(&paths.config(), config.to_toml().as_bytes(), Replace::Never)?;
    Ok(())
}

/// Makes the home.
///
/// # Errors
/// A wrong genesis, keys that do not belong to it, or a home that exists.
pub fn run(args: &InitArgs, output: Output) -> Result<()> {
    let genesis = read_genesis(&args.genesis)?;
    let validator = args.validator_key.as_deref().map(KeyFile::load).transpose()?;
    let network = match (&args.network_key, &args.validator_key) {
        (Some(path), _) => KeyFile::load(path)?,
        (None, Some(_)) => {
            color_eyre::eyre::bail!("a validator's network key is named in the genesis; give it with --network-key")
        }
        (None, None) => seal("network", &keystore::generate()?, &args.protection)?,
    };
    let network_public = network.public(args.network_key.as_deref().unwrap_or(&args.genesis))?;
    if let (Some(key), Some(path)) = (&validator, &args.validator_key) {
        let public = key.public(path)?;
        let member = genesis.validators.iter().find(|v| v.key == public);
        let member =
            member.ok_or_else(|| color_eyre::eyre::eyre!("{} is no validator of this genesis", path.display()))?;
        ensure!(
            member.network_key == network_public,
            "the genesis names another network key for {}: {}",
            member.name,
            member.network_key
        );
    }
    let paths = HomePaths::new(&args.home);
    let past = if args.rejoin { Past::Unknown } else { Past::NeverSigned };
    let voting = validator.as_ref().map(|key| (key, past));
    make_home(&paths, &args.genesis, &new_config(&genesis), &genesis.hash(), voting, &network)?;
    let peer_id = vostro_network::peer_id_of(&network_public.0).map_or_else(String::new, |p| p.to_string());
    let made = Made {
        home: args.home.display().to_string(),
        genesis_hash: genesis.hash().to_string(),
        role: if validator.is_some() { "validator" } else { "observer" }.to_string(),
        peer_id,
    };
    output.show(&made, || {
        let text = pairs([
            ("home", made.home.clone()),
            ("genesis", made.genesis_hash.clone()),
            ("role", made.role.clone()),
            ("peer id", made.peer_id.clone()),
        ]);
        format!(
            "{text}\n\nNext: name the other nodes' addresses under [network] in {}, then\n  vostro start --home {}",
            paths.config().display(),
            made.home
        )
    })
}
