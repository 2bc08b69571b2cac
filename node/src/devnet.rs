//! The development network: N validators as separate processes on this machine, an order file settled end to end.
//!
//! Invariant: a child never outlives this process (its standard input is a pipe from here and it ends when that
//! closes), and a second start on the same directory continues the same chain.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, WrapErr, bail, ensure, eyre};
use serde::{Deserialize, Serialize};
use vostro_client::Client;
use vostro_network::peer_id_of;
use vostro_types::genesis::GenesisFile;
use vostro_types::{AccountKind, Genesis, SecretKey};

use crate::boot::read_genesis;
use crate::cli::init::{Past, make_home, new_config};
use crate::config::{HomePaths, MetricsConfig, NetworkConfig, PeerConfig, RpcConfig};
use crate::host::wall_time;
use crate::keystore::{KeyBook, KeyFile, Replace, generate, write_atomic};
use crate::output::Output;
use crate::recipe::{DEVNET, Recipe, RecipeKeys, ValidatorKeys, from_recipe};

/// First port if none is given.
pub const DEFAULT_BASE_PORT: u16 = 26600;
/// Ports that one node takes: peers, RPC, metrics, and room for more.
const PORTS_PER_NODE: u16 = 10;
/// How long nodes may take until they are ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a node may take to end before it is killed.
const END_WITHIN: Duration = Duration::from_secs(10);

/// A node as `devnet.json` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeEntry {
    /// The validator's name.
    pub name: String,
    /// Its home.
    pub home: String,
    /// Process id of the last start.
    pub pid: u32,
    /// URL of JSON-RPC.
    pub rpc: String,
    /// Multiaddress for peers.
    pub p2p: String,
    /// URL of the metrics.
    pub metrics: String,
    /// Network identity.
    pub peer_id: String,
}

/// The file `devnet.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DevnetFile {
    /// Name of the chain.
    pub chain_id: String,
    /// The chain's genesis hash.
    pub genesis_hash: String,
    /// The genesis file.
    pub genesis: String,
    /// Demo keys of platforms, gateway, buyers and creators.
    pub key_book: String,
    /// `name,kind,account` of everybody in the order file, once orders were imported.
    pub accounts: String,
    /// The nodes.
    pub nodes: Vec<NodeEntry>,
}

/// A development network's directory.
pub struct Layout {
    /// The directory.
    pub dir: PathBuf,
}

impl Layout {
    /// The genesis file.
    pub fn genesis(&self) -> PathBuf {
        self.dir.join("genesis.json")
    }

    /// The demo keys.
    pub fn book(&self) -> PathBuf {
        self.dir.join("keys.json")
    }

    /// What runs where.
    pub fn file(&self) -> PathBuf {
        self.dir.join("devnet.json")
    }

    /// `name,kind,account`.
    pub fn accounts(&self) -> PathBuf {
        self.dir.join("accounts.csv")
    }

    /// Takes the directory for this process until the file is dropped.
    ///
    /// # Errors
    /// If another development network runs there, or the directory cannot be made.
    pub fn lock(&self) -> Result<File> {
        let failed = || format!("cannot use {}", self.dir.display());
        std::fs::create_dir_all(&self.dir).wrap_err_with(failed)?;
        let file = File::create(self.dir.join("LOCK")).wrap_err_with(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                bail!("a development network runs in {} already; stop it or choose another --dir", self.dir.display())
            }
            Err(TryLockError::Error(error)) => Err(error).wrap_err_with(failed),
        }
    }

    /// A node's home.
    pub fn home(&self, name: &str) -> PathBuf {
        self.dir.join("nodes").join(name)
    }

    /// A node's log.
    pub fn log(&self, name: &str) -> PathBuf {
        self.home(name).join("node.log")
    }
}

