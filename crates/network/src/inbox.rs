//! Events on their way to the application: a lane a peer, served in turn, each with its own limits.
//!
//! Invariant: what one peer sends can fill only its own lane; events of one peer are taken in the order in which they
//! happened (batches apart, which may come later); the network task never waits here.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use libp2p::request_response::{InboundRequestId, ResponseChannel};
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::link::{Links, lock};
use crate::{Limits, RequestError};

/// After this many other events a waiting batch is served, so that batches are last but do not starve.
const EVENTS_PER_BATCH: u32 = 16;
/// Connects and disconnects of one peer kept for an application that does not read; of more, the oldest pair goes.
const MAX_LIFECYCLE: usize = 32;

/// Streams of direct messages; a burst on one does not delay the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Messages of the consensus protocol.
    Consensus,
    /// Status and other messages that are cheap to lose.
    Status,
}

impl Channel {
    pub(crate) const ALL: [Channel; 2] = [Channel::Consensus, Channel::Status];
}

/// Names a request of ours; the response carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

/// The right to answer one request; dropping it tells the peer that there will be no answer.
pub struct ResponseToken {
    pub(crate) peer: PeerId,
    pub(crate) channel: ResponseChannel<Vec<u8>>,
    pub(crate) request: InboundRequestId,
    /// One of [`Limits::answers`] of the peer.
    pub(crate) place: OwnedSemaphorePermit,
}

/// The room that a message takes of what its peer may have waiting ([`Limits::inbox_bytes`]). Whoever keeps the message
/// keeps this with it, and drops it when done: until then the peer cannot send more in its place.
#[derive(Debug)]
pub struct Room(#[expect(dead_code, reason = "held, and freed when dropped")] pub(crate) OwnedSemaphorePermit);

impl fmt::Debug for ResponseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseToken({})", self.peer)
    }
}

/// Names a received batch that waits for its [`Verdict`].
#[derive(Clone, Debug)]
pub struct BatchToken {
    pub(crate) id: MessageId,
    pub(crate) source: PeerId,
}

/// What the application thinks of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good: forward it.
    Accept,
    /// Of no use, nobody's fault: do not forward it.
    Ignore,
    /// Bad, and whoever forwarded it should have seen that: do not forward it, penalise the forwarder.
    Reject,
}

/// What the network tells the application.
#[derive(Debug)]
pub enum Event {
    /// The peer is connected; what was sent before may be lost. A connection that replaces another is told as
    /// `Disconnected` and `Connected`.
    Connected(PeerId),
    /// The peer is no longer connected.
    Disconnected(PeerId),
    /// A direct message.
    Message {
        /// Who sent it.
        peer: PeerId,
        /// On which channel.
        channel: Channel,
        /// What it says.
        bytes: Vec<u8>,
        /// To be dropped when the message is dealt with.
        room: Room,
    },
    /// A gossiped batch; it goes no further until [`crate::Handle::report`].
    Batch {
        /// To be handed to `report`.
        token: BatchToken,
        /// Who forwarded it, not who made it.
        source: PeerId,
        /// What it holds.
        bytes: Vec<u8>,
    },
    /// A peer asks.
    Request {
        /// Who asks.
        peer: PeerId,
        /// To be handed to [`crate::Handle::respond`].
        token: ResponseToken,
        /// The question.
        bytes: Vec<u8>,
    },
    /// The outcome of a request; every request that was accepted has exactly one.
    Response {
        /// As returned by [`crate::Handle::request`].
        id: RequestId,
        /// Who was asked.
        peer: PeerId,
        /// The answer.
        result: Result<Vec<u8>, RequestError>,
    },
}

#[derive(Debug, Default)]
struct Lane {
    items: VecDeque<Event>,
    lifecycle: usize,
    batches: VecDeque<Event>,
    batch_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    lanes: BTreeMap<PeerId, Lane>,
    /// Peers with items, in the order in which they are served.
    turns: VecDeque<PeerId>,
    /// Peers with batches.
    batch_turns: VecDeque<PeerId>,
    since_batch: u32,
    closed: bool,
}

impl State {
    fn push(&mut self, peer: PeerId, event: Event) {
        let lane = self.lanes.entry(peer).or_default();
        if lane.items.is_empty() {
            self.turns.push_back(peer);
        }
        lane.items.push_back(event);
    }

