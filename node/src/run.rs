//! Wires a node together and runs it until it is told to end.
//!
//! Invariant: everything that was handed to the logs is on disk before the process ends, in under ten seconds.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, WrapErr, ensure, eyre};
use vostro_api::node::NodeInfo;
use vostro_engine::{Boot, Engine, EngineLimits, MempoolLimits};
use vostro_network::{Limits, Multiaddr, NetworkKey, Peer, PeerId, peer_id_of};
use vostro_rpc::{Limits as RpcLimits, RpcConfig as ServeConfig};
use vostro_storage::state::ExecutionState;
use vostro_types::{Genesis, Height, PublicKey, SecretKey};

use crate::backend::NodeBackend;
use crate::boot;
use crate::config::{Config, HomePaths, NetworkConfig};
use crate::cpu::wrapper;
use crate::delay::Outbox;
use crate::host::{self, Parts, Peers, wall_time};
use crate::metrics::{Metrics, Part};
use crate::net::Relay;
use crate::shared::{Shared, Tip};
use crate::signer;
use crate::verifier::Verifier;

/// A node that may be started.
pub struct Node {
    /// Paths of its home.
    pub paths: HomePaths,
    /// Its settings.
    pub config: Config,
    /// The chain.
    pub genesis: Genesis,
    /// Its voting key; `None` for an observer.
    pub validator_key: Option<SecretKey>,
    /// Its network key.
    pub network_key: SecretKey,
    /// The operator's word that it may vote from this height on, although it does not know what it signed before.
    pub vote_from: Option<Height>,
    /// Messages to peers are held back for so long, for benchmarks.
    pub delay: Duration,
}

/// Where a running node can be reached.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// JSON-RPC and HTTP.
    pub rpc: SocketAddr,
    /// Prometheus metrics.
    pub metrics: SocketAddr,
    /// Peer-to-peer.
    pub p2p: Vec<Multiaddr>,
    /// Its network identity.
    pub peer_id: PeerId,
}

fn peers_of(genesis: &Genesis, network: &NetworkConfig) -> Result<(Peers, Vec<Peer>)> {
    let id = |key: &PublicKey| peer_id_of(&key.0).ok_or_else(|| eyre!("{key} is not a network key"));
    let mut by_index = Vec::new();
    let mut allowed: Vec<Peer> = Vec::new();
    for validator in &genesis.validators {
        let peer_id = id(&validator.network_key)?;
        by_index.push(peer_id);
        allowed.push(Peer { peer_id, name: validator.name.to_string(), addresses: Vec::new() });
    }
    for (at, entry) in network.peers.iter().enumerate() {
        let place = || format!("config: network.peers[{at}] ({})", entry.name);
        let addresses = entry.addresses.iter().map(|a| a.parse::<Multiaddr>());
        let addresses: Vec<Multiaddr> = addresses.collect::<Result<_, _>>().wrap_err_with(place)?;
        let known = allowed.iter_mut().find(|p| p.name == entry.name);
        match (known, &entry.network_key) {
            (Some(peer), None) => peer.addresses = addresses,
            (None, Some(key)) => {
                let key: PublicKey = key.parse().wrap_err_with(place)?;
                allowed.push(Peer { peer_id: id(&key)?, name: entry.name.clone(), addresses });
            }
            (Some(_), Some(_)) => {
                return Err(eyre!("{}: a validator's network_key is in the genesis; leave it out", place()));
            }
            (None, None) => {
                return Err(eyre!("{}: is no validator of the genesis; give its network_key", place()));
            }
        }
    }
    Ok((Peers::new(by_index), allowed))
}

