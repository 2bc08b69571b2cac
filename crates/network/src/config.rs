//! What a node needs to join: its key, the chain, its peers, and a limit on everything.

use std::fmt;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};

use crate::Error;

/// Longest direct message, in bytes. A longer one is refused by the sender and ends the connection at the receiver.
pub const MAX_DIRECT_BYTES: usize = 8 * 1024 * 1024;
/// Longest request, in bytes.
pub const MAX_REQUEST_BYTES: usize = 256 * 1024;
/// Longest response, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;
/// Longest gossiped batch, in bytes.
pub const MAX_BATCH_BYTES: usize = 512 * 1024;
/// Most peers in a configuration: each costs bounded memory, and this bounds the sum.
pub const MAX_PEERS: usize = 256;
/// Longest name of a peer in bytes; it becomes a metric label.
const MAX_NAME_BYTES: usize = 64;

/// The key pair that authenticates this node on the wire. It is not the key that signs votes.
#[derive(Clone)]
pub struct NetworkKey(Keypair);

impl NetworkKey {
    /// The Ed25519 key pair of a 32-byte secret.
    pub fn from_secret(secret: [u8; 32]) -> Self {
        let pair = Keypair::ed25519_from_bytes(secret).expect("every 32 bytes are an Ed25519 secret (RFC 8032 §5.1.5)");
        NetworkKey(pair)
    }

    /// The id under which other nodes list this one.
    pub fn peer_id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(crate) fn pair(&self) -> &Keypair {
        &self.0
    }
}

/// The network identity of an Ed25519 public key; `None` if the bytes are no key.
pub fn peer_id_of(public: &[u8; 32]) -> Option<PeerId> {
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(public).ok()?;
    Some(libp2p::identity::PublicKey::from(key).to_peer_id())
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkKey({})", self.peer_id())
    }
}

/// A node that may connect.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its authenticated id.
    pub peer_id: PeerId,
    /// How people call it, at most 64 bytes; stands in logs and metrics.
    pub name: String,
    /// Where to dial it; empty: only it dials.
    pub addresses: Vec<Multiaddr>,
}

/// Everything [`crate::spawn`] needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node's key.
    pub key: NetworkKey,
    /// Genesis hash. It stands in the handshake, in every protocol name and in the topic: nodes of different chains
    /// cannot complete a handshake.
    pub chain: [u8; 32],
    /// Addresses to listen on; port 0 lets the system choose.
    pub listen: Vec<Multiaddr>,
    /// The allow list. An entry for this node itself is skipped, so that all nodes can share one list.
    pub peers: Vec<Peer>,
    /// Limits and times.
    pub limits: Limits,
}

impl Config {
    /// Checks what the types cannot say.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.peers.len() > MAX_PEERS {
            return Err(Error::TooManyPeers { count: self.peers.len(), max: MAX_PEERS });
        }
        for (index, peer) in self.peers.iter().enumerate() {
            if self.peers.iter().take(index).any(|other| other.peer_id == peer.peer_id) {
                return Err(Error::DuplicatePeer(peer.peer_id));
            }
            if peer.name.len() > MAX_NAME_BYTES {
                return Err(Error::NameTooLong { peer: peer.peer_id, max: MAX_NAME_BYTES });
            }
            for address in &peer.addresses {
                if address.clone().with_p2p(peer.peer_id).is_err() {
                    return Err(Error::AddressOfAnother { peer: peer.peer_id, address: address.clone() });
                }
            }
        }
        Ok(())
    }
}

