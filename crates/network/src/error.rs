//! What can go wrong, with the data that says where.

use libp2p::{Multiaddr, PeerId};

/// A call that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The allow list is longer than [`crate::MAX_PEERS`].
    #[error("{count} peers are configured, at most {max} are allowed")]
    TooManyPeers {
        /// Configured peers.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// The allow list names a peer twice.
    #[error("peer {0} is configured twice")]
    DuplicatePeer(PeerId),
    /// A peer's name is too long for a metric label.
    #[error("the name of peer {peer} is longer than {max} bytes")]
    NameTooLong {
        /// The peer.
        peer: PeerId,
        /// The limit.
        max: usize,
    },
    /// An address carries another peer's id.
    #[error("address {address} of peer {peer} carries another peer id")]
    AddressOfAnother {
        /// The peer.
        peer: PeerId,
        /// Its address.
        address: Multiaddr,
    },
    /// An address cannot be listened on: in use, not of this machine, or not TCP.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The configured address.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// The transport or a protocol could not be set up.
    #[error("cannot set up the network: {0}")]
    Setup(String),
    /// The peer is not in the allow list.
    #[error("peer {0} is not in the allow list")]
    UnknownPeer(PeerId),
    /// No connection to the peer at this moment.
    #[error("peer {0} is not connected")]
    NotConnected(PeerId),
    /// The bytes exceed what the channel carries.
    #[error("{size} bytes exceed the limit of {max} bytes")]
    TooLarge {
        /// Size of the message.
        size: usize,
        /// Limit of its channel.
        max: usize,
    },
    /// Too much is waiting already; try later.
    #[error("the queue of {0} is full")]
    Full(&'static str),
    /// The network task has ended.
    #[error("the network is shut down")]
    Closed,
}

/// Why a request has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No response in time.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The connection ended, or there was none.
    #[error("the peer is not connected")]
    Disconnected,
    /// The peer closed the stream without an answer: it is busy, does not want to answer, or gave up before we did.
    #[error("the peer refused to answer")]
    Refused,
    /// The peer announced more than [`crate::MAX_RESPONSE_BYTES`].
    #[error("the answer exceeds the limit")]
    TooLarge,
    /// The stream failed.
    #[error("the stream failed: {0}")]
    Stream(String),
}
