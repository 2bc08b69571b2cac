//! Nodes on real sockets of this machine.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use vostro_network::{
    Channel, Config, Error, Event, Events, Handle, Limits, MAX_BATCH_BYTES, MAX_DIRECT_BYTES, MAX_REQUEST_BYTES,
    MAX_RESPONSE_BYTES, Multiaddr, NetworkKey, Peer, PeerId, RequestError, Verdict, spawn,
};

/// Far above what anything here takes; reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(60);
const CHAIN: [u8; 32] = [7; 32];

fn key(seed: u8) -> NetworkKey {
    NetworkKey::from_secret([seed; 32])
}

fn id(seed: u8) -> PeerId {
    key(seed).peer_id()
}

fn any() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

fn quick() -> Limits {
    Limits { redial_min: Duration::from_millis(50), redial_max: Duration::from_millis(500), ..Limits::default() }
}

struct Node {
    handle: Handle,
    events: Events,
    address: Multiaddr,
}

/// Starts node `seed` that lists `peers`, each with the address to dial, or none.
async fn start(seed: u8, peers: &[(u8, Option<&Multiaddr>)], limits: Limits) -> Node {
    start_at(seed, any(), CHAIN, peers, limits).await
}

async fn start_at(
    seed: u8,
    listen: Multiaddr,
    chain: [u8; 32],
    peers: &[(u8, Option<&Multiaddr>)],
    limits: Limits,
) -> Node {
    let peers = peers
        .iter()
        .map(|(seed, address)| Peer {
            peer_id: id(*seed),
            name: format!("node-{seed}"),
            addresses: address.cloned().into_iter().collect(),
        })
        .collect();
    let config = Config { key: key(seed), chain, listen: vec![listen], peers, limits };
    let (handle, events, addresses) = spawn(config).await.unwrap();
    Node { handle, events, address: addresses[0].clone() }
}

impl Node {
    async fn next(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap()
    }

    /// The next event that `pick` wants; others are dropped.
    async fn find<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let event = self.next().await;
            if let Some(found) = pick(event) {
                return found;
            }
        }
    }

    async fn connected(&mut self, peer: PeerId) {
        self.find(|event| matches!(event, Event::Connected(who) if who == peer).then_some(())).await;
    }

    async fn disconnected(&mut self, peer: PeerId) {
        self.find(|event| matches!(event, Event::Disconnected(who) if who == peer).then_some(())).await;
    }

    async fn message(&mut self) -> (PeerId, Channel, Vec<u8>) {
        self.find(|event| match event {
            Event::Message { peer, channel, bytes, .. } => Some((peer, channel, bytes)),
            _ => None,
        })
        .await
    }

    async fn response(&mut self) -> Result<Vec<u8>, RequestError> {
        self.find(|event| match event {
            Event::Response { result, .. } => Some(result),
            _ => None,
        })
        .await
    }

    /// Waits for a batch and gives its verdict.
    async fn batch(&mut self, verdict: Verdict) -> Vec<u8> {
        let (token, bytes) = self
            .find(|event| match event {
                Event::Batch { token, bytes, .. } => Some((token, bytes)),
                _ => None,
            })
            .await;
        self.handle.report(token, verdict).unwrap();
        bytes
    }

    fn metric(&self, name: &str) -> u64 {
        let mut registry = Registry::default();
        self.handle.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    async fn metric_reaches(&self, name: &str, at_least: u64) {
        eventually(|| self.metric(name) >= at_least).await;
    }

    fn info(&self, peer: PeerId) -> vostro_network::PeerInfo {
        self.handle.peers().into_iter().find(|info| info.peer_id == peer).unwrap()
    }
}

