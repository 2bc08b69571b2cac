//! A node's settings: flags over environment over file over defaults.
//!
//! Invariant: every key of the file is known; an unknown one is an error that names it, so a typing error never turns
//! into a default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vostro_storage::state::Backend;

/// Name of the settings file below `config/`.
pub const CONFIG_FILE: &str = "config.toml";
/// Name of the genesis file below `config/`.
pub const GENESIS_FILE: &str = "genesis.json";
/// Most that the cache of values may take: its rings have places for 32 GiB each.
pub const MAX_STATE_CACHE_BYTES: usize = 32 << 30;
/// Prefix of environment variables that set a value.
pub const ENV_PREFIX: &str = "VOSTRO_";

/// Paths in a node's home that people edit.
#[derive(Clone, Debug)]
pub struct HomePaths {
    root: PathBuf,
}

impl HomePaths {
    /// Paths below a home.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        HomePaths { root: root.into() }
    }

    /// The home.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `config/config.toml`.
    pub fn config(&self) -> PathBuf {
        self.root.join("config").join(CONFIG_FILE)
    }

    /// `config/genesis.json`.
    pub fn genesis(&self) -> PathBuf {
        self.root.join("config").join(GENESIS_FILE)
    }

    /// `keys/validator.json`.
    pub fn validator_key(&self) -> PathBuf {
        self.root.join("keys").join("validator.json")
    }

    /// `keys/network.json`.
    pub fn network_key(&self) -> PathBuf {
        self.root.join("keys").join("network.json")
    }
}

/// The file `config/config.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Config {
    /// Hash the genesis file must have; the node refuses another. Empty before `init` has written it.
    pub genesis_hash: String,
    /// The peer-to-peer side.
    #[serde(default)]
    pub network: NetworkConfig,
    /// The JSON-RPC side.
    #[serde(default)]
    pub rpc: RpcConfig,
    /// Prometheus metrics.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// Transactions that wait for a block.
    #[serde(default)]
    pub mempool: MempoolConfig,
    /// Materialised state.
    #[serde(default)]
    pub storage: StorageConfig,
}

/// The peer-to-peer side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Multiaddresses to listen on.
    pub listen: Vec<String>,
    /// Who may connect and where to find them. Validators of the genesis are allowed without an entry.
    pub peers: Vec<PeerConfig>,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct PeerConfig {
    /// Name of a validator in the genesis, or any name for another node.
    pub name: String,
    /// Public network key (64 hex digits) of a node that is no validator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_key: Option<String>,
    /// Multiaddresses to dial.
    #[serde(default)]
    pub addresses: Vec<String>,
}

/// The JSON-RPC side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Web origins that may call.
    pub cors: Vec<String>,
    /// Largest request in bytes.
    pub max_request_bytes: u32,
}

/// Prometheus metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
}

/// Transactions that wait for a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, default)]
pub struct MempoolConfig {
    /// Most transactions.
    pub transactions: usize,
    /// Most bytes.
    pub bytes: usize,
    /// Most transactions of one sender.
    pub per_sender: usize,
}

/// Materialised state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, default)]
pub struct StorageConfig {
    /// What keeps the state on disk: `fjall` or `sled`. A node that finds the other's files rebuilds its state from the block
    /// log.
    pub backend: BackendName,
    /// Bytes of its blocks that the store keeps in memory.
    pub cache_bytes: u64,
    /// Bytes of values that are kept before the store: accounts, and what was read lately, are not asked of it.
    pub state_cache_bytes: usize,
    /// Bytes of decided changes that may wait to be written to the store.
    pub overlay_bytes: usize,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        NetworkConfig { listen: vec!["/ip4/127.0.0.1/tcp/26600".into()], peers: Vec::new() }
    }
}

impl Default for RpcConfig {
    fn default() -> Self {
        RpcConfig { listen: SocketAddr::from(([127, 0, 0, 1], 26601)), cors: Vec::new(), max_request_bytes: 2 << 20 }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        MetricsConfig { listen: SocketAddr::from(([127, 0, 0, 1], 26602)) }
    }
}

impl Default for MempoolConfig {
    fn default() -> Self {
        MempoolConfig { transactions: 100_000, bytes: 64 << 20, per_sender: 10_000 }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        StorageConfig {
            backend: BackendName(Backend::Fjall),
            cache_bytes: 64 << 20,
            state_cache_bytes: 512 << 20,
            overlay_bytes: 128 << 20,
        }
    }
}

/// A [`Backend`] by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackendName(pub Backend);

impl TryFrom<String> for BackendName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse().map(BackendName)
    }
}