/// Runs a node until `stop` resolves or the engine halts. `ready` hears where it can be reached once it serves.
///
/// # Errors
/// Why it could not start, or why it halted.
pub async fn run(node: Node, stop: impl Future<Output = ()>, ready: impl FnOnce(&Addresses)) -> Result<()> {
    let started = Instant::now();
    let Node { paths, config, genesis, validator_key, network_key, vote_from, delay } = node;
    let genesis = Arc::new(genesis);
    let chain = genesis.hash();
    let validators = genesis.validator_set();
    let place = validator_key.as_ref().and_then(|key| validators.index_of(&key.public()));
    if let Some(key) = &validator_key {
        let index = place.ok_or_else(|| {
            eyre!("the key in {} belongs to no validator of the genesis", paths.validator_key().display())
        })?;
        let member = validators.get(index).ok_or_else(|| eyre!("validator {index} is missing from the genesis"))?;
        ensure!(
            member.network_key == network_key.public(),
            "the network key in {} is not the one the genesis names for {}",
            paths.network_key().display(),
            member.name
        );
        tracing::info!(name = %member.name, key = %key.public(), "this node is a validator");
    }
    let (peers, allowed) = peers_of(&genesis, &config.network)?;
    let peers = Arc::new(peers);
    let listen = config
        .network
        .listen
        .iter()
        .map(|a| a.parse::<Multiaddr>().wrap_err_with(|| format!("config: network.listen {a:?}")));
    let listen: Vec<Multiaddr> = listen.collect::<Result<_>>()?;

    let root = paths.root().to_path_buf();
    let (storage, opening) = (config.storage.clone(), genesis.clone());
    doubt_after_panic(paths.root());
    let opened = tokio::task::spawn_blocking(move || open(&root, &opening, &storage)).await??;
    let opened = if place.is_some() { signer::check(opened, validators.len(), vote_from)? } else { opened };
    let metrics = Metrics::new();
    let tip = Tip {
        header: opened
            .blocks
            .last_height()
            .map(|h| opened.blocks.block(h))
            .transpose()?
            .flatten()
            .map(|record| boot::decode_record(&record))
            .transpose()?
            .map(|stored| stored.block.header.clone()),
        certificate: opened.end.tip.certificate.clone(),
        tree: opened.end.tree.clone(),
    };
    tracing::info!(height = %opened.end.tip.height, state_root = %tip.tree.root(), "the home is open");
    let shared = Arc::new(Shared::new(tip, metrics.clone(), config.mempool.transactions));
    let reader = opened.state.reader();

    let (engine_sender, engine_events) = host::channel();
    let network_config = vostro_network::Config {
        key: NetworkKey::from_secret(*network_key.to_seed()),
        chain: chain.0,
        listen,
        peers: allowed,
        limits: Limits::default(),
    };
    let peer_id = network_config.key.peer_id();
    let (network, events, p2p) =
        vostro_network::spawn_wrapped(network_config, wrapper(&metrics, Part::Network)).await?;
    {
        let registry = metrics.registry();
        let mut registry = registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        network.register(&mut registry);
    }
    let verifier = Verifier::new(chain, Arc::new(validators.clone()), metrics.clone());
    let info = NodeInfo {
        name: place.and_then(|i| validators.get(i)).map_or_else(|| "observer".to_string(), |v| v.name.to_string()),
        version: env!("CARGO_PKG_VERSION").to_string(),
        role: if place.is_some() { "validator" } else { "observer" }.to_string(),
        validator_key: validator_key.as_ref().map(SecretKey::public),
        peer_id: peer_id.to_string(),
        chain_id: genesis.chain_id.to_string(),
        genesis_hash: chain,
        uptime_s: 0,
    };
    let backend = Arc::new(NodeBackend {
        genesis: genesis.clone(),
        chain,
        validators,
        shared: shared.clone(),
        state: reader.clone(),
        blocks: opened.blocks.clone(),
        engine: engine_sender.clone(),
        network: network.clone(),
        peers: peers.clone(),
        verifier: verifier.clone(),
        info,
        started,
    });

    // Doors open before the engine starts: a used port must not leave a node that votes and cannot be asked.
    let (shutdown, stopped) = tokio::sync::watch::channel(false);
    let closing = |mut receiver: tokio::sync::watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is a shutdown too.
        let _ = receiver.wait_for(|stop| *stop).await;
    };
    let serve = ServeConfig {
        listen: config.rpc.listen,
        cors_origins: config.rpc.cors.clone(),
        limits: RpcLimits { max_request_bytes: config.rpc.max_request_bytes, ..RpcLimits::default() },
    };
    let rpc = vostro_rpc::serve_wrapped(serve, backend, closing(stopped.clone()), wrapper(&metrics, Part::Rpc)).await?;
    let metrics_server = vostro_rpc::serve_metrics(config.metrics.listen, metrics.registry(), closing(stopped)).await?;

    let engine = Engine::boot(
        Boot {
            genesis,
            key: validator_key,
            state: Arc::new(ExecutionState::new(reader)),
            tree: opened.end.tree,
            keys: opened.keys,
            tip: opened.end.tip,
            recent: opened.end.recent,
            guard: opened.guard,
            records: opened.records,
            limits: EngineLimits {
                mempool: MempoolLimits {
                    transactions: config.mempool.transactions,
                    bytes: config.mempool.bytes,
                    per_sender: config.mempool.per_sender,
                    ..MempoolLimits::default()
                },
                cache_bytes: config.storage.state_cache_bytes,
                ..EngineLimits::default()
            },
        },
        wall_time(),
    );
    let parts = Parts {
        engine,
        journal: opened.journal,
        state: opened.state,
        leaves: opened.leaves,
        root: paths.root().to_path_buf(),
        outbox: Outbox::new(network.clone(), delay).wrap_err("cannot start the thread that delays messages")?,
        peers: peers.clone(),
        shared: shared.clone(),
    };
    let running = host::start(parts, engine_sender.clone(), engine_events)?;
    let wrap = wrapper(&metrics, Part::Network);
    let blocks = opened.blocks;
    let relay = Relay { network: network.clone(), engine: engine_sender, peers, verifier, blocks, wrap: wrap.clone() };
    let relay = tokio::spawn(wrap(Box::pin(relay.run(events))));
    let addresses = Addresses { rpc: rpc.address(), metrics: metrics_server.address(), p2p, peer_id };
    tracing::info!(rpc = %addresses.rpc, metrics = %addresses.metrics, p2p = ?addresses.p2p, "serving");
    ready(&addresses);

    let halted = async {
        while !running.has_ended() {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = stop => tracing::info!("stopping"),
        () = halted => {}
    }
    shutdown.send_replace(true);
    let outcome = tokio::task::spawn_blocking(move || running.stop()).await?;
    network.shutdown().await;
    relay.abort();
    // The lock on the home ends here, after the last write.
    drop(opened.home);
    outcome
}

/// Nobody who reads the state is told of a failure: he panics. Then the next start reads all of it.
fn doubt_after_panic(root: &Path) {
    let (root, hook) = (root.to_path_buf(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        vostro_storage::leaves::doubt(&root);
        hook(panic);
    }));
}

fn open(root: &Path, genesis: &Genesis, storage: &crate::config::StorageConfig) -> Result<boot::Opened> {
    boot::open(root, genesis, storage)
}