/// Limits and times, each with a default that suits a network of a few dozen validators.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Outgoing direct messages waiting for one peer and channel; above it the oldest is dropped. 1,024.
    pub queue_messages: usize,
    /// Their bytes; a single message fits always. 8 MiB.
    pub queue_bytes: usize,
    /// Bytes of direct messages of one peer that wait for the application or are in its hands, 1 KiB added for each; above it
    /// that peer's stream is not read. At least [`MAX_DIRECT_BYTES`] + 1 KiB is used. 16 MiB.
    pub inbox_bytes: usize,
    /// Batches forwarded by one peer that wait for the application; above it new ones are dropped. 256.
    pub inbox_batches: usize,
    /// Their bytes. 8 MiB.
    pub inbox_batch_bytes: usize,
    /// Requests of one peer that wait for the application, are in its hands, or whose answer is not sent yet; above it new
    /// ones are refused. With [`MAX_RESPONSE_BYTES`] each, this bounds what a peer that asks and does not read can hold. 2.
    pub answers: usize,
    /// Requests to one peer whose outcome the application has not taken yet. 2.
    pub requests: usize,
    /// Streams of requests open at once on one connection, both directions together. 16.
    pub request_streams: usize,
    /// After this a request fails with [`crate::RequestError::Timeout`]. 10 s.
    pub request_timeout: Duration,
    /// Bytes of batches accepted by [`crate::Handle::publish`] and not yet handed to gossipsub. 16 MiB.
    pub publish_bytes: usize,
    /// Direct messages a second from one peer; the bucket holds two seconds' worth. A hundred blocks a second take
    /// some three hundred. 1,000.
    pub direct_messages_per_second: u32,
    /// Bytes of direct messages a second from one peer; the bucket holds two seconds' worth. 64 MiB.
    pub direct_bytes_per_second: u32,
    /// Batches a second from one forwarding peer; the bucket holds two seconds' worth. 1,000.
    pub batches_per_second: u32,
    /// Bytes of batches a second from one forwarding peer; the bucket holds two seconds' worth. 32 MiB.
    pub batch_bytes_per_second: u32,
    /// Requests a second from one peer; the bucket holds two seconds' worth. 200.
    pub requests_per_second: u32,
    /// A peer that loses at least `flood_tolerance` messages to its bucket within this span is penalised. 1 s.
    pub flood_interval: Duration,
    /// See `flood_interval`. 100.
    pub flood_tolerance: u32,
    /// Penalties within `penalty_window` at which a peer is disconnected; below it it is throttled. 3.
    pub penalties: u32,
    /// How long a penalty counts and throttles. 60 s.
    pub penalty_window: Duration,
    /// How long a disconnected peer stays refused. 30 s.
    pub cool_down: Duration,
    /// Incoming connections in their handshake. 128.
    pub pending_incoming: usize,
    /// Those of one IP address. 32.
    pub pending_incoming_per_address: usize,
    /// After this an unfinished handshake is closed. 5 s.
    pub handshake_timeout: Duration,
    /// Streams open at once on one connection, from 32 to 1,024. 64.
    pub streams: usize,
    /// First wait before a peer is dialled again; doubles up to `redial_max`, with jitter. 250 ms.
    pub redial_min: Duration,
    /// Longest such wait. 10 s.
    pub redial_max: Duration,
    /// A connection that lived this long resets the wait. 5 s.
    pub stable_after: Duration,
    /// Two connections between the same peers within this span count as dialled at once: the one dialled by the
    /// smaller id stays. Later, the newer one replaces the older. 5 s.
    pub simultaneous: Duration,
    /// Time between pings, and how long one may take before the connection is closed. 10 s.
    pub ping: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Limits {
            queue_messages: 1024,
            queue_bytes: 8 * MIB,
            inbox_bytes: 16 * MIB,
            inbox_batches: 256,
            inbox_batch_bytes: 8 * MIB,
            answers: 2,
            requests: 2,
            request_streams: 16,
            request_timeout: Duration::from_secs(10),
            publish_bytes: 16 * MIB,
            direct_messages_per_second: 1_000,
            direct_bytes_per_second: 64 * 1024 * 1024,
            batches_per_second: 1_000,
            batch_bytes_per_second: 32 * 1024 * 1024,
            requests_per_second: 200,
            flood_interval: Duration::from_secs(1),
            flood_tolerance: 100,
            penalties: 3,
            penalty_window: Duration::from_secs(60),
            cool_down: Duration::from_secs(30),
            pending_incoming: 128,
            pending_incoming_per_address: 32,
            handshake_timeout: Duration::from_secs(5),
            streams: 64,
            redial_min: Duration::from_millis(250),
            redial_max: Duration::from_secs(10),
            stable_after: Duration::from_secs(5),
            simultaneous: Duration::from_secs(5),
            ping: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(peers: Vec<Peer>) -> Config {
        Config {
            key: NetworkKey::from_secret([1; 32]),
            chain: [0; 32],
            listen: Vec::new(),
            peers,
            limits: Limits::default(),
        }
    }

    fn peer(seed: u8, address: &str) -> Peer {
        Peer {
            peer_id: NetworkKey::from_secret([seed; 32]).peer_id(),
            name: format!("n{seed}"),
            addresses: vec![address.parse().unwrap()],
        }
    }

    #[test]
    fn a_peer_listed_twice_is_an_error() {
        let twice = config(vec![peer(2, "/ip4/10.0.0.1/tcp/1"), peer(2, "/ip4/10.0.0.2/tcp/1")]);
        assert!(matches!(twice.check(), Err(Error::DuplicatePeer(_))));
    }

    #[test]
    fn an_address_with_another_id_is_an_error() {
        let other = NetworkKey::from_secret([9; 32]).peer_id();
        let wrong = config(vec![peer(2, &format!("/ip4/10.0.0.1/tcp/1/p2p/{other}"))]);
        assert!(matches!(wrong.check(), Err(Error::AddressOfAnother { .. })));
        let own = NetworkKey::from_secret([2; 32]).peer_id();
        assert!(config(vec![peer(2, &format!("/ip4/10.0.0.1/tcp/1/p2p/{own}"))]).check().is_ok());
    }

    #[test]
    fn the_list_and_the_names_are_bounded() {
        let mut many = Vec::new();
        for index in 0..=MAX_PEERS {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&(index as u64).to_be_bytes());
            let peer_id = NetworkKey::from_secret(seed).peer_id();
            many.push(Peer { peer_id, name: String::new(), addresses: Vec::new() });
        }
        assert!(matches!(config(many).check(), Err(Error::TooManyPeers { .. })));
        let mut long = peer(2, "/ip4/10.0.0.1/tcp/1");
        long.name = "n".repeat(65);
        assert!(matches!(config(vec![long]).check(), Err(Error::NameTooLong { .. })));
    }

    #[test]
    fn debug_shows_the_id_and_no_secret() {
        let key = NetworkKey::from_secret([7; 32]);
        assert_eq!(format!("{key:?}"), format!("NetworkKey({})", key.peer_id()));
    }
}
