//! Who may connect: the allow list, cool-downs, caps on handshakes, one connection a peer.
//!
//! Invariant: a connection is established only with a listed peer that is not refused at the moment, and of two
//! connections with one peer at most one stays. When both sides dialled at once, both keep the one that the smaller
//! peer id dialled; when one side dials long after the first connection came up, it has lost that one, so the newer
//! stays.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished, ListenFailure};
use libp2p::swarm::dummy;
use libp2p::swarm::{CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, ToSwarm};
use libp2p::{Multiaddr, PeerId};

use crate::Limits;
use crate::link::{Current, Direction, Links};

/// Connections with one peer at a moment: the one that counts, and one that replaces it or is about to close.
const MAX_PER_PEER: usize = 2;

/// The peer is not in the allow list.
#[derive(Debug, thiserror::Error)]
#[error("the peer is not in the allow list")]
pub(crate) struct NotListed;

/// The peer misbehaved and stays refused for a while.
#[derive(Debug, thiserror::Error)]
#[error("the peer is refused for a while")]
pub(crate) struct Refused;

/// Too many connections or handshakes.
#[derive(Debug, thiserror::Error)]
#[error("too many connections")]
pub(crate) struct TooMany;

#[derive(Debug)]
pub(crate) enum GateEvent {
    /// The peer has a connection that counts.
    Up(PeerId),
    /// It has none any more; it lived this long.
    Down(PeerId, Duration),
}

#[derive(Debug)]
struct Established {
    current: Current,
    at: Instant,
}

pub(crate) struct Gate {
    own: PeerId,
    links: Arc<Links>,
    limits: Limits,
    /// Handshakes of incoming connections, which are few: see [`Limits::pending_incoming`].
    pending: HashMap<ConnectionId, Option<IpAddr>>,
    /// The first of a list is the one that counts.
    established: BTreeMap<PeerId, VecDeque<Established>>,
    actions: VecDeque<ToSwarm<GateEvent, Infallible>>,
    waker: Option<Waker>,
}

fn ip(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    })
}

impl Gate {
    pub(crate) fn new(own: PeerId, links: Arc<Links>, limits: Limits) -> Self {
        Gate {
            own,
            links,
            limits,
            pending: HashMap::new(),
            established: BTreeMap::new(),
            actions: VecDeque::new(),
            waker: None,
        }
    }

    /// Closes every connection with `peer`; its link says until when it stays refused.
    pub(crate) fn disconnect(&mut self, peer: PeerId) {
        self.act(ToSwarm::CloseConnection { peer_id: peer, connection: CloseConnection::All });
    }