/// Ports of node `at`.
fn ports(base: u16, at: usize) -> Result<[SocketAddr; 3]> {
    let offset = u16::try_from(at).ok().and_then(|at| at.checked_mul(PORTS_PER_NODE));
    let first = offset.and_then(|offset| base.checked_add(offset)).filter(|first| *first < u16::MAX - PORTS_PER_NODE);
    let first = first.ok_or_else(|| eyre!("--base-port {base} leaves no room for node {at}"))?;
    Ok([first, first + 1, first + 2].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

/// The first of `count` nodes' ports from which all are free, at or above [`DEFAULT_BASE_PORT`].
///
/// # Errors
/// If there is none.
pub fn free_base_port(count: usize) -> Result<u16> {
    let step = PORTS_PER_NODE.saturating_mul(u16::try_from(count.max(1)).unwrap_or(u16::MAX));
    let mut base = DEFAULT_BASE_PORT;
    while ports(base, count).is_ok() {
        let mut all = (0..count).flat_map(|at| ports(base, at).into_iter().flatten());
        if all.all(|address| TcpListener::bind(address).is_ok()) {
            return Ok(base);
        }
        base = base.checked_add(step).ok_or_else(|| eyre!("no ports are free"))?;
    }
    bail!("no ports are free for {count} nodes")
}

/// Fails if a port that a node needs is taken, and names both.
fn check_ports(genesis: &Genesis, base_port: u16) -> Result<()> {
    for (at, validator) in genesis.validators.iter().enumerate() {
        for address in ports(base_port, at)? {
            // The listener closes at once; the node opens its own.
            TcpListener::bind(address).wrap_err_with(|| {
                format!("{address}, which {} needs, is in use; choose another --base-port", validator.name)
            })?;
        }
    }
    Ok(())
}

/// Makes keys, genesis and homes if the directory has none, and checks that they fit if it has.
///
/// # Errors
/// If the directory belongs to a network of another size, or a file cannot be written.
pub fn prepare(layout: &Layout, validators: usize, base_port: u16) -> Result<Genesis> {
    prepare_from(layout, &Recipe::parse(DEVNET)?.with_validators(validators), base_port)
}

/// [`prepare`] from a recipe of one's own.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_from(layout: &Layout, recipe: &Recipe, base_port: u16) -> Result<Genesis> {
    let validators = recipe.validators().len();
    if layout.genesis().exists() {
        let genesis = read_genesis(&layout.genesis())?;
        ensure!(
            genesis.validators.len() == validators,
            "{} holds a network of {} validators; start it with --validators {} or choose another --dir",
            layout.dir.display(),
            genesis.validators.len(),
            genesis.validators.len()
        );
        // Before the settings name them: a start that fails leaves the homes as they were.
        check_ports(&genesis, base_port)?;
        make_homes(layout, &genesis, base_port, &BTreeMap::new())?;
        return Ok(genesis);
    }
    std::fs::create_dir_all(&layout.dir).wrap_err_with(|| format!("cannot make {}", layout.dir.display()))?;
    let Made { file, genesis, book, validators } = make_genesis(recipe)?;
    let key_files = |(name, (voting, network)): (String, (SecretKey, SecretKey))| {
        Ok((name, (KeyFile::plaintext("validator", &voting)?, KeyFile::plaintext("network", &network)?)))
    };
    let secrets = validators.into_iter().map(key_files).collect::<Result<Secrets>>()?;
    book.save(&layout.book())?;
    let staged = layout.dir.join("genesis.json.new");
    write_atomic(&staged, serde_json::to_string_pretty(&file)?.as_bytes(), Replace::Atomically)?;
    make_homes_from(layout, &staged, &genesis, base_port, &secrets)?;
    // Last, because its presence says that the network is whole.
    std::fs::rename(&staged, layout.genesis()).wrap_err("cannot finish the genesis")?;
    Ok(genesis)
}

/// A new network's first facts and all of its keys.
pub struct Made {
    /// The genesis as a file.
    pub file: GenesisFile,
    /// The genesis.
    pub genesis: Genesis,
    /// Keys of platforms, gateway and the other accounts.
    pub book: KeyBook,
    /// Voting and network keys of validators, by name.
    pub validators: BTreeMap<String, (SecretKey, SecretKey)>,
}

/// Makes keys for every name of a recipe and a genesis of them.
///
/// # Errors
/// No randomness, or the field of the recipe that is wrong.
pub fn make_genesis(recipe: &Recipe) -> Result<Made> {
    let platforms = recipe.platforms.iter().map(|p| (p.name.as_str(), AccountKind::Platform));
    let mut others = Vec::new();
    for account in &recipe.accounts {
        let kind = AccountKind::from_name(&account.kind).ok_or_else(|| eyre!("unknown kind {}", account.kind))?;
        others.push((account.name.as_str(), kind));
    }
    let book = KeyBook::generate(platforms.chain(others))?;
    let mut keys = RecipeKeys::default();
    for (name, kind) in book.names() {
        let key = book.key(kind, name).ok_or_else(|| eyre!("the key book lacks {name}"))?;
        keys.accounts.insert(name.to_string(), key.public());
    }
    let mut validators = BTreeMap::new();
    for (name, _) in recipe.validators() {
        let (voting, network) = (generate()?, generate()?);
        keys.validators.insert(name.clone(), ValidatorKeys { voting: voting.clone(), network: network.public() });
        validators.insert(name, (voting, network));
    }
    let file = from_recipe(recipe, &keys, wall_time().0)?;
    let genesis = file.parse()?;
    Ok(Made { file, genesis, book, validators })
}

type Secrets = BTreeMap<String, (KeyFile, KeyFile)>;

fn make_homes(layout: &Layout, genesis: &Genesis, base_port: u16, secrets: &Secrets) -> Result<()> {
    make_homes_from(layout, &layout.genesis(), genesis, base_port, secrets)
}

/// Makes the homes, or writes the ports of existing ones anew.
fn make_homes_from(
    layout: &Layout,
    genesis_file: &Path,
    genesis: &Genesis,
    base_port: u16,
    secrets: &Secrets,
) -> Result<()> {
    for (at, validator) in genesis.validators.iter().enumerate() {
        let name = validator.name.as_str();
        let [p2p, rpc, metrics] = ports(base_port, at)?;
        let mut config = new_config(genesis);
        let mut peers = Vec::new();
        for (other, peer) in genesis.validators.iter().enumerate().filter(|(other, _)| *other != at) {
            let [address, ..] = ports(base_port, other)?;
            peers.push(PeerConfig {
                name: peer.name.to_string(),
                network_key: None,
                addresses: vec![multiaddress(&address)],
            });
        }
        config.network = NetworkConfig { listen: vec![multiaddress(&p2p)], peers };
        config.rpc = RpcConfig { listen: rpc, ..config.rpc };
        config.metrics = MetricsConfig { listen: metrics };
        let paths = HomePaths::new(layout.home(name));
        match secrets.get(name) {
            Some((voting, network)) => {
                if paths.config().exists() {
                    bail!(
                        "{} exists but {} does not; choose another --dir",
                        paths.root().display(),
                        layout.genesis().display()
                    );
                }
                let voting = Some((voting, Past::NeverSigned));
                make_home(&paths, genesis_file, &config, &genesis.hash(), voting, network)?;
            }
            None => write_atomic(&paths.config(), config.to_toml().as_bytes(), Replace::Atomically)?,
        }
    }
    Ok(())
}

fn multiaddress(address: &SocketAddr) -> String {
    format!("/ip4/{}/tcp/{}", address.ip(), address.port())
}

/// A running development network.
pub struct Devnet {
    /// Where it lives.
    pub layout: Layout,
    /// What `devnet.json` says.
    pub file: DevnetFile,
    children: Vec<(String, Child)>,
    /// Arguments of every node beside its home.
    arguments: Vec<String>,
}

impl Devnet {
    /// Starts every node and writes `devnet.json`.
    ///
    /// # Errors
    /// If a port is taken (names it and the node), or a process cannot be started.
    pub fn start(layout: Layout, genesis: &Genesis, base_port: u16) -> Result<Self> {
        Self::start_with(layout, genesis, base_port, &[])
    }

    /// [`Devnet::start`] with more arguments for every node.
    ///
    /// # Errors
    /// As [`Devnet::start`].
    pub fn start_with(layout: Layout, genesis: &Genesis, base_port: u16, arguments: &[String]) -> Result<Self> {
        check_ports(genesis, base_port)?;
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path).display().to_string();
        let mut devnet = Devnet {
            file: DevnetFile {
                chain_id: genesis.chain_id.to_string(),
                genesis_hash: genesis.hash().to_string(),
                genesis: absolute(layout.genesis()),
                key_book: absolute(layout.book()),
                accounts: absolute(layout.accounts()),
                nodes: Vec::new(),
            },
            layout,
            children: Vec::new(),
            arguments: arguments.to_vec(),
        };
        for (at, validator) in genesis.validators.iter().enumerate() {
            let name = validator.name.to_string();
            let [p2p, rpc, metrics] = ports(base_port, at)?;
            let pid = devnet.spawn(name.clone())?;
            devnet.file.nodes.push(NodeEntry {
                name: name.clone(),
                home: absolute(devnet.layout.home(&name)),
                pid,
                rpc: format!("http://{rpc}"),
                p2p: multiaddress(&p2p),
                metrics: format!("http://{metrics}/metrics"),
                peer_id: peer_id_of(&validator.network_key.0).map_or_else(String::new, |p| p.to_string()),
            });
        }
        write_atomic(
            &devnet.layout.file(),
            serde_json::to_string_pretty(&devnet.file)?.as_bytes(),
            Replace::Atomically,
        )?;
        Ok(devnet)
    }

    /// Starts a node's process and gives its id.
    fn spawn(&mut self, name: String) -> Result<u32> {
        let program = std::env::current_exe().wrap_err("cannot find this program's own file")?;
        let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into());
        let log = File::options().create(true).append(true).open(self.layout.log(&name))?;
        let child = Command::new(&program)
            .args(["start", "--stop-with-stdin", "--home"])
            .arg(self.layout.home(&name))
            .args(&self.arguments)
            .env("RUST_LOG", &filter)
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .wrap_err_with(|| format!("cannot start {name}"))?;
        let pid = child.id();
        self.children.push((name, child));
        Ok(pid)
    }

    /// Starts a node again that has ended. `devnet.json` still names its old process.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn start_again(&mut self, at: usize) -> Result<()> {
        self.file.nodes[at].pid = self.spawn(self.file.nodes[at].name.clone())?;
        Ok(())
    }

    /// Waits until every node is ready.
    ///
    /// # Errors
    /// If a node ends or is not ready in time; shows the end of its log.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let until = Instant::now() + READY_WITHIN;
        for at in 0..self.file.nodes.len() {
            let (name, url) = (self.file.nodes[at].name.clone(), self.file.nodes[at].rpc.clone());
            let client = Client::new(&url)?;
            loop {
                if client.is_ready().await {
                    break;
                }
                if let Some((ended, how)) = self.ended().into_iter().next() {
                    bail!("{ended} ended ({how}); its log says: {}", self.last_words(&ended));
                }
                ensure!(Instant::now() < until, "{name} is not ready yet; its log says: {}", self.last_words(&name));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Nodes that have ended since the last call, and how.
    pub fn ended(&mut self) -> Vec<(String, String)> {
        let mut ended = Vec::new();
        self.children.retain_mut(|(name, child)| match child.try_wait() {
            Ok(Some(status)) => {
                ended.push((name.clone(), status.to_string()));
                false
            }
            _ => true,
        });
        ended
    }

    fn last_words(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.layout.log(name)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    /// Ends every node that this process started: asks by closing its standard input, waits, then kills.
    pub async fn stop(&mut self) {
        self.end(|_| true).await;
    }

    /// Ends one node in the same way.
    pub async fn stop_one(&mut self, at: usize) {
        let name = self.file.nodes[at].name.clone();
        self.end(|child| child == name).await;
    }

    /// A child leaves the list when it has ended, so that nothing is lost if the caller stops waiting.
    async fn end(&mut self, whom: impl Fn(&str) -> bool) {
        for (_, child) in self.children.iter_mut().filter(|(name, _)| whom(name)) {
            drop(child.stdin.take());
        }
        let until = Instant::now() + END_WITHIN;
        while self.children.iter().any(|(name, _)| whom(name)) && Instant::now() < until {
            self.children.retain_mut(|(name, child)| !whom(name) || !matches!(child.try_wait(), Ok(Some(_))));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for (name, mut child) in self.children.extract_if(.., |(name, _)| whom(name)) {
            tracing::warn!(%name, "did not end in time and is killed");
            // It may end between the check and here.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            drop(child.stdin.take());
        }
        for (_, mut child) in self.children.drain(..) {
            // The child ends by itself; it is only collected here.
            let _ = child.wait();
        }
    }
}

/// What a node has come to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeResult {
    /// Its name.
    pub name: String,
    /// Its durable height.
    pub height: u64,
    /// Its state root there.
    pub state_root: String,
    /// CPU seconds its process used, user and system; 0 if it is another process now.
    pub cpu_s: f64,
    /// Resident memory of its process in MiB; 0 if it is another process now.
    pub rss_mb: f64,
}

/// Reads every node until all stand at one height with one root.
///
/// # Errors
/// If they do not within the time, with what each says.
pub async fn agreed(nodes: &[NodeEntry], within: Duration) -> Result<Vec<NodeResult>> {
    let until = Instant::now() + within;
    loop {
        let mut results = Vec::new();
        let mut silent = Vec::new();
        for node in nodes {
            match Client::new(&node.rpc)?.status().await {
                Ok(status) => results.push(NodeResult {
                    name: node.name.clone(),
                    height: status.height,
                    state_root: status.state_root.to_string(),
                    cpu_s: cpu_seconds(node.pid),
                    rss_mb: resident_mib(node.pid),
                }),
                Err(error) => silent.push(format!("{}: {error}", node.name)),
            }
        }
        let same = results.windows(2).all(|p| p[0].height == p[1].height && p[0].state_root == p[1].state_root);
        if same && silent.is_empty() {
            return Ok(results);
        }
        if Instant::now() > until {
            let said = results.iter().map(|r| format!("{} is at {} with {}", r.name, r.height, &r.state_root[..8]));
            bail!("the nodes do not agree: {}", said.chain(silent).collect::<Vec<_>>().join("; "));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// User and system time of a process (proc(5), stat fields 14 and 15, in ticks of 10 ms).
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum::<u64>();
    ticks as f64 / 100.0
}

/// Resident memory of a process (proc(5), status field VmRSS).
pub fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    (kib as f64 / 102.4).round() / 10.0
}

/// Tells a person about nodes that ended by themselves.
pub fn report_ended(devnet: &mut Devnet, output: Output) {
    for (name, how) in devnet.ended() {
        let home = devnet.layout.home(&name);
        output.note(&format!("{name} ended ({how}); start it again with: vostro start --home {}", home.display()));
    }
}
