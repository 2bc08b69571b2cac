//! Direct messages: the behaviour that gives every connection its [`Handler`].

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, ToSwarm};
use libp2p::{Multiaddr, PeerId, StreamProtocol};

use crate::gate::NotListed;
use crate::handler::{FromHandler, Handler};
use crate::inbox::Channel;
use crate::link::Links;

#[derive(Debug)]
pub(crate) struct DirectEvent {
    pub(crate) peer: PeerId,
    pub(crate) event: FromHandler,
}

pub(crate) struct Direct {
    links: Arc<Links>,
    protocols: Arc<[StreamProtocol; Channel::ALL.len()]>,
    actions: VecDeque<ToSwarm<DirectEvent, Infallible>>,
}

impl Direct {
    /// `protocols` in the order of [`Channel`].
    pub(crate) fn new(links: Arc<Links>, protocols: [StreamProtocol; Channel::ALL.len()]) -> Self {
        Direct { links, protocols: Arc::new(protocols), actions: VecDeque::new() }
    }

    fn handler(&self, peer: PeerId, connection: ConnectionId) -> Result<Handler, ConnectionDenied> {
        let link = self.links.get(&peer).ok_or_else(|| ConnectionDenied::new(NotListed))?;
        Ok(Handler::new(link.clone(), connection, self.protocols.clone()))
    }
}

impl NetworkBehaviour for Direct {
    type ConnectionHandler = Handler;
    type ToSwarm = DirectEvent;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(peer, connection)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(peer, connection)
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: FromHandler) {
        if matches!(event, FromHandler::Fault(_)) {
            self.actions
                .push_back(ToSwarm::CloseConnection { peer_id: peer, connection: CloseConnection::One(connection) });
        }
        self.actions.push_back(ToSwarm::GenerateEvent(DirectEvent { peer, event }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<DirectEvent, Infallible>> {
        // The swarm polls again after every handler event, so there is nothing to be woken for.
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => Poll::Pending,
        }
    }
}
