//! `genesis`: the ceremony in which partners agree on the first facts of a chain.
//!
//! Invariant: a file is replaced in one step, and only by one whose every field was checked.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use color_eyre::eyre::{Result, WrapErr, ensure};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use vostro_types::genesis::{AccountFile, AssetFile, GenesisFile, KeyFile as GenesisKey, ValidatorFile};
use vostro_types::{Genesis, Label, Roles};

use super::keys::{self, DirArgs, PasswordArgs};
use crate::keystore::{Replace, write_atomic};
use crate::output::{Output, Usage, pairs};
use crate::recipe::{self, Recipe};

/// Largest genesis file or recipe in bytes.
const MAX_GENESIS: u64 = 4 << 20;

/// The file the ceremony works on.
#[derive(Args, Clone, Debug)]
pub struct FileArgs {
    /// The genesis file
    #[arg(long, short = 'g', value_name = "FILE", default_value = "genesis.json")]
    pub genesis: PathBuf,
}

/// Keys of an account.
#[derive(Args, Clone, Debug)]
pub struct AccountArgs {
    /// The account's name, unique in the genesis
    #[arg(long)]
    pub name: String,
    /// A key: name or path of a key file, BOOK.json#NAME, or 64 hex digits; several with weights as KEY:WEIGHT
    #[arg(long = "key", required = true, value_name = "KEY[:WEIGHT]")]
    pub keys: Vec<String>,
    /// Weight that must sign
    #[arg(long, default_value_t = 1)]
    pub threshold: u32,
    /// 32 hex digits that make ids of equal keys distinct
    #[arg(long, default_value = "00000000000000000000000000000000")]
    pub salt: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub dir: DirArgs,
}

/// The verbs of `genesis`.
#[derive(Subcommand, Debug)]
pub enum GenesisCommand {
    /// Start a genesis file that partners then add themselves to
    New {
        /// Recipe with parameters and names (TOML)
        #[arg(long, value_name = "FILE")]
        recipe: Option<PathBuf>,
        /// Name of the chain
        #[arg(long)]
        chain_id: Option<String>,
        /// An asset and its digits after the point, such as USD:2 (repeatable)
        #[arg(long = "asset", value_name = "CODE:SCALE")]
        assets: Vec<String>,
        /// Time of genesis, RFC 3339 [default: now]
        #[arg(long, value_name = "TIME")]
        time: Option<String>,
        /// Where to write it; an existing file is not replaced
        #[arg(long, value_name = "FILE", default_value = "genesis.json")]
        out: PathBuf,
    },
    /// Add a validator; its key vouches for its network key
    AddValidator {
        #[command(flatten)]
        #[allow(missing_docs)]
        file: FileArgs,
        /// The validator's name, unique in the genesis
        #[arg(long)]
        name: String,
        /// Name of the platform account that runs it
        #[arg(long)]
        platform: String,
        /// Key that signs votes; with --binding its public half in hex is enough
        #[arg(long, value_name = "KEY")]
        key: String,
        /// Key of its network identity
        #[arg(long, value_name = "KEY")]
        network_key: String,
        /// A binding that the voting key signed elsewhere (128 hex digits)
        #[arg(long, value_name = "HEX")]
        binding: Option<String>,
        #[command(flatten)]
        #[allow(missing_docs)]
        dir: DirArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        password: PasswordArgs,
    },
    /// Add a partner platform's account
    AddPlatform {
        #[command(flatten)]
        #[allow(missing_docs)]
        file: FileArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        account: AccountArgs,
    },
    /// Add another account: gateway, networkFee, tax or suspense
    AddAccount {
        #[command(flatten)]
        #[allow(missing_docs)]
        file: FileArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        account: AccountArgs,
        /// platform, gateway, networkFee, tax or suspense
        #[arg(long)]
        kind: String,
        /// Let it freeze accounts and set tiers
        #[arg(long)]
        risk: bool,
        /// Let it resolve disputes; give it several keys, so that several arbiters must agree
        #[arg(long)]
        arbiter: bool,
        /// Let it anchor reports
        #[arg(long)]
        auditor: bool,
    },
    /// Check that the genesis is complete and consistent
    Validate {
        #[command(flatten)]
        #[allow(missing_docs)]
        file: FileArgs,
    },
    /// Print the hash that names the chain
    Hash {
        #[command(flatten)]
        #[allow(missing_docs)]
        file: FileArgs,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    file: String,
    chain_id: String,
    time: String,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// Why it is not complete, or what the recipe still expects.
    missing: Vec<String>,
    assets: usize,
    accounts: usize,
    validators: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault_budget: Option<usize>,
}

impl Summary {
    fn of(path: &Path, file: &GenesisFile, expected: Vec<String>) -> Self {
        let parsed = file.parse();
        let missing = match &parsed {
            Ok(_) => expected,
            Err(e) if expected.is_empty() => vec![e.to_string()],
            Err(_) => expected,
        };
        Summary {
            file: path.display().to_string(),
            chain_id: file.chain_id.clone(),
            time: rfc3339(file.time_ms),
            complete: parsed.is_ok(),
            fault_budget: parsed.as_ref().ok().map(|g| g.validator_set().faulty()),
            hash: parsed.ok().map(|g| g.hash().to_string()),
            missing,
            assets: file.assets.len(),
            accounts: file.accounts.len(),
            validators: file.validators.len(),
        }
    }

