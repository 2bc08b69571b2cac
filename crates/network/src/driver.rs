//! The network task: turns commands into libp2p calls and libp2p events into events for the application.
//!
//! Invariant: it never waits for the application; whatever does not fit is dropped, refused or left unread at the
//! place that says so.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, PublishError};
use libp2p::request_response::{self, InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify, ping};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::behaviour::{self, Behaviour, BehaviourEvent};
use crate::dialer::Dialer;
use crate::direct::DirectEvent;
use crate::gate::GateEvent;
use crate::handle::{Command, MAX_COMMANDS};
use crate::handler::{Fault, FromHandler};
use crate::inbox::{BatchToken, Event, Events, Inbox, RequestId, ResponseToken, Verdict};
use crate::link::{Link, Links};
use crate::meter::{Admission, Kind};
use crate::metrics::{Lane, Metrics, Reason, Way};
use crate::{Config, Error, Handle, Limits, RequestError, gossip, sync};

/// How long a listener may take to say its address.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long connections may take to close at shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Failed dials in a row after which a peer is reported once as unreachable.
const DIALS_BEFORE_WARNING: u32 = 5;

/// Starts the network. Returns the application's handle, its events, and the addresses it listens on, with the ports
/// that the system chose.
///
/// # Errors
/// A configuration that contradicts itself, or an address that cannot be listened on.
pub async fn spawn(config: Config) -> Result<(Handle, Events, Vec<Multiaddr>), Error> {
    spawn_wrapped(config, Arc::new(|task| task)).await
}

/// What a host makes of the future of the network's task, and of each connection's, before it runs, such as one that
/// measures it.
pub type Wrap = Arc<dyn Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync>;

/// [`spawn`] with every task's future wrapped.
///
/// # Errors
/// As [`spawn`].
pub async fn spawn_wrapped(config: Config, wrap: Wrap) -> Result<(Handle, Events, Vec<Multiaddr>), Error> {
    config.check()?;
    let own = config.key.peer_id();
    let metrics = Arc::new(Metrics::new());
    let others = || config.peers.iter().filter(|peer| peer.peer_id != own);
    let links: Links = others()
        .map(|peer| {
            let link = Link::new(peer.peer_id, peer.name.clone(), &config.limits, metrics.clone());
            metrics.peer_connected.get_or_create(&[("peer", peer.name.clone())]).set(0);
            (peer.peer_id, Arc::new(link))
        })
        .collect();
    let links = Arc::new(links);
    let mut swarm = behaviour::swarm(&config, links.clone(), wrap.clone())?;
    let addresses = listen(&mut swarm, &config.listen).await?;

    let inbox = Arc::new(Inbox::new(config.limits.clone()));
    let (commands, from_handle) = mpsc::channel(MAX_COMMANDS);
    let (stop, stopped) = watch::channel(false);
    let (ending, ended) = watch::channel(());
    let driver = Driver {
        swarm,
        links: links.clone(),
        inbox: inbox.clone(),
        metrics: metrics.clone(),
        topic: gossip::topic(&behaviour::chain_name(&config.chain)),
        dialer: Dialer::new(others(), config.limits.clone(), Instant::now()),
        conduct: BTreeMap::new(),
        requests: HashMap::new(),
        answering: HashMap::new(),
        limits: config.limits.clone(),
    };
    let closing = Closing(inbox.clone());
    tokio::spawn(wrap(Box::pin(async move {
        // Dropped however the task ends, so that nobody waits for a network that is gone.
        let _closing = closing;
        driver.run(from_handle, stopped).await;
        drop(ending);
    })));
    let handle = Handle {
        own,
        links: links.clone(),
        metrics,
        commands,
        publish_room: Arc::new(Semaphore::new(
            config.limits.publish_bytes.clamp(crate::MAX_BATCH_BYTES, Semaphore::MAX_PERMITS),
        )),
        next_request: Arc::new(AtomicU64::new(1)),
        stop: Arc::new(stop),
        ended,
    };
    Ok((handle, Events::new(inbox, links), addresses))
}

