//! A validator and strangers flood three real nodes over real sockets while honest users pay: what that costs in memory and
//! in time. `VOSTRO_ALL=1` sends a million messages and prints the figures that docs/protocol.md tells.
#![allow(clippy::unwrap_used, missing_docs)]

mod e2e;

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::AsyncWriteExt as _;
use vostro_consensus::{MESSAGE_VERSION, Message, PrePrepare, Signed, Status, ViewChange, Vote};
use vostro_engine::wire::GossipBatch;
use vostro_network::raw::{Raw, RawStream};
use vostro_network::{Config, Limits, MAX_DIRECT_BYTES, Multiaddr, NetworkKey, Peer, peer_id_of};
use vostro_types::block::{HEADER_VERSION, transactions_root};
use vostro_types::evidence::evidence_root;
use vostro_types::transaction::{BODY_VERSION, Payload};
use vostro_types::{
    AccountKind, Block, BlockId, Body, Epoch, Hash, Header, Height, SecretKey, Time, Transaction, ValidatorIndex,
    ValidatorSet, View,
};

use e2e::deeds::*;
use e2e::market::{LASTING, Market, by, id, node_keys};
use e2e::until;

/// Who floods. Its own node does not run.
const HOSTILE: &str = "delta";
/// Who is flooded. All three are needed for a quorum, so the chain stops if one of them does.
const VICTIMS: [&str; 3] = ["atlas", "birch", "cedar"];
/// Different messages that a victim is sent again and again, until the next pool.
const POOL: u64 = 1000;
/// Below the rate at which a node begins to drop.
const PER_SECOND: u64 = 900;
/// Messages written at once.
const CHUNK: u64 = 50;
/// Messages sent to each victim at once at the end: more than the two seconds' worth that it lets in.
const BURST: u64 = 4_000;
/// Streams opened and never used, on each connection.
const SILENT_STREAMS: usize = 20;
/// Requests begun and never finished, on each connection.
const HALF_REQUESTS: usize = 12;
/// Connections of strangers to each victim's peer port and to its RPC port.
const STRANGERS: usize = 40;
/// Batches gossiped to all.
const BATCHES: u32 = 400;
/// Honest payments before a short flood and, if figures are wanted, before a long one; during it there are at least
/// [`PAYMENTS`].
const PAYMENTS: usize = 12;
const PAYMENTS_TO_COMPARE: usize = 200;
/// What is done to them, one after the other.
const PHASES: [&str; 4] = ["strangers", "gossip", "messages", "misbehaviour"];
/// What a flood may cost a node, in bytes of resident memory above what it had when it was idle.
const BOUND: u64 = 96 << 20;
/// A connection is made anew after so long, so that streams that timed out come again.
const CONNECTION: Duration = Duration::from_secs(15);

/// A validator's view of the chain, and its keys.
struct Liar {
    chain: Hash,
    set: ValidatorSet,
    me: ValidatorIndex,
    voting: SecretKey,
    network: [u8; 32],
}

impl Liar {
    fn new(m: &Market) -> Self {
        let [voting, network] = node_keys(HOSTILE);
        let set = m.chain.genesis().validator_set();
        let me = set.index_of(&voting.public()).unwrap();
        Liar { chain: *m.chain.genesis_hash(), set, me, voting, network: *network.to_seed() }
    }

    fn network_key(&self) -> NetworkKey {
        NetworkKey::from_secret(self.network)
    }

    fn signed(&self, message: Message) -> Vec<u8> {
        let signature = self.voting.sign(&message.statement().bytes(&self.chain, &self.set));
        Signed { version: MESSAGE_VERSION, sender: self.me, signature, message }.encode()
    }

