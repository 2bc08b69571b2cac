//! One configured peer: its connection, its outgoing queues, its meter and its counters.
//!
//! Invariant: at most one connection is current, and only that one takes messages from the queues; a message queued
//! before a connection ended is never sent on the next one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use libp2p::bytes::Bytes;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{Notify, Semaphore};

use crate::inbox::Channel;
use crate::meter::{Admission, Kind, Meter};
use crate::metrics::{Lane, Metrics, Reason, Way};
use crate::{Error, Limits, MAX_DIRECT_BYTES};

/// What a message costs in the inbox beside its bytes.
pub(crate) const MESSAGE_COST: usize = 1024;
/// Longest agent version kept of what a peer says about itself, in bytes.
const MAX_AGENT_BYTES: usize = 64;

/// All peers of the allow list; the set does not change while the node runs.
pub(crate) type Links = BTreeMap<PeerId, Arc<Link>>;

/// Locks even after a panic elsewhere: every critical section here leaves whole values.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer did.
    Inbound,
    /// This node did.
    Outbound,
}

/// A peer as operators see it.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Its id.
    pub peer_id: PeerId,
    /// Its configured name.
    pub name: String,
    /// Is there a connection?
    pub connected: bool,
    /// The remote address of the connection.
    pub address: Option<Multiaddr>,
    /// Who dialled it.
    pub direction: Option<Direction>,
    /// When it was established.
    pub since: Option<SystemTime>,
    /// What the peer says it runs.
    pub agent: Option<String>,
    /// Last measured round trip.
    pub round_trip: Option<Duration>,
    /// Does it take part in gossip?
    pub gossips: bool,
    /// Is it refused at this moment because of its behaviour?
    pub refused: bool,
    /// Messages received of all kinds.
    pub messages_in: u64,
    /// Messages sent of all kinds; a gossiped batch is counted for nobody in particular.
    pub messages_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Messages dropped, in both directions.
    pub dropped: u64,
    /// Penalties given.
    pub penalties: u64,
}

/// The connection that counts.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) id: ConnectionId,
    pub(crate) address: Multiaddr,
    pub(crate) direction: Direction,
    pub(crate) since: SystemTime,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Current>,
    queues: [Queue; Channel::ALL.len()],
    agent: Option<String>,
    round_trip: Option<Duration>,
    gossips: bool,
    refused_until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Counts {
    messages_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    dropped: AtomicU64,
    penalties: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer_id: PeerId,
    pub(crate) name: String,
    /// Room for this peer's direct messages in the inbox, in bytes.
    pub(crate) room: Arc<Semaphore>,
    /// Places for this peer's requests, until they are answered.
    pub(crate) answers: Arc<Semaphore>,
    state: Mutex<State>,
    queued: [Notify; Channel::ALL.len()],
    meter: Mutex<Meter>,
    /// Requests whose outcome the application has not taken.
    requests: AtomicUsize,
    counts: Counts,
    metrics: Arc<Metrics>,
    limits: Limits,
}

pub(crate) fn lane(channel: Channel) -> Lane {
    match channel {
        Channel::Consensus => Lane::Consensus,
        Channel::Status => Lane::Status,
    }
}

impl Link {
    pub(crate) fn new(peer_id: PeerId, name: String, limits: &Limits, metrics: Arc<Metrics>) -> Self {
        let room = limits.inbox_bytes.clamp(MAX_DIRECT_BYTES + MESSAGE_COST, Semaphore::MAX_PERMITS);
        Link {
            peer_id,
            name,
            room: Arc::new(Semaphore::new(room)),
            answers: Arc::new(Semaphore::new(limits.answers)),
            state: Mutex::default(),
            queued: Default::default(),
            meter: Mutex::new(Meter::new(limits, Instant::now())),
            requests: AtomicUsize::new(0),
            counts: Counts::default(),
            metrics,
            limits: limits.clone(),
        }
    }