    fn pop(&mut self) -> Option<Event> {
        if self.turns.is_empty() || self.since_batch >= EVENTS_PER_BATCH {
            self.since_batch = 0;
            if let Some(event) = self.pop_batch() {
                return Some(event);
            }
        }
        let peer = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&peer)?;
        let event = lane.items.pop_front()?;
        if matches!(event, Event::Connected(_) | Event::Disconnected(_)) {
            lane.lifecycle -= 1;
        }
        if !lane.items.is_empty() {
            self.turns.push_back(peer);
        }
        self.since_batch += 1;
        Some(event)
    }

    fn pop_batch(&mut self) -> Option<Event> {
        let peer = self.batch_turns.pop_front()?;
        let lane = self.lanes.get_mut(&peer)?;
        let event = lane.batches.pop_front()?;
        if let Event::Batch { bytes, .. } = &event {
            lane.batch_bytes -= bytes.len();
        }
        if !lane.batches.is_empty() {
            self.batch_turns.push_back(peer);
        }
        Some(event)
    }
}

#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    ready: Notify,
    limits: Limits,
}

impl Inbox {
    pub(crate) fn new(limits: Limits) -> Self {
        Inbox { state: Mutex::default(), ready: Notify::new(), limits }
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        if !state.closed {
            change(&mut state);
            drop(state);
            self.ready.notify_one();
        }
    }

    /// A connect or disconnect.
    pub(crate) fn lifecycle(&self, peer: PeerId, event: Event) {
        self.with(|state| {
            state.push(peer, event);
            let lane = state.lanes.entry(peer).or_default();
            lane.lifecycle += 1;
            if lane.lifecycle > MAX_LIFECYCLE {
                // The two oldest are a connect and the disconnect after it: without them the rest still alternates.
                let mut left = 2;
                lane.items.retain(|event| {
                    let goes = left > 0 && matches!(event, Event::Connected(_) | Event::Disconnected(_));
                    left -= usize::from(goes);
                    !goes
                });
                lane.lifecycle -= 2;
            }
        });
    }

    /// A direct message; `room` was taken from the peer's semaphore before its bytes were read.
    pub(crate) fn message(&self, peer: PeerId, channel: Channel, bytes: Vec<u8>, room: OwnedSemaphorePermit) {
        let event = Event::Message { peer, channel, bytes, room: Room(room) };
        self.with(|state| state.push(peer, event));
    }

    /// The outcome of a request, of which there are at most [`Limits::requests`] a peer.
    pub(crate) fn response(&self, id: RequestId, peer: PeerId, result: Result<Vec<u8>, RequestError>) {
        let event = Event::Response { id, peer, result };
        self.with(|state| state.push(peer, event));
    }

    /// A request; its token holds one of [`Limits::answers`] places of the peer.
    pub(crate) fn request(&self, peer: PeerId, token: ResponseToken, bytes: Vec<u8>) {
        let event = Event::Request { peer, token, bytes };
        self.with(|state| state.push(peer, event));
    }

    /// A batch; false: no room.
    pub(crate) fn batch(&self, token: BatchToken, bytes: Vec<u8>) -> bool {
        let mut fits = false;
        self.with(|state| {
            let source = token.source;
            let lane = state.lanes.entry(source).or_default();
            let total = lane.batch_bytes.saturating_add(bytes.len());
            if lane.batches.len() < self.limits.inbox_batches
                && (total <= self.limits.inbox_batch_bytes || lane.batches.is_empty())
            {
                fits = true;
                lane.batch_bytes = total;
                if lane.batches.is_empty() {
                    state.batch_turns.push_back(source);
                }
                lane.batches.push_back(Event::Batch { token, source, bytes });
            }
        });
        fits
    }

    /// No more events will come; those that wait can still be taken.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.ready.notify_one();
    }
}

/// Where the application takes events; there is one of it.
#[derive(Debug)]
pub struct Events {
    inbox: Arc<Inbox>,
    links: Arc<Links>,
}

impl Events {
    pub(crate) fn new(inbox: Arc<Inbox>, links: Arc<Links>) -> Self {
        Events { inbox, links }
    }