    /// A large proposal of a height far ahead whose first primary this validator is. It verifies.
    fn proposal(&self, height: u64, transactions: &[Transaction]) -> Vec<u8> {
        let n = self.set.len() as u64;
        let height = Height(height - height % n + u64::from(self.me.0));
        let transactions: Vec<_> = transactions.iter().cloned().map(Arc::new).collect();
        let header = Header {
            version: HEADER_VERSION,
            epoch: Epoch(0),
            height,
            parent: BlockId(Hash::ZERO),
            time: Time(1),
            validators: self.set.hash(),
            next_validators: self.set.hash(),
            transactions_root: transactions_root(&transactions),
            evidence_root: evidence_root(&[]),
            receipts_root: Hash::ZERO,
            state_root: Hash::ZERO,
        };
        let block = Arc::new(Block { header, transactions, evidence: Vec::new() });
        assert_eq!(self.set.primary(height, View(0)), self.me);
        self.signed(Message::PrePrepare(PrePrepare { height, view: View(0), block, justification: None }))
    }

    /// What a validator can say at a height that is neither false nor of any use: heights and views far away, votes and
    /// requests again and again. Nothing here contradicts itself, which would end the connection.
    fn pool(&self, height: u64, fat: &[Transaction]) -> Vec<Vec<u8>> {
        let block = |n: u64| {
            let mut hash = [7; 32];
            hash[..8].copy_from_slice(&n.to_le_bytes());
            BlockId(Hash(hash))
        };
        let ask = |height, view| Message::ViewChange(ViewChange { height, view, prepared: None, block: None });
        let one = |i: u64| {
            let far = Height(height + 3 + i * i * i);
            let near = Height(height + 1 + i % 2);
            let (view, block) = (View(i % 60), block(i));
            match i % 10 {
                0..=2 => self.signed(Message::Prepare(Vote { height: far, view, block })),
                3 => self.signed(Message::Commit(Vote { height: far, view: View(i << 20), block })),
                4 | 5 => self.signed(Message::Prepare(Vote { height: near, view: View(1000 + i), block })),
                6 => self.signed(ask(near, View(100 + i))),
                7 => self.signed(ask(far, View(i))),
                8 => self.signed(Message::Status(Status { block: BlockId(self.chain), certificate: None })),
                _ if i % 100 == 99 => self.proposal(height + 1000 + 8 * i, fat),
                _ => self.signed(Message::Prepare(Vote { height: far, view: View(u64::MAX), block })),
            }
        };
        (0..POOL).map(one).collect()
    }

