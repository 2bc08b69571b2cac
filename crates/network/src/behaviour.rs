//! The protocols of a node put together, and the transport under them.

use std::sync::Arc;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, Transport, dns, identify, noise, ping, swarm, tcp, yamux};

use crate::direct::Direct;
use crate::driver::Wrap;
use crate::gate::Gate;
use crate::link::Links;
use crate::{Config, Error, gossip, sync};

/// Streams being negotiated by the peer at a moment, on one connection.
const MAX_NEGOTIATING_STREAMS: usize = 32;
/// The streams that the protocols of a node need at least, and more than they could ever use.
const MIN_STREAMS: usize = 32;
const MAX_STREAMS: usize = 1024;
/// Connections the system may hold before we accept them.
const BACKLOG: u32 = 256;

/// The gate stands first: it refuses a connection before another protocol hears of it.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(crate) struct Behaviour {
    pub(crate) gate: Gate,
    pub(crate) direct: Direct,
    pub(crate) sync: sync::Behaviour,
    pub(crate) gossip: gossip::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

/// The genesis hash as it stands in names.
pub(crate) fn chain_name(chain: &[u8; 32]) -> String {
    chain.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A protocol of the chain as it stands on the wire. Nodes whose versions of it differ do not speak it with each other.
pub(crate) fn protocol_name(chain: &str, name: &str) -> String {
    // The second version of this one has short proposals.
    let version = if name == "consensus" { 2 } else { 1 };
    format!("/vostro/{chain}/{name}/{version}")
}

fn protocol(chain: &str, name: &str) -> Result<StreamProtocol, Error> {
    StreamProtocol::try_from_owned(protocol_name(chain, name)).map_err(|error| Error::Setup(error.to_string()))
}

pub(crate) fn swarm(config: &Config, links: Arc<Links>, wrap: Wrap) -> Result<Swarm<Behaviour>, Error> {
    let chain = chain_name(&config.chain);
    let own = config.key.peer_id();
    let limits = &config.limits;
    let identity = identify::Config::new(format!("/vostro/{chain}/1"), config.key.pair().public())
        .with_agent_version(concat!("vostro/", env!("CARGO_PKG_VERSION")).to_owned())
        .with_hide_listen_addrs(true)
        .with_cache_size(0);
    let pings = ping::Config::new().with_interval(limits.ping).with_timeout(limits.ping);
    let direct = [protocol(&chain, "consensus")?, protocol(&chain, "status")?];
    let behaviour = Behaviour {
        gate: Gate::new(own, links.clone(), limits.clone()),
        direct: Direct::new(links, direct),
        sync: sync::behaviour(protocol(&chain, "sync")?, limits),
        gossip: gossip::behaviour(&chain)?,
        identify: identify::Behaviour::new(identity),
        ping: ping::Behaviour::new(pings),
    };
    let executor = move |task| drop(tokio::spawn(wrap(task)));
    let settings = swarm::Config::with_executor(executor)
        .with_idle_connection_timeout(std::time::Duration::MAX)
        .with_max_negotiating_inbound_streams(MAX_NEGOTIATING_STREAMS);
    Ok(Swarm::new(transport(config)?, behaviour, own, settings))
}

fn transport(config: &Config) -> Result<Boxed<(PeerId, StreamMuxerBox)>, Error> {
    let setup = |error: &dyn std::fmt::Display| Error::Setup(error.to_string());
    let tcp = || {
        let settings = tcp::Config::new().nodelay(true).listen_backlog(BACKLOG);
        tcp::tokio::Transport::new(settings)
    };
    // The chain in the prologue: nodes of different chains fail the handshake, whatever else they agree on.
    let mut prologue = b"vostro/1".to_vec();
    prologue.extend_from_slice(&config.chain);
    let noise = noise::Config::new(config.key.pair()).map_err(|error| setup(&error))?.with_prologue(prologue);
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(config.limits.streams.clamp(MIN_STREAMS, MAX_STREAMS));
    let timeout = config.limits.handshake_timeout;

    // The resolver reads the system's configuration, which need not exist where nobody uses names.
    let names = config.peers.iter().flat_map(|peer| &peer.addresses).any(has_name);
    let transport = if names {
        let resolving = dns::tokio::Transport::system(tcp()).map_err(|error| setup(&error))?;
        resolving.upgrade(Version::V1Lazy).authenticate(noise).multiplex(yamux).timeout(timeout).boxed()
    } else {
        tcp().upgrade(Version::V1Lazy).authenticate(noise).multiplex(yamux).timeout(timeout).boxed()
    };
    Ok(transport)
}

fn has_name(address: &Multiaddr) -> bool {
    address
        .iter()
        .any(|part| matches!(part, Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)))
}

/// Fails if another process listens there. The transport shares its port with whoever else asks to share it, so that
/// two nodes started on one port would otherwise both come up, each with half of the connections.
pub(crate) fn check_free(address: &Multiaddr) -> Result<(), Error> {
    let mut parts = address.iter();
    let ip = match parts.next() {
        Some(Protocol::Ip4(ip)) => std::net::IpAddr::V4(ip),
        Some(Protocol::Ip6(ip)) => std::net::IpAddr::V6(ip),
        _ => return Err(not_tcp(address)),
    };
    let Some(Protocol::Tcp(port)) = parts.next() else {
        return Err(not_tcp(address));
    };
    if parts.next().is_some() {
        return Err(not_tcp(address));
    }
    std::net::TcpListener::bind((ip, port)).map(drop).map_err(|error| listen(address, &error))
}

fn not_tcp(address: &Multiaddr) -> Error {
    Error::Listen {
        address: address.clone(),
        reason: "expected /ip4/<address>/tcp/<port> or /ip6/<address>/tcp/<port>".to_owned(),
    }
}

pub(crate) fn listen(address: &Multiaddr, error: &dyn std::fmt::Display) -> Error {
    Error::Listen { address: address.clone(), reason: error.to_string() }
}