impl From<BackendName> for String {
    fn from(name: BackendName) -> Self {
        name.0.name().to_owned()
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something it may not.
    #[error("{path}: {reason}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
    /// A value from the environment or a flag.
    #[error("{name}: {reason}")]
    Value {
        /// Variable or flag.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// Values that flags give; they win over everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--p2p-listen`.
    pub p2p_listen: Option<String>,
    /// `--rpc-listen`.
    pub rpc_listen: Option<String>,
    /// `--metrics-listen`.
    pub metrics_listen: Option<String>,
}

fn bytes<T: FromStr>(name: &str, text: &str) -> Result<T, ConfigError> {
    text.parse().map_err(|_| ConfigError::Value {
        name: name.to_string(),
        reason: format!("a size is a number of bytes, such as 67108864, not {text:?}"),
    })
}

fn address(name: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| ConfigError::Value {
        name: name.to_string(),
        reason: format!("an address is IP:PORT, such as 127.0.0.1:26601, not {text:?}"),
    })
}

impl Config {
    /// Reads the file and lays environment and flags over it. `env` gives the value of a variable.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and line, the variable or the flag.
    pub fn load(path: &Path, env: impl Fn(&str) -> Option<String>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        let mut config = Self::parse(path, &text)?;
        let pick = |flag: &Option<String>, flag_name: &str, variable: &str| match flag {
            Some(value) => Some((flag_name.to_string(), value.clone())),
            None => {
                let name = format!("{ENV_PREFIX}{variable}");
                env(&name).map(|value| (name, value))
            }
        };
        if let Some((_, value)) = pick(&overrides.p2p_listen, "--p2p-listen", "P2P_LISTEN") {
            config.network.listen = value.split(',').map(|s| s.trim().to_string()).collect();
        }
        if let Some((name, value)) = pick(&overrides.rpc_listen, "--rpc-listen", "RPC_LISTEN") {
            config.rpc.listen = address(&name, &value)?;
        }
        if let Some((name, value)) = pick(&overrides.metrics_listen, "--metrics-listen", "METRICS_LISTEN") {
            config.metrics.listen = address(&name, &value)?;
        }
        if let Some((name, value)) = pick(&None, "", "STORAGE_BACKEND") {
            config.storage.backend = value.try_into().map_err(|reason| ConfigError::Value { name, reason })?;
        }
        if let Some((name, value)) = pick(&None, "", "STORAGE_CACHE_BYTES") {
            config.storage.cache_bytes = bytes(&name, &value)?;
        }
        if let Some((name, value)) = pick(&None, "", "STORAGE_STATE_CACHE_BYTES") {
            config.storage.state_cache_bytes = bytes(&name, &value)?;
        }
        if config.storage.state_cache_bytes > MAX_STATE_CACHE_BYTES {
            let (name, given) = ("storage.state_cache_bytes".to_string(), config.storage.state_cache_bytes);
            let reason = format!("it is at most {MAX_STATE_CACHE_BYTES}, not {given}");
            return Err(ConfigError::Value { name, reason });
        }
        Ok(config)
    }

    /// Reads the text of the file. `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError::Parse`] names line and field.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text)
            .map_err(|e| ConfigError::Parse { path: path.to_path_buf(), reason: e.to_string().trim().to_string() })
    }

    /// The file's text.
    ///
    /// # Panics
    /// Never: every value of these types has a TOML form.
    pub fn to_toml(&self) -> String {
        format!(
            "# Settings of a Vostro node. Flags and variables (VOSTRO_P2P_LISTEN, VOSTRO_RPC_LISTEN, VOSTRO_METRICS_LISTEN, VOSTRO_STORAGE_BACKEND,\n\
             # VOSTRO_STORAGE_CACHE_BYTES, VOSTRO_STORAGE_STATE_CACHE_BYTES) win over this file.\n{}",
            toml::to_string_pretty(self).expect("plain tables have a TOML form")
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn load(text: &str, env: &[(&str, &str)], overrides: &Overrides) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path, |name| env.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()), overrides)
    }

    #[test]
    fn an_unknown_key_is_named() {
        for text in ["genesis_hash = ''\ncolour = 1", "genesis_hash = ''\n[rpc]\nlisten = '127.0.0.1:1'\ncolour = 1"] {
            let message = load(text, &[], &Overrides::default()).unwrap_err().to_string();
            assert!(message.contains("colour") && message.contains("config.toml"), "{message}");
        }
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = "genesis_hash = 'x'\n[rpc]\nlisten = '127.0.0.1:1000'";
        let env = [("VOSTRO_RPC_LISTEN", "127.0.0.1:2000")];
        let flags = Overrides { rpc_listen: Some("127.0.0.1:3000".into()), ..Overrides::default() };
        let port = |c: Config| c.rpc.listen.port();
        assert_eq!(port(load("genesis_hash = 'x'", &[], &Overrides::default()).unwrap()), 26601);
        assert_eq!(port(load(file, &[], &Overrides::default()).unwrap()), 1000);
        assert_eq!(port(load(file, &env, &Overrides::default()).unwrap()), 2000);
        assert_eq!(port(load(file, &env, &flags).unwrap()), 3000);
        let bad = load(file, &[("VOSTRO_RPC_LISTEN", "nowhere")], &Overrides::default()).unwrap_err().to_string();
        assert!(bad.contains("VOSTRO_RPC_LISTEN") && bad.contains("nowhere"), "{bad}");
        let caches = [("VOSTRO_STORAGE_CACHE_BYTES", "1000"), ("VOSTRO_STORAGE_STATE_CACHE_BYTES", "2000")];
        let storage = load(file, &caches, &Overrides::default()).unwrap().storage;
        assert_eq!((storage.cache_bytes, storage.state_cache_bytes), (1000, 2000));
        let huge = [("VOSTRO_STORAGE_STATE_CACHE_BYTES", "40000000000")];
        let bad = load(file, &huge, &Overrides::default()).unwrap_err().to_string();
        assert!(bad.contains("state_cache_bytes") && bad.contains("40000000000"), "{bad}");
        let large = [("VOSTRO_STORAGE_CACHE_BYTES", "1 GiB")];
        let bad = load(file, &large, &Overrides::default()).unwrap_err().to_string();
        assert!(bad.contains("VOSTRO_STORAGE_CACHE_BYTES") && bad.contains("1 GiB"), "{bad}");
    }

    #[test]
    fn text_round_trip() {
        let mut config = load("genesis_hash = 'x'", &[], &Overrides::default()).unwrap();
        config.network.peers.push(PeerConfig {
            name: "lantern".into(),
            network_key: None,
            addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
        });
        assert_eq!(load(&config.to_toml(), &[], &Overrides::default()).unwrap(), config);
    }
}