    /// A transaction that verifies and that nobody will admit: its sender does not exist.
    fn stranger(&self, n: u64) -> Transaction {
        let key = SecretKey::from_seed([201; 32]);
        let body = Body {
            version: BODY_VERSION,
            sender: id("nobody"),
            valid_until: Time(u64::MAX),
            salt: n,
            payload: Payload::One(transfer("iris", "1.00")),
        };
        body.sign(&self.chain, &[&key])
    }
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn address(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

/// What was done to the victims.
#[derive(Default)]
struct Counts {
    messages: AtomicU64,
    connections: AtomicU64,
    refused: AtomicU64,
    half_open: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// Floods one victim with `messages` messages, over as many connections as that takes.
async fn flood(liar: Arc<Liar>, port: u16, height: Arc<AtomicU64>, messages: u64, counts: Arc<Counts>) {
    let fat: Vec<Transaction> = (0..700).map(|n| liar.stranger(n)).collect();
    let chain = liar.chain.0;
    let mut left = messages;
    for _ in 0..1000 {
        if left == 0 {
            return;
        }
        let dialled = async {
            let raw = Raw::dial(&liar.network_key(), &chain, &address(port)).await?;
            let consensus = raw.stream(&chain, "consensus").await?;
            Ok::<_, std::io::Error>((raw, consensus))
        };
        let Ok((raw, mut consensus)) = dialled.await else {
            Counts::add(&counts.refused, 1);
            tokio::time::sleep(Duration::from_millis(250)).await;
            continue;
        };
        Counts::add(&counts.connections, 1);
        let held = half_open(&raw, &chain, &counts).await;
        let (began, mut sent) = (Instant::now(), 0);
        while left > 0 && began.elapsed() < CONNECTION {
            let pool = liar.pool(height.load(Ordering::Relaxed), &fat);
            let mut turn = 0..2 * POOL;
            while left > 0 && !turn.is_empty() {
                let chunk = CHUNK.min(left);
                let bytes: Vec<u8> =
                    turn.by_ref().take(chunk as usize).flat_map(|i| frame(&pool[(i % POOL) as usize])).collect();
                if consensus.write_all(&bytes).await.is_err() || consensus.flush().await.is_err() {
                    break;
                }
                (left, sent) = (left - chunk, sent + chunk);
                Counts::add(&counts.messages, chunk);
                let due = Duration::from_millis(sent * 1000 / PER_SECOND);
                tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
            }
            if raw.has_ended() {
                break;
            }
        }
        drop(held);
    }
    panic!("{left} messages could not be sent");
}

/// Streams that are opened and never finished, kept for as long as the result.
async fn half_open(raw: &Raw, chain: &[u8; 32], counts: &Counts) -> Vec<RawStream> {
    let mut held = Vec::new();
    if let Ok(mut status) = raw.stream(chain, "status").await {
        // A message of the greatest length that never comes to its end.
        let announced = u32::try_from(MAX_DIRECT_BYTES).unwrap().to_be_bytes();
        let _ = status.write_all(&announced).await;
        let _ = status.write_all(&vec![1; 128 << 10]).await;
        let _ = status.flush().await;
        held.push(status);
    }
    for _ in 0..HALF_REQUESTS {
        if let Ok(mut request) = raw.stream(chain, "sync").await {
            let _ = request.write_all(&(200_u32 << 10).to_be_bytes()).await;
            let _ = request.write_all(&[0; 1024]).await;
            let _ = request.flush().await;
            held.push(request);
        }
    }
    for _ in 0..SILENT_STREAMS {
        if let Ok(silent) = raw.open().await {
            held.push(silent);
        }
    }
    Counts::add(&counts.half_open, held.len() as u64);
    held
}

/// At the end what a node punishes: more than the rate, garbage, frames that are too large, a second stream. The node has
/// ended the connection when this returns.
async fn misbehave(liar: Arc<Liar>, port: u16, counts: Arc<Counts>) {
    let chain = liar.chain.0;
    for attempt in 0..200 {
        let dialled = async {
            let raw = Raw::dial(&liar.network_key(), &chain, &address(port)).await?;
            let stream = raw.stream(&chain, "consensus").await?;
            Ok::<_, std::io::Error>((raw, stream))
        };
        let Ok((raw, mut stream)) = dialled.await else {
            if attempt > 8 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let small = frame(&liar.signed(Message::Prepare(Vote {
            height: Height(1 << 40),
            view: View(0),
            block: BlockId(Hash::ZERO),
        })));
        let said: Vec<u8> = match attempt % 4 {
            0 => small.repeat(BURST as usize),
            1 => (0..50).flat_map(|n| frame(&vec![0xff; 100 + n])).collect(),
            2 => (MAX_DIRECT_BYTES as u32 + 1).to_be_bytes().to_vec(),
            _ => Vec::new(),
        };
        Counts::add(&counts.messages, if attempt % 4 == 0 { BURST } else { 50 });
        let _ = stream.write_all(&said).await;
        let _ = stream.flush().await;
        let _second = raw.stream(&chain, "consensus").await;
        // A second stream ends the connection, if nothing before it did.
        for _ in 0..200 {
            if raw.has_ended() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert!(raw.has_ended(), "the node keeps a connection that breaks its rules");
    }
}

/// Batches by the way of gossip: each other, all of transactions that verify and have no sender.
async fn gossip(liar: Arc<Liar>, m: Vec<(&'static str, u16)>) {
    let peer = |(name, port): &(&str, u16)| {
        let [_, network] = node_keys(name);
        let peer_id = peer_id_of(&network.public().0).unwrap();
        Peer { peer_id, name: (*name).to_string(), addresses: vec![address(*port)] }
    };
    let config = Config {
        key: liar.network_key(),
        chain: liar.chain.0,
        listen: Vec::new(),
        peers: m.iter().map(peer).collect(),
        limits: Limits::default(),
    };
    let (handle, mut events, _) = vostro_network::spawn(config).await.unwrap();
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    for _ in 0..400 {
        if handle.peers().iter().all(|p| p.connected && p.gossips) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    for n in 0..BATCHES {
        let transactions = (0..10).map(|i| Arc::new(liar.stranger(u64::from(n) << 32 | i))).collect();
        let _ = handle.publish(GossipBatch { transactions, evidence: Vec::new() }.to_bytes());
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    handle.shutdown().await;
}

/// Strangers: connections that say nothing, garbage, keys that are not listed, half a request to the RPC.
async fn strangers(liar: Arc<Liar>, p2p: u16, rpc: String) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for n in 0..STRANGERS {
        let mut garbage = TcpStream::connect(("127.0.0.1", p2p)).unwrap();
        // The node may close before everything is written.
        let _ = garbage.write_all(&vec![n as u8; 4096]);
        held.push(TcpStream::connect(("127.0.0.1", p2p)).unwrap());
        let mut half = TcpStream::connect(&rpc).unwrap();
        let head =
            "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n[";
        let _ = half.write_all(head.as_bytes());
        let _ = half.write_all(&vec![b' '; 200 << 10]);
        held.push(half);
    }
    for n in 0..4 {
        let key = NetworkKey::from_secret([150 + n; 32]);
        if let Ok(raw) = Raw::dial(&key, &liar.chain.0, &address(p2p)).await {
            assert!(raw.stream(&liar.chain.0, "consensus").await.is_err(), "a stranger was let in");
        }
    }
    held
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Pays until `enough` says so; in which phase each payment began, and how long it took.
fn pay(m: &Market, phase: &AtomicUsize, enough: impl Fn(usize) -> bool) -> Vec<(usize, Duration)> {
    let mut times = Vec::new();
    while !enough(times.len()) {
        let (phase, began) = (phase.load(Ordering::Relaxed), Instant::now());
        m.applied(by("ada", transfer("iris", "0.01")));
        times.push((phase, began.elapsed()));
    }
    times
}

fn percentiles(times: impl Iterator<Item = Duration>) -> String {
    let mut times: Vec<f64> = times.map(|time| time.as_secs_f64() * 1000.0).collect();
    times.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| times.get((times.len().max(1) - 1) * percent / 100).copied().unwrap_or(f64::NAN);
    format!("{} payments: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms", times.len(), at(50), at(90), at(99))
}

#[test]
fn a_flood_over_sockets_stops_nobody_and_takes_little_memory() {
    let all = std::env::var("VOSTRO_ALL").is_ok();
    let (total, first) = if all { (1_000_000, PAYMENTS_TO_COMPARE) } else { (20_000_u64, PAYMENTS) };
    let m = Market::open_timed(LASTING, 300, &["ada", "iris"]);
    m.all([
        by("atlas", open("ada", AccountKind::User)).with("ada"),
        by("atlas", open("iris", AccountKind::User)).with("iris"),
        by("gateway", deposit("in", "ada", "CNY", "10000.00")),
    ]);
    m.kill(HOSTILE);
    let liar = Arc::new(Liar::new(&m));
    let phase = Arc::new(AtomicUsize::new(0));
    let before = pay(&m, &phase, |n| n == first);
    let pids = VICTIMS.map(|name| m.pid(name));
    let idle = pids.map(resident);

    let height = Arc::new(AtomicU64::new(m.height(VICTIMS[0])));
    let counts = Arc::new(Counts::default());
    let done = Arc::new(AtomicBool::new(false));
    let ports = VICTIMS.map(|name| (name, m.p2p(name)));
    let rpcs = VICTIMS.map(|name| m.rpc(name).to_string());
    let flooding = std::thread::spawn({
        let (liar, counts, done, height) = (liar.clone(), counts.clone(), done.clone(), height.clone());
        let phase = phase.clone();
        move || {
            // Whatever happens here, those who wait for the end do not wait in vain.
            struct Done(Arc<AtomicBool>);
            impl Drop for Done {
                fn drop(&mut self) {
                    self.0.store(true, Ordering::Relaxed);
                }
            }
            let _done = Done(done);
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let mut held = Vec::new();
                for ((_, port), rpc) in ports.into_iter().zip(rpcs) {
                    held.extend(strangers(liar.clone(), port, rpc).await);
                }
                phase.store(1, Ordering::Relaxed);
                gossip(liar.clone(), ports.to_vec()).await;
                phase.store(2, Ordering::Relaxed);
                let each = total / VICTIMS.len() as u64;
                let floods = ports
                    .map(|(_, port)| tokio::spawn(flood(liar.clone(), port, height.clone(), each, counts.clone())));
                for flood in floods {
                    flood.await.unwrap();
                }
                phase.store(3, Ordering::Relaxed);
                let bursts = ports.map(|(_, port)| tokio::spawn(misbehave(liar.clone(), port, counts.clone())));
                for burst in bursts {
                    burst.await.unwrap();
                }
                drop(held);
            });
        }
    });
    let watching = std::thread::spawn({
        let (done, phase) = (done.clone(), phase.clone());
        move || {
            let mut peaks = [idle; PHASES.len()];
            while !done.load(Ordering::Relaxed) {
                for (peak, pid) in peaks[phase.load(Ordering::Relaxed)].iter_mut().zip(pids) {
                    *peak = resident(pid).max(*peak);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            peaks
        }
    });
    let began = Instant::now();
    let during = pay(&m, &phase, |n| {
        height.store(m.height(VICTIMS[0]), Ordering::Relaxed);
        n >= PAYMENTS && done.load(Ordering::Relaxed)
    });
    flooding.join().unwrap();
    let peaks = watching.join().unwrap();

    println!("before: {}", percentiles(before.iter().map(|(_, time)| *time)));
    println!("during: {}", percentiles(during.iter().map(|(_, time)| *time)));
    for (at, name) in PHASES.iter().enumerate() {
        println!("  {name}: {}", percentiles(during.iter().filter(|(phase, _)| *phase == at).map(|(_, time)| *time)));
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} messages and {} half-open streams over {} connections in {} s; {} dials refused",
        count(&counts.messages),
        count(&counts.half_open),
        count(&counts.connections),
        began.elapsed().as_secs(),
        count(&counts.refused)
    );
    let mut ignored = 0.0;
    for (at, (name, idle)) in VICTIMS.iter().zip(idle).enumerate() {
        let more = peaks.map(|peak| (peak[at] - idle) >> 10);
        let peak = peaks.iter().map(|peak| peak[at]).max().unwrap();
        let of = |metric: &str| m.metric(name, metric);
        ignored += of("vostro_messages_ignored");
        println!(
            "{name}: {} KiB idle, at the peak of {PHASES:?} {more:?} KiB more; {} messages ignored, {} refused, {} above the \
             rate",
            idle >> 10,
            of("vostro_messages_ignored"),
            of("vostro_messages_refused"),
            of("vostro_network_dropped_total{channel=\"consensus\",reason=\"rate\"}"),
        );
        assert!(peak - idle <= BOUND, "{name} took {} bytes", peak - idle);
        assert!(of("vostro_network_cool_downs_total") >= 1.0, "{name} refuses who misbehaves for a while");
    }
    let sent = count(&counts.messages);
    assert!(sent >= total / 3 * 3 + BURST * 3, "{sent}");
    assert!(ignored > total as f64 / 10.0, "most is not worth a look at its signature: {ignored}");

    // Every payment was settled once, and the honest agree. The flooder's own node comes back and follows.
    let paid = (before.len() + during.len()) as u128;
    assert_eq!((m.purse("ada"), m.purse("iris")), (1_000_000 - paid, paid));
    m.restart(HOSTILE);
    until("everybody to have the payments", || (m.height(HOSTILE) >= m.height(VICTIMS[0])).then_some(()));
    m.close();
}