    fn act(&mut self, action: ToSwarm<GateEvent, Infallible>) {
        self.actions.push_back(action);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn check(&self, peer: PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        let link = self.links.get(&peer).ok_or_else(|| ConnectionDenied::new(NotListed))?;
        if link.refused(Instant::now()) {
            return Err(ConnectionDenied::new(Refused));
        }
        if self.established.get(&peer).is_some_and(|list| list.len() >= MAX_PER_PEER) {
            return Err(ConnectionDenied::new(TooMany));
        }
        Ok(dummy::ConnectionHandler)
    }

    /// Does `newer` replace `older`?
    fn replaces(&self, peer: PeerId, older: &Established, newer: &Established) -> bool {
        let apart = newer.at.saturating_duration_since(older.at);
        if older.current.direction == newer.current.direction || apart > self.limits.simultaneous {
            return true;
        }
        let preferred = if self.own < peer { Direction::Outbound } else { Direction::Inbound };
        newer.current.direction == preferred
    }

    fn on_established(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let Some(link) = self.links.get(&peer).cloned() else {
            return;
        };
        let direction = if endpoint.is_dialer() { Direction::Outbound } else { Direction::Inbound };
        let newer = Established {
            current: Current {
                id,
                address: endpoint.get_remote_address().clone(),
                direction,
                since: SystemTime::now(),
            },
            at: Instant::now(),
        };
        let older = self.established.get(&peer).and_then(|list| list.front());
        let loser = match older {
            None => None,
            Some(older) if self.replaces(peer, older, &newer) => Some((older.current.id, Some(older.at.elapsed()))),
            Some(_) => Some((id, None)),
        };
        let list = self.established.entry(peer).or_default();
        match loser {
            Some((_, None)) => list.push_back(newer),
            None | Some((_, Some(_))) => {
                link.set_current(Some(newer.current.clone()));
                list.push_front(newer);
            }
        }
        match loser {
            Some((_, Some(lived))) => {
                self.act(ToSwarm::GenerateEvent(GateEvent::Down(peer, lived)));
                self.act(ToSwarm::GenerateEvent(GateEvent::Up(peer)));
            }
            Some((_, None)) => {}
            None => self.act(ToSwarm::GenerateEvent(GateEvent::Up(peer))),
        }
        if let Some((loser, _)) = loser {
            self.act(ToSwarm::CloseConnection { peer_id: peer, connection: CloseConnection::One(loser) });
        }
    }

    fn on_closed(&mut self, peer: PeerId, id: ConnectionId) {
        let Some(list) = self.established.get_mut(&peer) else {
            return;
        };
        let Some(index) = list.iter().position(|established| established.current.id == id) else {
            return;
        };
        let Some(closed) = list.remove(index) else {
            return;
        };
        // A connection that lost and is still closing must not count again: it is let go.
        let rest = list.front().map(|rest| rest.current.id);
        if list.is_empty() {
            self.established.remove(&peer);
        }
        if index != 0 {
            return;
        }
        if let Some(link) = self.links.get(&peer) {
            link.set_current(None);
        }
        self.act(ToSwarm::GenerateEvent(GateEvent::Down(peer, closed.at.elapsed())));
        if let Some(rest) = rest {
            self.act(ToSwarm::CloseConnection { peer_id: peer, connection: CloseConnection::One(rest) });
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = GateEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let ip = ip(remote);
        let same = self.pending.values().filter(|other| **other == ip).count();
        if self.pending.len() >= self.limits.pending_incoming || same >= self.limits.pending_incoming_per_address {
            return Err(ConnectionDenied::new(TooMany));
        }
        self.pending.insert(connection, ip);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&connection);
        self.check(peer)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let peer = peer.ok_or_else(|| ConnectionDenied::new(NotListed))?;
        self.check(peer).map(|_| Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(peer)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                self.on_established(peer_id, connection_id, endpoint)
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                self.on_closed(peer_id, connection_id);
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.pending.remove(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: Infallible) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<GateEvent, Infallible>> {
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::NetworkKey;
    use crate::link::Link;
    use crate::metrics::Metrics;

    fn id(seed: u8) -> PeerId {
        NetworkKey::from_secret([seed; 32]).peer_id()
    }

    fn gate(own: PeerId, peer: PeerId, limits: Limits) -> Gate {
        let link = Link::new(peer, "peer".into(), &limits, Arc::new(Metrics::new()));
        Gate::new(own, Arc::new([(peer, Arc::new(link))].into()), limits)
    }

    fn connection(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    fn dialled() -> ConnectedPoint {
        ConnectedPoint::Dialer { address: Multiaddr::empty(), role_override: Endpoint::Dialer, port_use: PortUse::New }
    }

    fn accepted() -> ConnectedPoint {
        ConnectedPoint::Listener { local_addr: Multiaddr::empty(), send_back_addr: Multiaddr::empty() }
    }

    /// The connections that the gate wants closed.
    fn closed(gate: &mut Gate) -> Vec<ConnectionId> {
        let closed = gate.actions.drain(..).filter_map(|action| match action {
            ToSwarm::CloseConnection { connection: CloseConnection::One(id), .. } => Some(id),
            _ => None,
        });
        closed.collect()
    }

    #[test]
    fn both_sides_keep_the_connection_that_the_smaller_id_dialled() {
        let (small, large) = if id(1) < id(2) { (id(1), id(2)) } else { (id(2), id(1)) };
        // Connection 1 is dialled by the smaller, 2 by the larger; they come up in any order on either side.
        for order in [[1, 2], [2, 1]] {
            let mut at_small = gate(small, large, Limits::default());
            let mut at_large = gate(large, small, Limits::default());
            for number in order {
                let (by_small, by_large) = if number == 1 { (dialled(), accepted()) } else { (accepted(), dialled()) };
                at_small.on_established(large, connection(number), &by_small);
                at_large.on_established(small, connection(number), &by_large);
            }
            assert_eq!(closed(&mut at_small), [connection(2)]);
            assert_eq!(closed(&mut at_large), [connection(2)]);
            at_small.on_closed(large, connection(2));
            assert!(at_small.links[&large].connected(), "the loser's end changes nothing");
            at_small.on_closed(large, connection(1));
            assert!(!at_small.links[&large].connected());
        }
    }

    #[test]
    fn a_later_connection_replaces_the_older_whoever_dialled() {
        let limits = Limits { simultaneous: Duration::ZERO, ..Limits::default() };
        for second in [dialled(), accepted()] {
            let mut gate = gate(id(1), id(2), limits.clone());
            gate.on_established(id(2), connection(1), &dialled());
            std::thread::sleep(Duration::from_millis(2));
            gate.on_established(id(2), connection(2), &second);
            assert_eq!(closed(&mut gate), [connection(1)]);
            gate.on_closed(id(2), connection(1));
            assert!(gate.links[&id(2)].connected());
        }
    }

    #[test]
    fn strangers_refused_peers_and_third_connections_are_denied() {
        let mut gate = gate(id(1), id(2), Limits::default());
        assert!(gate.check(id(3)).is_err());
        assert!(gate.check(id(2)).is_ok());
        gate.on_established(id(2), connection(1), &dialled());
        gate.on_established(id(2), connection(2), &accepted());
        assert!(gate.check(id(2)).is_err());
        gate.on_closed(id(2), connection(1));
        assert!(gate.check(id(2)).is_ok());
        gate.links[&id(2)].refuse_until(Instant::now() + Duration::from_secs(600));
        assert!(gate.check(id(2)).is_err());
    }

    #[test]
    fn handshakes_are_bounded_in_all_and_by_address() {
        let limits = Limits { pending_incoming: 3, pending_incoming_per_address: 2, ..Limits::default() };
        let mut gate = gate(id(1), id(2), limits);
        let mut arrive = |number, from: &str| {
            let remote = from.parse().unwrap();
            gate.handle_pending_inbound_connection(connection(number), &Multiaddr::empty(), &remote).is_ok()
        };
        assert!(arrive(1, "/ip4/10.0.0.1/tcp/1") && arrive(2, "/ip4/10.0.0.1/tcp/2"));
        assert!(!arrive(3, "/ip4/10.0.0.1/tcp/3"));
        assert!(arrive(4, "/ip4/10.0.0.2/tcp/1"));
        assert!(!arrive(5, "/ip6/::1/tcp/1"));
    }
}
