//! Holds outgoing messages back for a fixed time: a wide area network on one machine, for benchmarks.
//!
//! Invariant: messages leave in the order in which they were handed in, each after the same delay. Catch-up requests are
//! not delayed.

use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use vostro_network::{Channel, Handle, PeerId};

/// Messages under way; above it the newest is lost, as on a wire.
const UNDER_WAY: usize = 16 * 1024;

enum Parcel {
    Broadcast(Channel, Vec<u8>),
    Send(PeerId, Channel, Vec<u8>),
    Publish(Vec<u8>),
}

/// The way out of a node: straight to the network, or through a delay.
pub struct Outbox {
    network: Handle,
    delayed: Option<Sender<(Instant, Parcel)>>,
    delay: Duration,
}

fn deliver(network: &Handle, parcel: Parcel) {
    match parcel {
        Parcel::Broadcast(channel, bytes) => {
            // A peer whose queue is full loses its oldest message; the core repeats what matters.
            if let Err(error) = network.broadcast(channel, bytes) {
                tracing::debug!(%error, "a message could not be broadcast");
            }
        }
        Parcel::Send(to, channel, bytes) => {
            if let Err(error) = network.send(to, channel, bytes) {
                tracing::debug!(%to, %error, "a message could not be sent");
            }
        }
        Parcel::Publish(bytes) => {
            if let Err(error) = network.publish(bytes) {
                tracing::debug!(%error, "a batch could not be gossiped; the primary gets it directly later");
            }
        }
    }
}

/// Delivers each parcel when its time has come, until nobody hands any in. On a thread of its own: the runtime's timers go by whole
/// milliseconds, and a block makes four of these ways.
fn hold_back(parcels: &Receiver<(Instant, Parcel)>, network: &Handle) {
    for (at, parcel) in parcels {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        deliver(network, parcel);
    }
}

impl Outbox {
    /// A way out with a delay.
    ///
    /// # Errors
    /// If the operating system refuses the thread that a delay above zero takes.
    pub fn new(network: Handle, delay: Duration) -> io::Result<Self> {
        let mut delayed = None;
        if !delay.is_zero() {
            let (sender, parcels) = bounded(UNDER_WAY);
            let network = network.clone();
            std::thread::Builder::new().name("delay".into()).spawn(move || hold_back(&parcels, &network))?;
            delayed = Some(sender);
        }
        Ok(Outbox { network, delayed, delay })
    }

    fn out(&self, parcel: Parcel) {
        match &self.delayed {
            None => deliver(&self.network, parcel),
            Some(queue) => {
                if queue.try_send((Instant::now() + self.delay, parcel)).is_err() {
                    tracing::debug!("a message is lost: too many are under way");
                }
            }
        }
    }

    /// The network, past any delay.
    pub fn network(&self) -> &Handle {
        &self.network
    }

    /// To all connected peers.
    pub fn broadcast(&self, channel: Channel, bytes: Vec<u8>) {
        self.out(Parcel::Broadcast(channel, bytes));
    }

    /// To one peer.
    pub fn send(&self, to: PeerId, channel: Channel, bytes: Vec<u8>) {
        self.out(Parcel::Send(to, channel, bytes));
    }

    /// To everybody, by gossip.
    pub fn publish(&self, bytes: Vec<u8>) {
        self.out(Parcel::Publish(bytes));
    }
}