/// Listens on all addresses and waits until each listener has said where it is.
async fn listen(swarm: &mut Swarm<Behaviour>, addresses: &[Multiaddr]) -> Result<Vec<Multiaddr>, Error> {
    // All are looked at before any is taken: the wildcard of IPv6 overlaps that of IPv4.
    for address in addresses {
        behaviour::check_free(address)?;
    }
    let mut silent = HashMap::new();
    for address in addresses {
        let id = swarm.listen_on(address.clone()).map_err(|error| behaviour::listen(address, &error))?;
        silent.insert(id, address);
    }
    let mut resolved = Vec::new();
    let all_said = async {
        while !silent.is_empty() {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { listener_id, address } => {
                    silent.remove(&listener_id);
                    resolved.push(address);
                }
                SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. }
                | SwarmEvent::ListenerError { listener_id, error } => {
                    if let Some(address) = silent.get(&listener_id) {
                        return Err(behaviour::listen(address, &error));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    };
    match tokio::time::timeout(LISTEN_TIMEOUT, all_said).await {
        Ok(said) => said?,
        Err(_) => {
            if let Some(address) = silent.values().next() {
                return Err(behaviour::listen(address, &"the system does not say the port"));
            }
        }
    }
    Ok(resolved)
}

/// Closes the inbox when the network task ends.
struct Closing(Arc<Inbox>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Penalties of one peer.
#[derive(Debug)]
struct Conduct {
    penalties: u32,
    since: Instant,
}

struct Driver {
    swarm: Swarm<Behaviour>,
    links: Arc<Links>,
    inbox: Arc<Inbox>,
    metrics: Arc<Metrics>,
    topic: IdentTopic,
    dialer: Dialer,
    conduct: BTreeMap<PeerId, Conduct>,
    /// Open requests of ours, at most [`Limits::requests`] a peer.
    requests: HashMap<OutboundRequestId, (RequestId, PeerId)>,
    /// Answers under way, at most [`Limits::answers`] a peer.
    answering: HashMap<InboundRequestId, OwnedSemaphorePermit>,
    limits: Limits,
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut stopped: watch::Receiver<bool>) {
        loop {
            let due = self.dialer.next_due();
            // Everything that changes the schedule is followed by a dial or an event, and so by another look at it.
            let dial = async move {
                match due {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = stopped.changed() => break,
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
                event = self.swarm.select_next_some() => self.on_event(event),
                () = dial => self.dial(),
            }
        }
        self.close().await;
    }

    async fn close(mut self) {
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            // An error says that the connection is gone already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                let event = self.swarm.select_next_some().await;
                self.on_event(event);
            }
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            tracing::debug!("connections did not close in time");
        }
        for (id, peer) in std::mem::take(&mut self.requests).into_values() {
            self.inbox.response(id, peer, Err(RequestError::Disconnected));
        }
    }

    fn dial(&mut self) {
        let now = Instant::now();
        for (peer, addresses) in self.dialer.take_due(now) {
            let Some(link) = self.links.get(&peer) else {
                continue;
            };
            if link.connected() {
                continue;
            }
            // A port of its own for each: from the listening port, both sides dialling at once would meet midway, and
            // a restarted node could not reach whom it was connected to for a minute.
            let options = DialOpts::peer_id(peer)
                .addresses(addresses)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .allocate_new_port()
                .build();
            if let Err(error) = self.swarm.dial(options) {
                tracing::debug!(peer = %link.name, %error, "cannot dial");
                self.dialer.failed(&peer, now);
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Request { id, peer, bytes } => {
                if !self.swarm.is_connected(&peer) {
                    self.inbox.response(id, peer, Err(RequestError::Disconnected));
                    return;
                }
                if let Some(link) = self.links.get(&peer) {
                    link.count_out(Lane::Sync, bytes.len());
                }
                let request = self.swarm.behaviour_mut().sync.send_request(&peer, bytes);
                self.requests.insert(request, (id, peer));
            }
            Command::Respond { token, bytes } => {
                let size = bytes.len();
                let ResponseToken { peer, channel, request, place } = token;
                // An error says that the request has timed out or its connection is gone.
                if self.swarm.behaviour_mut().sync.send_response(channel, bytes).is_ok() {
                    self.answering.insert(request, place);
                    if let Some(link) = self.links.get(&peer) {
                        link.count_out(Lane::Sync, size);
                    }
                }
            }
            Command::Publish { bytes, _room } => self.publish(bytes),
            Command::Report { token, verdict } => {
                if verdict == Verdict::Reject {
                    self.penalise(token.source, "it forwarded a batch that was rejected");
                }
                self.report(&token, verdict);
            }
            Command::Penalise { peer, reason } => self.penalise(peer, &reason),
        }
    }

    fn publish(&mut self, bytes: Vec<u8>) {
        let size = bytes.len();
        let result = self.swarm.behaviour_mut().gossip.publish(self.topic.clone(), bytes);
        match result {
            Ok(_) => self.metrics.count(Lane::Batch, Way::Out, size),
            Err(PublishError::Duplicate) => {
                self.metrics.dropped(Lane::Batch, Reason::Duplicate, 1);
            }
            Err(error) => {
                tracing::debug!(%error, size, "batch goes nowhere");
                self.metrics.dropped(Lane::Batch, Reason::Unsent, 1);
            }
        }
    }

    fn report(&mut self, token: &BatchToken, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.report_message_validation_result(&token.id, &token.source, acceptance) {
            tracing::debug!(?verdict, "verdict on a batch that is not kept any more");
        }
    }

    fn penalise(&mut self, peer: PeerId, reason: &str) {
        let Some(link) = self.links.get(&peer) else {
            return;
        };
        let now = Instant::now();
        if link.refused(now) {
            return;
        }
        let conduct = self.conduct.entry(peer).or_insert(Conduct { penalties: 0, since: now });
        if now.saturating_duration_since(conduct.since) > self.limits.penalty_window {
            *conduct = Conduct { penalties: 0, since: now };
        }
        conduct.penalties += 1;
        link.throttle(now + self.limits.penalty_window);
        tracing::warn!(peer = %link.name, reason, penalties = conduct.penalties, "peer penalised");
        if conduct.penalties < self.limits.penalties {
            return;
        }
        let until = now + self.limits.cool_down;
        self.conduct.remove(&peer);
        link.refuse_until(until);
        self.metrics.cool_downs.inc();
        tracing::warn!(peer = %link.name, seconds = self.limits.cool_down.as_secs(), "peer refused for a while");
        self.swarm.behaviour_mut().gate.disconnect(peer);
        if !link.connected() {
            self.dialer.hold(&peer, until);
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gate(event)) => self.on_gate(event),
            SwarmEvent::Behaviour(BehaviourEvent::Direct(event)) => self.on_direct(event),
            SwarmEvent::Behaviour(BehaviourEvent::Sync(event)) => self.on_sync(event),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.on_identify(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(event),
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.on_dial_failure(peer, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.metrics.refused.inc();
                let refused = matches!(error, ListenError::Denied { .. });
                tracing::debug!(from = %send_back_addr, %error, refused, "incoming connection failed");
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "no longer listening");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "cannot accept a connection");
            }
            _ => {}
        }
    }

    fn on_gate(&mut self, event: GateEvent) {
        let (peer, up) = match event {
            GateEvent::Up(peer) => (peer, true),
            GateEvent::Down(peer, _) => (peer, false),
        };
        let Some(link) = self.links.get(&peer) else {
            return;
        };
        let gauge = self.metrics.peer_connected.get_or_create_owned(&[("peer", link.name.clone())]);
        if gauge.set(i64::from(up)) != i64::from(up) {
            self.metrics.connected.inc_by(if up { 1 } else { -1 });
        }
        match event {
            GateEvent::Up(_) => {
                tracing::info!(peer = %link.name, "connected");
                self.dialer.connected(&peer);
                self.inbox.lifecycle(peer, Event::Connected(peer));
            }
            GateEvent::Down(_, lived) => {
                tracing::info!(peer = %link.name, "disconnected");
                let now = Instant::now();
                self.dialer.disconnected(&peer, lived, now);
                if link.refused(now) {
                    self.dialer.hold(&peer, now + self.limits.cool_down);
                }
                self.inbox.lifecycle(peer, Event::Disconnected(peer));
            }
        }
    }

    fn on_direct(&mut self, DirectEvent { peer, event }: DirectEvent) {
        match event {
            FromHandler::Message { channel, bytes, room } => {
                self.inbox.message(peer, channel, bytes, room);
            }
            FromHandler::Flood => self.penalise(peer, "it sends more than its rate"),
            FromHandler::Fault(Fault::Io(error)) => {
                tracing::debug!(%peer, %error, "direct stream ended");
            }
            FromHandler::Fault(Fault::Unsupported) => {
                tracing::warn!(%peer, "the peer does not speak this version of the protocol");
            }
            FromHandler::Fault(Fault::TooLarge(bytes)) => {
                self.penalise(peer, &format!("it announced a message of {bytes} bytes"));
            }
            FromHandler::Fault(Fault::SecondStream) => {
                self.penalise(peer, "it opened a second stream for a channel");
            }
        }
    }

    fn on_sync(&mut self, event: sync::Event) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request { request_id, request, channel } => {
                    self.on_request(peer, request_id, channel, request);
                }
                request_response::Message::Response { request_id, response } => {
                    if let Some(link) = self.links.get(&peer) {
                        link.count_in(Lane::Sync, response.len());
                    }
                    self.answer(request_id, peer, Ok(response));
                }
            },
            request_response::Event::OutboundFailure { peer, request_id, error, .. } => {
                self.answer(request_id, peer, Err(sync::request_error(error)));
            }
            request_response::Event::InboundFailure { peer, request_id, error, .. } => {
                self.answering.remove(&request_id);
                tracing::debug!(%peer, %error, "request was not answered");
                if sync::is_violation(&error) {
                    self.penalise(peer, "its request exceeds the limit");
                }
            }
            request_response::Event::ResponseSent { request_id, .. } => {
                self.answering.remove(&request_id);
            }
        }
    }

    fn on_request(
        &mut self,
        peer: PeerId,
        request: InboundRequestId,
        channel: ResponseChannel<Vec<u8>>,
        bytes: Vec<u8>,
    ) {
        let Some(link) = self.links.get(&peer) else {
            return;
        };
        // Where the channel is dropped, the peer sees a refusal.
        match link.admit(Kind::Request, Lane::Sync, bytes.len()) {
            Admission::Pass => match link.answers.clone().try_acquire_owned() {
                Ok(place) => self.inbox.request(peer, ResponseToken { peer, channel, request, place }, bytes),
                Err(_) => link.dropped(Lane::Sync, Reason::InboxFull, 1),
            },
            Admission::Drop => {}
            Admission::DropAndPenalise => self.penalise(peer, "it requests more than its rate"),
        }
    }

    fn answer(&mut self, request: OutboundRequestId, peer: PeerId, result: Result<Vec<u8>, RequestError>) {
        if let Some((id, _)) = self.requests.remove(&request) {
            self.inbox.response(id, peer, result);
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_batch(BatchToken { id: message_id, source: propagation_source }, message.data);
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                self.set_gossips(&peer_id, &topic, true);
            }
            gossipsub::Event::Unsubscribed { peer_id, topic } => {
                self.set_gossips(&peer_id, &topic, false);
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => {
                if let Some(link) = self.links.get(&peer_id) {
                    link.dropped(Lane::Batch, Reason::QueueFull, 1);
                }
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                tracing::warn!(peer = %peer_id, "the peer takes no part in gossip");
            }
        }
    }

    fn set_gossips(&self, peer: &PeerId, topic: &gossipsub::TopicHash, gossips: bool) {
        if *topic == self.topic.hash()
            && let Some(link) = self.links.get(peer)
        {
            link.set_gossips(gossips);
        }
    }

    fn on_batch(&mut self, token: BatchToken, bytes: Vec<u8>) {
        let Some(link) = self.links.get(&token.source) else {
            return;
        };
        let admission = link.admit(Kind::Batch, Lane::Batch, bytes.len());
        if admission == Admission::Pass {
            if self.inbox.batch(token.clone(), bytes) {
                return;
            }
            link.dropped(Lane::Batch, Reason::InboxFull, 1);
        }
        // Ignored at once, so that gossipsub frees it.
        self.report(&token, Verdict::Ignore);
        if admission == Admission::DropAndPenalise {
            self.penalise(token.source, "it forwards more batches than its rate");
        }
    }

    fn on_identify(&mut self, event: identify::Event) {
        if let identify::Event::Received { peer_id, info, .. } = event
            && let Some(link) = self.links.get(&peer_id)
        {
            link.set_agent(info.agent_version);
        }
    }

    fn on_ping(&mut self, ping::Event { peer, connection, result }: ping::Event) {
        match result {
            Ok(round_trip) => {
                if let Some(link) = self.links.get(&peer) {
                    link.set_round_trip(round_trip);
                }
            }
            Err(ping::Failure::Timeout) => {
                tracing::info!(%peer, "peer does not answer pings");
                self.swarm.close_connection(connection);
            }
            Err(error) => tracing::debug!(%peer, %error, "ping failed"),
        }
    }

    fn on_dial_failure(&mut self, peer: PeerId, error: &DialError) {
        let Some(link) = self.links.get(&peer) else {
            return;
        };
        if link.connected() {
            return;
        }
        self.metrics.dial_failures.inc();
        let failures = self.dialer.failed(&peer, Instant::now());
        if let DialError::WrongPeerId { obtained, .. } = error {
            tracing::warn!(peer = %link.name, %obtained, "another peer answers at its address");
        } else if failures == DIALS_BEFORE_WARNING {
            tracing::warn!(peer = %link.name, %error, "peer cannot be reached; dialling goes on");
        } else {
            tracing::debug!(peer = %link.name, failures, %error, "dial failed");
        }
    }
}
