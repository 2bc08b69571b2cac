//! What the application can ask of the network; nothing here waits except [`Handle::shutdown`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use libp2p::PeerId;
use libp2p::bytes::Bytes;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::inbox::{BatchToken, Channel, RequestId, ResponseToken, Verdict};
use crate::link::{Link, Links, PeerInfo};
use crate::metrics::Metrics;
use crate::{Error, MAX_BATCH_BYTES, MAX_DIRECT_BYTES, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES};

/// Commands waiting for the network task. Their sizes are bounded by the kinds' own limits.
pub(crate) const MAX_COMMANDS: usize = 4096;

#[derive(Debug)]
pub(crate) enum Command {
    Request { id: RequestId, peer: PeerId, bytes: Vec<u8> },
    Respond { token: ResponseToken, bytes: Vec<u8> },
    Publish { bytes: Vec<u8>, _room: OwnedSemaphorePermit },
    Report { token: BatchToken, verdict: Verdict },
    Penalise { peer: PeerId, reason: String },
}

/// The application's side of the network. Clones share it; the network ends when all are dropped.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) own: PeerId,
    pub(crate) links: Arc<Links>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) publish_room: Arc<Semaphore>,
    pub(crate) next_request: Arc<AtomicU64>,
    pub(crate) stop: Arc<watch::Sender<bool>>,
    /// Its sender lives in the network task.
    pub(crate) ended: watch::Receiver<()>,
}

fn fits(size: usize, max: usize) -> Result<(), Error> {
    if size > max { Err(Error::TooLarge { size, max }) } else { Ok(()) }
}

impl Handle {
    /// This node's id.
    pub fn peer_id(&self) -> PeerId {
        self.own
    }

    /// Queues a direct message. If the peer's queue is full the oldest message in it is dropped and counted. `Ok` does
    /// not say that the message arrived: what is queued or under way when a connection ends is lost.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_DIRECT_BYTES`], [`Error::UnknownPeer`], [`Error::NotConnected`].
    pub fn send(&self, peer: PeerId, channel: Channel, bytes: impl Into<Bytes>) -> Result<(), Error> {
        let bytes = bytes.into();
        fits(bytes.len(), MAX_DIRECT_BYTES)?;
        self.link(peer)?.enqueue(channel, bytes)
    }

    /// [`Handle::send`] to every connected peer without copying the bytes; returns to how many.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_DIRECT_BYTES`].
    pub fn broadcast(&self, channel: Channel, bytes: impl Into<Bytes>) -> Result<usize, Error> {
        let bytes = bytes.into();
        fits(bytes.len(), MAX_DIRECT_BYTES)?;
        let sent = self.links.values().filter(|link| link.enqueue(channel, bytes.clone()).is_ok());
        Ok(sent.count())
    }

    /// Asks a peer; the outcome comes as [`crate::Event::Response`] with the returned id, exactly once.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_REQUEST_BYTES`], [`Error::UnknownPeer`], [`Error::NotConnected`],
    /// [`Error::Full`] with [`crate::Limits::requests`] open, [`Error::Closed`].
    pub fn request(&self, peer: PeerId, bytes: Vec<u8>) -> Result<RequestId, Error> {
        fits(bytes.len(), MAX_REQUEST_BYTES)?;
        let link = self.link(peer)?;
        if !link.connected() {
            return Err(Error::NotConnected(peer));
        }
        if !link.request_opened() {
            return Err(Error::Full("requests"));
        }
        let id = RequestId(self.next_request.fetch_add(1, Ordering::Relaxed));
        let asked = self.command(Command::Request { id, peer, bytes });
        if asked.is_err() {
            link.request_taken();
        }
        asked.map(|()| id)
    }

    /// Answers a request. Nothing happens if it has timed out or its peer is gone.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_RESPONSE_BYTES`] (the peer sees a refusal), [`Error::Full`], [`Error::Closed`].
    pub fn respond(&self, token: ResponseToken, bytes: Vec<u8>) -> Result<(), Error> {
        fits(bytes.len(), MAX_RESPONSE_BYTES)?;
        self.command(Command::Respond { token, bytes })
    }

    /// Gossips a batch. With nobody connected it goes nowhere and is counted; so is one that was published or seen
    /// within the last minute.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_BATCH_BYTES`], [`Error::Full`], [`Error::Closed`].
    pub fn publish(&self, bytes: Vec<u8>) -> Result<(), Error> {
        fits(bytes.len(), MAX_BATCH_BYTES)?;
        let size = u32::try_from(bytes.len()).expect("the size was just checked");
        let room = self.publish_room.clone().try_acquire_many_owned(size).map_err(|_| Error::Full("batches"))?;
        self.command(Command::Publish { bytes, _room: room })
    }

    /// Gives the verdict on a batch, due within a few seconds; later it is not forwarded any more.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Closed`].
    pub fn report(&self, token: BatchToken, verdict: Verdict) -> Result<(), Error> {
        self.command(Command::Report { token, verdict })
    }

    /// Gives a peer a penalty: it is throttled, and with [`crate::Limits::penalties`] of them disconnected and refused
    /// for [`crate::Limits::cool_down`]. The reason is logged.
    ///
    /// # Errors
    /// [`Error::UnknownPeer`], [`Error::Full`], [`Error::Closed`].
    pub fn penalise(&self, peer: PeerId, reason: impl Into<String>) -> Result<(), Error> {
        self.link(peer)?;
        self.command(Command::Penalise { peer, reason: reason.into() })
    }

    /// All configured peers, by id.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.links.values().map(|link| link.info()).collect()
    }

    /// Adds the network's counters to a registry, below the prefix `vostro_network`.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Closes all connections and waits until the network has ended, which takes less than two seconds.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut ended = self.ended.clone();
        // An error says that the task is gone, which is what we wait for.
        while ended.changed().await.is_ok() {}
    }

    fn link(&self, peer: PeerId) -> Result<&Arc<Link>, Error> {
        self.links.get(&peer).ok_or(Error::UnknownPeer(peer))
    }

    fn command(&self, command: Command) -> Result<(), Error> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Full("commands"),
            mpsc::error::TrySendError::Closed(_) => Error::Closed,
        })
    }
}