    /// Queues a direct message; the oldest go if it does not fit.
    pub(crate) fn enqueue(&self, channel: Channel, frame: Bytes) -> Result<(), Error> {
        let mut dropped = 0;
        {
            let mut state = lock(&self.state);
            if state.current.is_none() {
                return Err(Error::NotConnected(self.peer_id));
            }
            let queue = &mut state.queues[channel as usize];
            queue.bytes += frame.len();
            queue.frames.push_back(frame);
            while queue.frames.len() > 1
                && (queue.frames.len() > self.limits.queue_messages || queue.bytes > self.limits.queue_bytes)
            {
                if let Some(oldest) = queue.frames.pop_front() {
                    queue.bytes -= oldest.len();
                    dropped += 1;
                }
            }
        }
        if dropped > 0 {
            self.dropped(lane(channel), Reason::QueueFull, dropped);
        }
        self.queued[channel as usize].notify_waiters();
        Ok(())
    }

    /// The next message for `connection`; `None`: nothing queued, or the connection is not the current one.
    pub(crate) fn dequeue(&self, channel: Channel, connection: ConnectionId) -> Option<Bytes> {
        let mut state = lock(&self.state);
        if state.current.as_ref()?.id != connection {
            return None;
        }
        let queue = &mut state.queues[channel as usize];
        let frame = queue.frames.pop_front()?;
        queue.bytes -= frame.len();
        Some(frame)
    }

    /// Waits for the next message for `connection`.
    pub(crate) async fn next_frame(&self, channel: Channel, connection: ConnectionId) -> Bytes {
        loop {
            let mut queued = std::pin::pin!(self.queued[channel as usize].notified());
            // Registered before the look, so that a message queued in between wakes us.
            queued.as_mut().enable();
            if let Some(frame) = self.dequeue(channel, connection) {
                return frame;
            }
            queued.await;
        }
    }

    /// Makes `current` the connection that counts, or none; what was queued for the one before is dropped.
    pub(crate) fn set_current(&self, current: Option<Current>) {
        let mut lost = [0; Channel::ALL.len()];
        {
            let mut state = lock(&self.state);
            for (queue, lost) in state.queues.iter_mut().zip(&mut lost) {
                *lost = queue.frames.len() as u64;
                *queue = Queue::default();
            }
            state.current = current;
            state.gossips &= state.current.is_some();
            state.round_trip = None;
        }
        for channel in Channel::ALL {
            if lost[channel as usize] > 0 {
                self.dropped(lane(channel), Reason::Disconnected, lost[channel as usize]);
            }
            self.queued[channel as usize].notify_waiters();
        }
    }

    pub(crate) fn connected(&self) -> bool {
        lock(&self.state).current.is_some()
    }

    pub(crate) fn set_agent(&self, mut agent: String) {
        let mut end = agent.len().min(MAX_AGENT_BYTES);
        while !agent.is_char_boundary(end) {
            end -= 1;
        }
        agent.truncate(end);
        lock(&self.state).agent = Some(agent);
    }

    pub(crate) fn set_round_trip(&self, round_trip: Duration) {
        lock(&self.state).round_trip = Some(round_trip);
    }

    pub(crate) fn set_gossips(&self, gossips: bool) {
        lock(&self.state).gossips = gossips;
    }

    pub(crate) fn refuse_until(&self, until: Instant) {
        lock(&self.state).refused_until = Some(until);
    }

    pub(crate) fn refused(&self, now: Instant) -> bool {
        lock(&self.state).refused_until.is_some_and(|until| now < until)
    }

    pub(crate) fn throttle(&self, until: Instant) {
        self.counts.penalties.fetch_add(1, Ordering::Relaxed);
        self.metrics.penalties.inc();
        lock(&self.meter).throttle(until);
    }

    /// Meters and counts an incoming message.
    pub(crate) fn admit(&self, kind: Kind, lane: Lane, bytes: usize) -> Admission {
        let admission = lock(&self.meter).admit(kind, bytes, Instant::now());
        match admission {
            Admission::Pass => self.count_in(lane, bytes),
            Admission::Drop | Admission::DropAndPenalise => self.dropped(lane, Reason::Rate, 1),
        }
        admission
    }

    pub(crate) fn count_in(&self, lane: Lane, bytes: usize) {
        self.metrics.count(lane, Way::In, bytes);
        self.counts.messages_in.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_out(&self, lane: Lane, bytes: usize) {
        self.metrics.count(lane, Way::Out, bytes);
        self.counts.messages_out.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, lane: Lane, reason: Reason, count: u64) {
        self.metrics.dropped(lane, reason, count);
        self.counts.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a request as open; false: too many are.
    pub(crate) fn request_opened(&self) -> bool {
        let max = self.limits.requests;
        self.requests.try_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < max).then_some(open + 1)).is_ok()
    }