async fn eventually(mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

async fn pair(limits: Limits) -> (Node, Node) {
    let mut a = start(1, &[(2, None)], limits.clone()).await;
    let mut b = start(2, &[(1, Some(&a.address))], limits).await;
    a.connected(id(2)).await;
    b.connected(id(1)).await;
    (a, b)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_exchange_messages_in_order_in_both_directions() {
    let (mut a, mut b) = pair(quick()).await;
    for number in 0..500u32 {
        a.handle.send(id(2), Channel::Consensus, number.to_be_bytes().to_vec()).unwrap();
        b.handle.send(id(1), Channel::Status, number.to_be_bytes().to_vec()).unwrap();
    }
    for number in 0..500u32 {
        let bytes = number.to_be_bytes().to_vec();
        assert_eq!(b.message().await, (id(1), Channel::Consensus, bytes.clone()));
        assert_eq!(a.message().await, (id(2), Channel::Status, bytes));
    }
    let info = a.info(id(2));
    assert!(info.connected && !info.refused);
    assert_eq!((info.messages_out, info.messages_in), (500, 500));
    assert_eq!((info.bytes_out, info.bytes_in), (2_000, 2_000));
    assert_eq!(info.name, "node-2");
    assert_eq!(info.direction, Some(vostro_network::Direction::Inbound));
    assert_eq!(a.metric("vostro_network_peers_connected"), 1);
    eventually(|| a.info(id(2)).agent.is_some_and(|agent| agent.starts_with("vostro/"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_message_arrives_and_a_larger_one_is_refused_to_the_sender() {
    let (a, mut b) = pair(quick()).await;
    let error = a.handle.send(id(2), Channel::Consensus, vec![0; MAX_DIRECT_BYTES + 1]).unwrap_err();
    assert!(matches!(error, Error::TooLarge { size, max } if size == max + 1));
    assert_eq!(error.to_string(), "8388609 bytes exceed the limit of 8388608 bytes");
    a.handle.send(id(2), Channel::Consensus, vec![5; MAX_DIRECT_BYTES]).unwrap();
    a.handle.send(id(2), Channel::Consensus, Vec::new()).unwrap();
    let sizes = [b.message().await.2.len(), b.message().await.2.len()];
    assert_eq!(sizes, [MAX_DIRECT_BYTES, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_to_strangers_and_absent_peers_are_refused_to_the_sender() {
    let a = start(1, &[(2, None)], quick()).await;
    let send = |peer| a.handle.send(peer, Channel::Consensus, vec![1]);
    assert!(matches!(send(id(2)), Err(Error::NotConnected(_))));
    assert!(matches!(send(id(3)), Err(Error::UnknownPeer(_))));
    assert!(matches!(a.handle.request(id(2), vec![1]), Err(Error::NotConnected(_))));
    assert!(matches!(a.handle.penalise(id(3), "unknown"), Err(Error::UnknownPeer(_))));
    assert_eq!(a.handle.broadcast(Channel::Status, vec![1]).unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_nodes_reach_each_other() {
    let mut nodes = mesh(quick()).await;
    for node in &nodes {
        assert_eq!(node.handle.broadcast(Channel::Consensus, vec![1]).unwrap(), 3);
    }
    for (index, node) in nodes.iter_mut().enumerate() {
        let mut from = BTreeSet::new();
        while from.len() < 3 {
            from.insert(node.message().await.0);
        }
        assert!(!from.contains(&id(index as u8 + 1)));
    }
}

/// Four nodes, each connected with each, all taking part in gossip.
async fn mesh(limits: Limits) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for seed in 1..=4u8 {
        let peers: Vec<(u8, Option<&Multiaddr>)> =
            (1..=4).map(|other| (other, nodes.get(usize::from(other) - 1).map(|node| &node.address))).collect();
        let node = start(seed, &peers, limits.clone()).await;
        nodes.push(node);
    }
    for node in &nodes {
        assert_eq!(node.handle.peers().len(), 3, "its own entry is skipped");
        eventually(|| node.handle.peers().iter().all(|info| info.connected && info.gossips)).await;
    }
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_reaches_all_four() {
    let mut nodes = mesh(quick()).await;
    let batch = vec![9; MAX_BATCH_BYTES];
    nodes[0].handle.publish(batch.clone()).unwrap();
    for node in &mut nodes[1..] {
        assert!(node.batch(Verdict::Accept).await == batch);
    }
    let error = nodes[0].handle.publish(vec![0; MAX_BATCH_BYTES + 1]).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_forwarded_after_accept_and_never_after_reject() {
    // A line: what reaches 3 and 4 went through 2 and 3.
    let n1 = start(1, &[(2, None)], quick()).await;
    let mut n2 = start(2, &[(1, Some(&n1.address)), (3, None)], quick()).await;
    let mut n3 = start(3, &[(2, Some(&n2.address)), (4, None)], quick()).await;
    let mut n4 = start(4, &[(3, Some(&n3.address))], quick()).await;
    for node in [&n1, &n2, &n3, &n4] {
        eventually(|| node.handle.peers().iter().all(|info| info.gossips)).await;
    }
    n1.handle.publish(b"first".to_vec()).unwrap();
    let token = n2
        .find(|event| match event {
            Event::Batch { token, source, .. } if source == id(1) => Some(token),
            _ => None,
        })
        .await;
    while let Some(event) = n3.events.try_recv() {
        assert!(!matches!(event, Event::Batch { .. }), "forwarded before the verdict");
    }
    n2.handle.report(token, Verdict::Accept).unwrap();
    assert_eq!(n3.batch(Verdict::Accept).await, b"first");
    assert_eq!(n4.batch(Verdict::Accept).await, b"first");

    n1.handle.publish(b"bad".to_vec()).unwrap();
    assert_eq!(n2.batch(Verdict::Reject).await, b"bad");
    n1.handle.publish(b"useless".to_vec()).unwrap();
    assert_eq!(n2.batch(Verdict::Ignore).await, b"useless");
    n1.handle.publish(b"last".to_vec()).unwrap();
    assert_eq!(n2.batch(Verdict::Accept).await, b"last");
    assert_eq!(n3.batch(Verdict::Accept).await, b"last");
    assert_eq!(n4.batch(Verdict::Accept).await, b"last");
    assert_eq!(n2.info(id(1)).penalties, 1, "one batch was rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_nobody_to_go_to_is_counted() {
    let a = start(1, &[(2, None)], quick()).await;
    a.handle.publish(b"lonely".to_vec()).unwrap();
    let unsent = "vostro_network_dropped_total{channel=\"batch\",reason=\"unsent\"}";
    a.metric_reaches(unsent, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_refused_and_bounded() {
    let (mut a, mut b) = pair(Limits { requests: 2, ..quick() }).await;
    let request = |node: &Node| node.handle.request(id(2), b"which?".to_vec());
    let question = |event| match event {
        Event::Request { peer, token, bytes } => Some((peer, token, bytes)),
        _ => None,
    };
    request(&a).unwrap();
    let (peer, token, bytes) = b.find(question).await;
    assert_eq!((peer, bytes), (id(1), b"which?".to_vec()));
    b.handle.respond(token, vec![3; MAX_RESPONSE_BYTES]).unwrap();
    assert_eq!(a.response().await.unwrap().len(), MAX_RESPONSE_BYTES);

    request(&a).unwrap();
    let (_, token, _) = b.find(question).await;
    drop(token);
    assert_eq!(a.response().await, Err(RequestError::Refused));

    request(&a).unwrap();
    let (_, token, _) = b.find(question).await;
    let error = b.handle.respond(token, vec![0; MAX_RESPONSE_BYTES + 1]).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }));
    assert_eq!(a.response().await, Err(RequestError::Refused));

    let error = a.handle.request(id(2), vec![0; MAX_REQUEST_BYTES + 1]).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }));
    request(&a).unwrap();
    request(&a).unwrap();
    assert!(matches!(request(&a), Err(Error::Full("requests"))));
    b.handle.shutdown().await;
    assert_eq!(a.response().await, Err(RequestError::Disconnected));
    assert_eq!(a.response().await, Err(RequestError::Disconnected));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_request_times_out() {
    // The one that is asked is more patient, or its own time-out could close the stream first.
    let limits = Limits { request_timeout: Duration::from_millis(300), ..quick() };
    let mut a = start(1, &[(2, None)], limits).await;
    let mut b = start(2, &[(1, Some(&a.address))], quick()).await;
    a.connected(id(2)).await;
    let asked = a.handle.request(id(2), Vec::new()).unwrap();
    let token = b
        .find(|event| match event {
            Event::Request { token, .. } => Some(token),
            _ => None,
        })
        .await;
    let (answered, result) = a
        .find(|event| match event {
            Event::Response { id, result, .. } => Some((id, result)),
            _ => None,
        })
        .await;
    assert_eq!((answered, result), (asked, Err(RequestError::Timeout)));
    b.handle.respond(token, b"late".to_vec()).unwrap();
    b.handle.send(id(1), Channel::Status, b"fine".to_vec()).unwrap();
    assert_eq!(a.message().await.2, b"fine", "the connection outlives the request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_cannot_connect() {
    let mut node = start(1, &[(2, None)], quick()).await;
    let stranger = start(9, &[(1, Some(&node.address))], quick()).await;
    node.metric_reaches("vostro_network_connections_refused_total", 2).await;
    let _ = stranger.handle.broadcast(Channel::Consensus, b"let me in".to_vec());
    let _ = stranger.handle.publish(b"let me in".to_vec());

    let friend = start(2, &[(1, Some(&node.address))], quick()).await;
    assert!(matches!(node.next().await, Event::Connected(peer) if peer == id(2)));
    friend.handle.send(id(1), Channel::Consensus, b"hello".to_vec()).unwrap();
    assert!(matches!(node.next().await, Event::Message { peer, .. } if peer == id(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_at_a_peers_address_is_not_that_peer() {
    let stranger = start(9, &[(1, None)], quick()).await;
    let mut node = start(1, &[(2, Some(&stranger.address))], quick()).await;
    node.metric_reaches("vostro_network_dial_failures_total", 2).await;
    assert!(node.events.try_recv().is_none());
    assert!(!node.info(id(2)).connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_different_chains_exchange_nothing() {
    let mut a = start(1, &[(2, None)], quick()).await;
    let peers = [(1, Some(&a.address))];
    let mut b = start_at(2, any(), [8; 32], &peers, quick()).await;
    b.metric_reaches("vostro_network_dial_failures_total", 2).await;
    a.metric_reaches("vostro_network_connections_refused_total", 2).await;
    assert!(a.events.try_recv().is_none() && b.events.try_recv().is_none());
    assert!(matches!(b.handle.send(id(1), Channel::Consensus, vec![1]), Err(Error::NotConnected(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_restarted_at_its_address_is_found_again() {
    let (mut a, mut b) = pair(quick()).await;
    for round in 0..3u8 {
        // The restarted one does not dial: the other has to find it.
        let address = a.address.clone();
        tokio::time::timeout(PATIENCE, a.handle.shutdown()).await.unwrap();
        while a.events.recv().await.is_some() {}
        assert!(matches!(a.handle.publish(vec![1]), Err(Error::Closed)));
        b.disconnected(id(1)).await;
        a = start_at(1, address, CHAIN, &[(2, None)], quick()).await;
        a.connected(id(2)).await;
        b.connected(id(1)).await;
        a.handle.send(id(2), Channel::Consensus, vec![round]).unwrap();
        assert_eq!(b.message().await.2, [round]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_dial_each_other_at_once_keep_one_connection() {
    for _ in 0..5 {
        // Addresses must be known beforehand: learn two free ones.
        let (first, second) = (start(1, &[], quick()).await, start(2, &[], quick()).await);
        let (at1, at2) = (first.address.clone(), second.address.clone());
        first.handle.shutdown().await;
        second.handle.shutdown().await;
        let (peers1, peers2) = ([(2, Some(&at2))], [(1, Some(&at1))]);
        let (mut a, mut b) = tokio::join!(
            start_at(1, at1.clone(), CHAIN, &peers1, quick()),
            start_at(2, at2.clone(), CHAIN, &peers2, quick()),
        );
        eventually(|| {
            let (at_a, at_b) = (a.info(id(2)).direction, b.info(id(1)).direction);
            at_a.is_some() && at_b.is_some() && at_a != at_b
        })
        .await;
        // A message sent while the two agree may still be lost with the connection that goes, so it is repeated.
        let mut number = 0u32;
        let mut heard = false;
        while !heard {
            let bytes = number.to_be_bytes().to_vec();
            let _ = a.handle.send(id(2), Channel::Consensus, bytes);
            number += 1;
            assert!(number < 1_000);
            tokio::time::sleep(Duration::from_millis(10)).await;
            while let Some(event) = b.events.try_recv() {
                heard |= matches!(event, Event::Message { .. });
            }
        }
        b.handle.send(id(1), Channel::Consensus, vec![1]).unwrap();
        assert_eq!(a.message().await.2, [1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_half_open_connections_harm_nothing() {
    let limits = Limits { handshake_timeout: Duration::from_millis(500), ..quick() };
    let mut node = start(1, &[(2, None), (3, None)], limits.clone()).await;
    let mut friend = start(2, &[(1, Some(&node.address))], limits.clone()).await;
    friend.connected(id(1)).await;
    let port = node.address.to_string().rsplit('/').next().unwrap().parse::<u16>().unwrap();
    let dial = || TcpStream::connect(("127.0.0.1", port));

    let mut noise = Vec::new();
    let mut state = 1u32;
    for _ in 0..4096 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.push((state >> 24) as u8);
    }
    let multistream = b"\x13/multistream/1.0.0\n\x07/noise\n";
    let mut oversized = multistream.to_vec();
    oversized.extend_from_slice(&[0xff; 70_000]);
    let openings: [&[u8]; 6] =
        [&noise, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[0xff; 4096], &[0; 4096], multistream, &oversized];
    for opening in openings {
        let mut stream = dial().await.unwrap();
        // The node may close before everything is written.
        let _ = stream.write_all(opening).await;
    }
    // More half-open ones than one address may have, held until the end.
    let mut held = Vec::new();
    for _ in 0..limits.pending_incoming_per_address + 8 {
        held.push(dial().await.unwrap());
    }
    node.metric_reaches("vostro_network_connections_refused_total", 8).await;
    friend.handle.send(id(1), Channel::Consensus, b"still here".to_vec()).unwrap();
    assert_eq!(node.message().await.2, b"still here");
    let late = start(3, &[(1, Some(&node.address))], limits).await;
    node.connected(id(3)).await;
    late.handle.send(id(1), Channel::Consensus, b"made it".to_vec()).unwrap();
    assert_eq!(node.message().await.2, b"made it");
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_or_of_another_kind_is_named() {
    let node = start(1, &[], quick()).await;
    for address in [node.address.clone(), "/ip4/127.0.0.1/udp/1".parse().unwrap()] {
        let config =
            Config { key: key(2), chain: CHAIN, listen: vec![address.clone()], peers: Vec::new(), limits: quick() };
        let error = spawn(config).await.unwrap_err();
        assert!(matches!(error, Error::Listen { .. }));
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flooding_peer_is_refused_and_the_others_are_heard() {
    let limits = Limits {
        direct_messages_per_second: 100,
        flood_interval: Duration::from_millis(50),
        flood_tolerance: 5,
        cool_down: Duration::from_secs(600),
        ..quick()
    };
    let mut node = start(1, &[(2, None), (3, None)], limits).await;
    let mut honest = start(2, &[(1, Some(&node.address))], quick()).await;
    let mut flooder = start(3, &[(1, Some(&node.address))], quick()).await;
    honest.connected(id(1)).await;
    flooder.connected(id(1)).await;

    let flooding = flooder.handle.clone();
    let flood = tokio::spawn(async move {
        let mut sent = 0u64;
        while flooding.send(id(1), Channel::Consensus, vec![0; 1024]).is_ok() {
            sent += 1;
            if sent.is_multiple_of(500) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    for number in 0..100u8 {
        honest.handle.send(id(1), Channel::Consensus, vec![number]).unwrap();
    }
    let mut next = 0u8;
    let mut refused = false;
    while next < 100 || !refused {
        match node.next().await {
            Event::Message { peer, bytes, .. } if peer == id(2) => {
                assert_eq!(bytes, [next]);
                next += 1;
            }
            Event::Disconnected(peer) => {
                assert_eq!(peer, id(3));
                refused = true;
            }
            _ => {}
        }
    }
    flooder.disconnected(id(1)).await;
    tokio::time::timeout(PATIENCE, flood).await.unwrap().unwrap();
    let info = node.info(id(3));
    assert!(info.refused && info.dropped > 0 && info.penalties >= 3, "{info:?}");
    assert_eq!(node.info(id(2)).penalties, 0);
    assert_eq!(node.info(id(2)).dropped, 0);

    let before = node.metric("vostro_network_connections_refused_total");
    node.metric_reaches("vostro_network_connections_refused_total", before + 2).await;
    assert!(!node.info(id(3)).connected);
    honest.handle.send(id(1), Channel::Consensus, b"after".to_vec()).unwrap();
    assert_eq!(node.message().await.2, b"after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_penalised_peer_comes_back_after_its_cool_down() {
    let limits = Limits { cool_down: Duration::from_millis(300), ..quick() };
    let (mut a, mut b) = pair(limits).await;
    a.handle.penalise(id(2), "a first time").unwrap();
    a.handle.penalise(id(2), "a second time").unwrap();
    b.handle.send(id(1), Channel::Consensus, b"still connected".to_vec()).unwrap();
    assert_eq!(a.message().await.2, b"still connected");
    a.handle.penalise(id(2), "a third time").unwrap();
    a.disconnected(id(2)).await;
    b.disconnected(id(1)).await;
    a.connected(id(2)).await;
    assert_eq!(a.info(id(2)).penalties, 3);
    assert_eq!(a.metric("vostro_network_cool_downs_total"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_application_delays_a_peer_and_loses_nothing_unaccounted() {
    const COUNT: u32 = 640;
    const SIZE: usize = 64 * 1024;
    let mut node = start(1, &[(2, None), (3, None)], quick()).await;
    let mut eager = start(2, &[(1, Some(&node.address))], quick()).await;
    let mut other = start(3, &[(1, Some(&node.address))], quick()).await;
    eager.connected(id(1)).await;
    other.connected(id(1)).await;
    // Nothing is taken at the node meanwhile.
    for number in 0..COUNT {
        let mut bytes = vec![0; SIZE];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        eager.handle.send(id(1), Channel::Consensus, bytes).unwrap();
        if number % 64 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    other.handle.send(id(1), Channel::Consensus, b"me too".to_vec()).unwrap();
    eventually(|| node.info(id(3)).messages_in == 1).await;

    let mut last = None;
    let mut received = 0;
    let mut heard_other_after = None;
    while last != Some(COUNT - 1) || heard_other_after.is_none() {
        if let Event::Message { peer, bytes, .. } = node.next().await {
            if peer == id(3) {
                heard_other_after = Some(received);
                continue;
            }
            let number = u32::from_be_bytes(bytes[..4].try_into().unwrap());
            assert!(last < Some(number), "in order");
            last = Some(number);
            received += 1;
        }
    }
    assert!(heard_other_after < Some(COUNT / 2), "served in turn: {heard_other_after:?}");
    assert_eq!(u64::from(received) + eager.info(id(1)).dropped, u64::from(COUNT));
    assert_eq!(node.info(id(2)).dropped, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_ends_when_its_handle_is_dropped() {
    let (a, mut b) = pair(quick()).await;
    let Node { handle, mut events, .. } = a;
    drop(handle);
    b.disconnected(id(1)).await;
    let end = async { while events.recv().await.is_some() {} };
    tokio::time::timeout(PATIENCE, end).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_application_keeps_counts_against_its_sender() {
    const SIZE: usize = 7 << 20;
    let (mut a, b) = pair(quick()).await;
    let send = || b.handle.send(id(1), Channel::Consensus, vec![0; SIZE]).unwrap();
    let mut kept = Vec::new();
    for _ in 0..2 {
        send();
        let room = a
            .find(|event| match event {
                Event::Message { bytes, room, .. } => Some((bytes.len(), room)),
                _ => None,
            })
            .await;
        assert_eq!(room.0, SIZE);
        kept.push(room);
    }
    // There is room for 16 MiB, and 14 are in the application's hands.
    send();
    assert!(tokio::time::timeout(Duration::from_millis(500), a.events.recv()).await.is_err());
    kept.pop();
    assert_eq!(a.message().await.2.len(), SIZE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_asks_without_end_has_few_places() {
    let answers = 2;
    let mut a = start(1, &[(2, None)], Limits { requests: 64, ..quick() }).await;
    let mut b = start(2, &[(1, Some(&a.address))], Limits { answers, ..quick() }).await;
    a.connected(id(2)).await;
    let ask = |node: &Node| node.handle.request(id(2), b"which?".to_vec()).unwrap();
    let question = |event| match event {
        Event::Request { token, .. } => Some(token),
        _ => None,
    };
    // The application takes what comes and answers nothing.
    let mut tokens = Vec::new();
    for _ in 0..answers {
        ask(&a);
        tokens.push(b.find(question).await);
    }
    for _ in 0..10 {
        ask(&a);
        assert_eq!(a.response().await, Err(RequestError::Refused));
    }
    assert_eq!(b.metric("vostro_network_dropped_total{channel=\"sync\",reason=\"inbox_full\"}"), 10);
    // Each answer makes room for another question, once it has gone.
    for _ in 0..10 {
        b.handle.respond(tokens.remove(0), b"this".to_vec()).unwrap();
        assert_eq!(a.response().await, Ok(b"this".to_vec()));
        for _ in 0..100 {
            ask(&a);
            tokio::select! {
                token = b.find(question) => {
                    tokens.push(token);
                    break;
                }
                refused = a.response() => assert_eq!(refused, Err(RequestError::Refused)),
            }
        }
        assert_eq!(tokens.len(), answers);
    }
}
