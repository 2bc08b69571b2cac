//! Moves opaque bytes between allow-listed peers over TCP, Noise and Yamux.
//!
//! Invariant: bytes reach the application only from a peer whose id stands in the [`Config`], over a connection whose
//! handshake bound the genesis hash; and every queue on the way has a named limit, so that no peer can make this node
//! grow without bound or keep it from hearing the others.
//!
//! ```text
//!  application                      network task                 one task a connection
//!  Handle::send ──► outgoing queue of the peer ────────────────► direct stream ──► wire
//!  Handle::{request, respond, publish, report, penalise} ──► driver ──► libp2p
//!  Events::recv ◄── inbox (a lane a peer, served in turn) ◄── driver ◄── token bucket ◄── wire
//! ```
//!
//! What travels how:
//!
//! | call | transport | order | when it does not fit |
//! |---|---|---|---|
//! | [`Handle::send`] | one stream per peer and [`Channel`] | kept | the oldest queued message is dropped and counted |
//! | [`Handle::request`] | request-response, one stream each | none | refused to the caller at once |
//! | [`Handle::publish`] | gossipsub, forwarded after [`Handle::report`] | none | refused to the caller at once |
//!
//! When the application is slow to call [`Events::recv`]: batches are dropped first (each peer's lane holds few of
//! them, and they are served after messages), then requests of peers, which see them refused. Direct messages are not
//! dropped here: the reader of that peer's stream waits, so that the sender's own bounded queue fills. What a peer has
//! waiting is counted until the application is done with it ([`Room`], [`ResponseToken`]), not until it has taken it over.
//! The network task itself never waits for the application.
//!
//! A peer above its token bucket loses the messages above it (counted). One that stays above it for
//! [`Limits::flood_interval`] after another, or breaks the framing, collects penalties: the first ones cut its
//! allowance to a quarter, the last one closes its connection and refuses new ones for [`Limits::cool_down`].

mod behaviour;
mod config;
mod dialer;
mod direct;
mod driver;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod gossip;
mod handle;
mod handler;
mod inbox;
mod link;
mod meter;
mod metrics;
#[doc(hidden)]
pub mod raw;
mod sync;

pub use libp2p::bytes::Bytes;
pub use libp2p::{Multiaddr, PeerId};

pub use config::{
    Config, Limits, MAX_BATCH_BYTES, MAX_DIRECT_BYTES, MAX_PEERS, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, NetworkKey,
    Peer, peer_id_of,
};
pub use driver::{Wrap, spawn, spawn_wrapped};
pub use error::{Error, RequestError};
pub use handle::Handle;
pub use inbox::{BatchToken, Channel, Event, Events, RequestId, ResponseToken, Room, Verdict};
pub use link::{Direction, PeerInfo};