    pub(crate) fn request_taken(&self) {
        self.requests.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn info(&self) -> PeerInfo {
        let state = lock(&self.state);
        let current = state.current.as_ref();
        let now = Instant::now();
        PeerInfo {
            peer_id: self.peer_id,
            name: self.name.clone(),
            connected: current.is_some(),
            address: current.map(|current| current.address.clone()),
            direction: current.map(|current| current.direction),
            since: current.map(|current| current.since),
            agent: state.agent.clone(),
            round_trip: state.round_trip,
            gossips: state.gossips,
            refused: state.refused_until.is_some_and(|until| now < until),
            messages_in: self.counts.messages_in.load(Ordering::Relaxed),
            messages_out: self.counts.messages_out.load(Ordering::Relaxed),
            bytes_in: self.counts.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.counts.bytes_out.load(Ordering::Relaxed),
            dropped: self.counts.dropped.load(Ordering::Relaxed),
            penalties: self.counts.penalties.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::NetworkKey;

    fn link(limits: Limits) -> Link {
        let peer_id = NetworkKey::from_secret([1; 32]).peer_id();
        Link::new(peer_id, "one".into(), &limits, Arc::new(Metrics::new()))
    }

    fn connection(id: usize) -> Current {
        Current {
            id: ConnectionId::new_unchecked(id),
            address: Multiaddr::empty(),
            direction: Direction::Inbound,
            since: SystemTime::UNIX_EPOCH,
        }
    }

    fn drain(link: &Link, id: usize) -> Vec<u8> {
        let id = ConnectionId::new_unchecked(id);
        std::iter::from_fn(|| link.dequeue(Channel::Consensus, id)).map(|frame| frame[0]).collect()
    }

    #[test]
    fn a_full_queue_drops_the_oldest_and_counts_it() {
        let link = link(Limits { queue_messages: 3, ..Limits::default() });
        link.set_current(Some(connection(1)));
        for index in 0..5u8 {
            link.enqueue(Channel::Consensus, vec![index].into()).unwrap();
        }
        assert_eq!(drain(&link, 1), [2, 3, 4]);
        assert_eq!(link.info().dropped, 2);
    }

    #[test]
    fn bytes_bound_the_queue_but_a_single_message_fits() {
        let link = link(Limits { queue_bytes: 10, ..Limits::default() });
        link.set_current(Some(connection(1)));
        link.enqueue(Channel::Consensus, vec![1; 100].into()).unwrap();
        assert_eq!(drain(&link, 1), [1]);
        link.enqueue(Channel::Consensus, vec![1; 100].into()).unwrap();
        link.enqueue(Channel::Consensus, vec![2; 5].into()).unwrap();
        link.enqueue(Channel::Consensus, vec![3; 5].into()).unwrap();
        assert_eq!(drain(&link, 1), [2, 3]);
    }

    #[test]
    fn only_the_current_connection_is_served_and_nothing_crosses_to_the_next() {
        let link = link(Limits::default());
        assert!(matches!(link.enqueue(Channel::Consensus, vec![0].into()), Err(Error::NotConnected(_))));
        link.set_current(Some(connection(1)));
        link.enqueue(Channel::Consensus, vec![1].into()).unwrap();
        assert!(drain(&link, 2).is_empty());
        link.set_current(Some(connection(2)));
        assert!(drain(&link, 2).is_empty());
        assert_eq!(link.info().dropped, 1);
    }

    #[test]
    fn open_requests_are_bounded() {
        let link = link(Limits { requests: 2, ..Limits::default() });
        assert!(link.request_opened() && link.request_opened());
        assert!(!link.request_opened());
        link.request_taken();
        assert!(link.request_opened());
    }

    #[test]
    fn a_long_agent_version_is_cut_at_a_character() {
        let link = link(Limits::default());
        link.set_agent("é".repeat(100));
        assert_eq!(link.info().agent.unwrap().len(), MAX_AGENT_BYTES);
    }
}