    /// The next event; `None` once the network is shut down and everything is taken. Safe to use in `select!`.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            let ready = self.inbox.ready.notified();
            if let Some(event) = self.take() {
                return Some(event);
            }
            if lock(&self.inbox.state).closed {
                // A last event and the closing may have come between the two looks.
                return self.take();
            }
            ready.await;
        }
    }

    /// The next event if one is waiting.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.take()
    }

    fn take(&self) -> Option<Event> {
        let event = lock(&self.inbox.state).pop()?;
        if let Event::Response { peer, .. } = &event
            && let Some(link) = self.links.get(peer)
        {
            link.request_taken();
        }
        Some(event)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // Frees the room that waiting messages hold, and keeps later ones from gathering.
        let mut state = lock(&self.inbox.state);
        *state = State { closed: true, ..State::default() };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::NetworkKey;
    use tokio::sync::Semaphore;

    fn peer(seed: u8) -> PeerId {
        NetworkKey::from_secret([seed; 32]).peer_id()
    }

    fn room() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()
    }

    fn batch(source: PeerId, size: usize) -> (BatchToken, Vec<u8>) {
        (BatchToken { id: MessageId::new(b"id"), source }, vec![0; size])
    }

    fn pop(inbox: &Inbox) -> Option<Event> {
        lock(&inbox.state).pop()
    }

    #[test]
    fn peers_are_served_in_turn() {
        let inbox = Inbox::new(Limits::default());
        for index in 0..3 {
            inbox.message(peer(1), Channel::Consensus, vec![index], room());
        }
        inbox.message(peer(2), Channel::Consensus, vec![9], room());
        let mut seen = Vec::new();
        while let Some(Event::Message { bytes, .. }) = pop(&inbox) {
            seen.push(bytes[0]);
        }
        assert_eq!(seen, [0, 9, 1, 2]);
    }

    #[test]
    fn batches_come_last_but_do_not_starve() {
        let inbox = Inbox::new(Limits::default());
        let (token, bytes) = batch(peer(1), 1);
        assert!(inbox.batch(token, bytes));
        for _ in 0..100 {
            inbox.message(peer(2), Channel::Status, vec![0], room());
        }
        let mut position = None;
        for index in 0..101 {
            if matches!(pop(&inbox), Some(Event::Batch { .. })) {
                position = Some(index);
            }
        }
        assert_eq!(position, Some(EVENTS_PER_BATCH));
        assert!(pop(&inbox).is_none());
    }

    #[test]
    fn one_peer_fills_only_its_own_batches() {
        let inbox = Inbox::new(Limits { inbox_batches: 2, ..Limits::default() });
        let mut accepted = 0;
        for _ in 0..5 {
            let (token, bytes) = batch(peer(1), 1);
            accepted += u32::from(inbox.batch(token, bytes));
        }
        assert_eq!(accepted, 2);
        let (token, bytes) = batch(peer(2), 1);
        assert!(inbox.batch(token, bytes));
    }

    #[test]
    fn the_bytes_of_batches_are_limited() {
        let inbox = Inbox::new(Limits { inbox_batch_bytes: 10, ..Limits::default() });
        let (token, bytes) = batch(peer(1), 20);
        assert!(inbox.batch(token, bytes), "a lone batch always fits");
        let (token, bytes) = batch(peer(1), 1);
        assert!(!inbox.batch(token, bytes));
        assert!(pop(&inbox).is_some());
        let (token, bytes) = batch(peer(1), 1);
        assert!(inbox.batch(token, bytes));
    }

    #[test]
    fn connects_and_disconnects_stay_bounded_and_alternate() {
        let inbox = Inbox::new(Limits::default());
        for _ in 0..200 {
            inbox.lifecycle(peer(1), Event::Connected(peer(1)));
            inbox.lifecycle(peer(1), Event::Disconnected(peer(1)));
        }
        inbox.lifecycle(peer(1), Event::Connected(peer(1)));
        let mut connected = false;
        let mut count = 0;
        while let Some(event) = pop(&inbox) {
            assert_eq!(matches!(event, Event::Connected(_)), !connected);
            connected = !connected;
            count += 1;
        }
        assert!(connected);
        assert!(count <= MAX_LIFECYCLE);
    }
}