    fn show(&self, output: Output) -> Result<()> {
        output.show(self, || {
            let mut rows = vec![
                ("file", self.file.clone()),
                ("chain", self.chain_id.clone()),
                ("time", self.time.clone()),
                ("assets", self.assets.to_string()),
                ("accounts", self.accounts.to_string()),
                ("validators", self.validators.to_string()),
            ];
            if let Some(faulty) = self.fault_budget {
                rows.push(("tolerates", format!("{faulty} faulty")));
            }
            match &self.hash {
                Some(hash) => rows.push(("hash", hash.clone())),
                None => rows.push(("still missing", self.missing.join(", "))),
            }
            pairs(rows)
        })
    }
}

/// Runs a verb of `genesis`.
///
/// # Errors
/// The field that is wrong, or what the file system refuses.
pub fn run(command: GenesisCommand, output: Output) -> Result<()> {
    match command {
        GenesisCommand::New { recipe, chain_id, assets, time, out } => {
            let mut plan = match &recipe {
                Some(path) => Recipe::parse(&read_capped(path)?)?,
                None => {
                    let mut plan = Recipe::parse(recipe::CONSORTIUM)?;
                    (plan.platforms, plan.accounts) = (Vec::new(), Vec::new());
                    if chain_id.is_none() || assets.is_empty() {
                        return Err(Usage("without --recipe, --chain-id and --asset are needed".into()).into());
                    }
                    plan
                }
            };
            if let Some(id) = chain_id {
                plan.chain_id = id;
            }
            if !assets.is_empty() {
                plan.assets = assets.iter().map(|a| parse_asset(a)).collect::<Result<_>>()?;
            }
            let (file, missing) = plan.draft(time.as_deref().map_or_else(now_ms, parse_time)?)?;
            write(&out, &file, Replace::Never)?;
            Summary::of(&out, &file, missing).show(output)
        }
        GenesisCommand::AddValidator { file, name, platform, key, network_key, binding, dir, password } => {
            let mut genesis = load_file(&file.genesis)?;
            let label = Label::new(name.as_str())
                .wrap_err_with(|| format!("genesis: validators[{}].name", genesis.validators.len()))?;
            let network = keys::public(&network_key, &dir)?;
            genesis.validators.push(match binding {
                None => ValidatorFile::vouch(&label, &platform, &keys::open(&key, &dir, &password)?, network),
                Some(binding) => ValidatorFile {
                    name,
                    platform,
                    key: keys::public(&key, &dir)?.to_string(),
                    network_key: network.to_string(),
                    binding,
                },
            });
            update(&file.genesis, &genesis, output)
        }
        GenesisCommand::AddPlatform { file, account } => {
            add_account(&file.genesis, &account, "platform", Roles::default(), output)
        }
        GenesisCommand::AddAccount { file, account, kind, risk, arbiter, auditor } => {
            add_account(&file.genesis, &account, &kind, Roles { risk, arbiter, auditor }, output)
        }
        GenesisCommand::Validate { file } => {
            let genesis = load_file(&file.genesis)?;
            genesis.parse().wrap_err_with(|| file.genesis.display().to_string())?;
            Summary::of(&file.genesis, &genesis, Vec::new()).show(output)
        }
        GenesisCommand::Hash { file } => {
            let hash = load(&file.genesis)?.1.hash();
            output.show(&serde_json::json!({ "hash": hash.to_string() }), || hash.to_string())
        }
    }
}

fn add_account(path: &Path, args: &AccountArgs, kind: &str, roles: Roles, output: Output) -> Result<()> {
    let mut genesis = load_file(path)?;
    let mut account_keys = Vec::new();
    for text in &args.keys {
        let weighted = text.rsplit_once(':').and_then(|(key, weight)| Some((key, weight.parse::<u16>().ok()?)));
        let (key, weight) = weighted.unwrap_or((text, 1));
        account_keys.push(GenesisKey { key: keys::public(key, &args.dir)?.to_string(), weight });
    }
    genesis.accounts.push(AccountFile {
        name: args.name.clone(),
        kind: kind.to_string(),
        threshold: args.threshold,
        keys: account_keys,
        salt: args.salt.clone(),
        risk: roles.risk,
        arbiter: roles.arbiter,
        auditor: roles.auditor,
    });
    update(path, &genesis, output)
}

/// Checks a changed draft, writes it, and says what it is now.
fn update(path: &Path, file: &GenesisFile, output: Output) -> Result<()> {
    recipe::check_draft(file)?;
    write(path, file, Replace::Atomically)?;
    Summary::of(path, file, Vec::new()).show(output)
}

fn write(path: &Path, file: &GenesisFile, replace: Replace) -> Result<()> {
    let text = serde_json::to_string_pretty(file)?;
    Ok(write_atomic(path, format!("{text}\n").as_bytes(), replace)?)
}

fn read_capped(path: &Path) -> Result<String> {
    let length = std::fs::metadata(path).wrap_err_with(|| path.display().to_string())?.len();
    ensure!(length <= MAX_GENESIS, "{}: {length} bytes are more than the {MAX_GENESIS} allowed", path.display());
    std::fs::read_to_string(path).wrap_err_with(|| path.display().to_string())
}

fn load_file(path: &Path) -> Result<GenesisFile> {
    serde_json::from_str(&read_capped(path)?).wrap_err_with(|| format!("{} is not a genesis file", path.display()))
}

/// Reads a genesis file and checks it.
///
/// # Errors
/// I/O, or the field that is wrong.
pub fn load(path: &Path) -> Result<(GenesisFile, Genesis)> {
    let file = load_file(path)?;
    let genesis = file.parse().wrap_err_with(|| path.display().to_string())?;
    Ok((file, genesis))
}

fn parse_asset(text: &str) -> Result<AssetFile> {
    let parsed = text.split_once(':').and_then(|(code, scale)| Some((code, scale.parse().ok()?)));
    let (code, scale) = parsed.ok_or_else(|| Usage(format!("an asset is CODE:SCALE, such as USD:2, not {text:?}")))?;
    Ok(AssetFile { code: code.to_string(), scale })
}

fn parse_time(text: &str) -> Result<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|e| Usage(format!("--time {text:?} is not a time such as 2026-01-01T00:00:00Z: {e}")))?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| Usage("--time is before 1970".into()).into())
}

fn now_ms() -> Result<u64> {
    Ok(u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000)?)
}

/// Milliseconds since 1970 as RFC 3339.
pub fn rfc3339(ms: u64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|t| t.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{ms} ms"))
}
