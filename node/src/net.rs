//! Between the network and the engine: has transactions, evidence and answers to catch-up verified, serves catch-up, passes the
//! rest on.
//!
//! Invariant: a batch is forwarded to others only after every signature in it, of transactions and of evidence, verified here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vostro_engine::Event;
use vostro_engine::wire::{Certified, GossipBatch, MAX_SYNC_BLOCKS, MAX_SYNC_BYTES, SyncRequest, SyncResponse};
use vostro_network::{Channel, Event as NetEvent, Events, Handle, PeerId, Room, Verdict, Wrap};
use vostro_storage::BlockReader;
use vostro_types::VerifiedTransaction;
use vostro_types::evidence::MAX_EVIDENCE;

use crate::boot::decode_record;
use crate::host::{Msg, Peers};
use crate::verifier::Verifier;

/// Batches from peers that are verified or wait for the engine; of more, gossip drops them and the primary is sent them
/// directly later, or who holds them proposes them.
pub const MAX_BATCHES: usize = 64;
/// Those of one peer, so that one cannot take every turn.
pub const MAX_BATCHES_EACH: usize = 24;
/// Catch-up requests served at the same time; others wait, no more of a peer than the network gives places for answers.
const MAX_SERVING: usize = 4;

/// A batch's place among those that are verified or wait for the engine.
#[derive(Debug)]
pub struct Turn {
    _of_all: OwnedSemaphorePermit,
    _of_peer: OwnedSemaphorePermit,
    _room: Option<Room>,
}

/// Places for batches, of all peers and of each.
struct Turns {
    all: Arc<Semaphore>,
    each: BTreeMap<PeerId, Arc<Semaphore>>,
}

impl Turns {
    fn new() -> Self {
        Turns { all: Arc::new(Semaphore::new(MAX_BATCHES)), each: BTreeMap::new() }
    }

    /// A place for a batch of a peer, if one is left. A batch that came as a message keeps the room of one.
    fn take(&mut self, peer: PeerId, room: Option<Room>) -> Option<Turn> {
        let own = self.each.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(MAX_BATCHES_EACH)));
        let of_peer = own.clone().try_acquire_owned().ok()?;
        Some(Turn { _of_all: self.all.clone().try_acquire_owned().ok()?, _of_peer: of_peer, _room: room })
    }
}

/// Sends to the engine; waits without blocking the runtime while its queue is full. False if the engine is gone.
pub async fn tell(engine: &Sender<Msg>, mut msg: Msg) -> bool {
    loop {
        match engine.try_send(msg) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => {
                msg = back;
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
    }
}

/// Everything the task needs.
pub struct Relay {
    /// The network.
    pub network: Handle,
    /// The engine.
    pub engine: Sender<Msg>,
    /// Network identities of validators.
    pub peers: Arc<Peers>,
    /// Verifies batches.
    pub verifier: Verifier,
    /// Durable blocks, for others that catch up.
    pub blocks: BlockReader,
    /// Makes tasks count as the network's.
    pub wrap: Wrap,
}

impl Relay {
    /// Runs until the network or the engine ends.
    pub async fn run(self, mut events: Events) {
        let serving = Arc::new(Semaphore::new(MAX_SERVING));
        let mut turns = Turns::new();
        let mut names: BTreeMap<PeerId, String> = BTreeMap::new();
        while let Some(event) = events.recv().await {
            let alive = match event {
                NetEvent::Connected(peer) => {
                    let name = self.network.peers().into_iter().find(|p| p.peer_id == peer).map(|p| p.name);
                    tracing::info!(peer = %name.as_deref().unwrap_or("?"), id = %peer, "connected");
                    names.insert(peer, name.unwrap_or_default());
                    match self.peers.index(&peer) {
                        Some(index) => tell(&self.engine, Msg::Event(Event::Connected(index))).await,
                        None => true,
                    }
                }
                NetEvent::Disconnected(peer) => {
                    tracing::info!(peer = %names.remove(&peer).unwrap_or_default(), id = %peer, "disconnected");
                    match self.peers.index(&peer) {
                        Some(index) => tell(&self.engine, Msg::Event(Event::Disconnected(index))).await,
                        None => true,
                    }
                }
                NetEvent::Message { peer, channel: Channel::Consensus, bytes, room } => {
                    let from = self.peers.index(&peer);
                    tell(&self.engine, Msg::Heard { from, bytes, room }).await
                }
                NetEvent::Message { peer, channel: Channel::Status, bytes, room } => {
                    let turn = turns.take(peer, Some(room));
                    self.transactions(turn, bytes, move |network, verdict| {
                        if verdict == Verdict::Reject {
                            // A peer that is gone needs no penalty.
                            let _ = network.penalise(peer, "forwarded a transaction or evidence that does not verify");
                        }
                    });
                    true
                }
                NetEvent::Batch { token, source, bytes } => {
                    let turn = turns.take(source, None);
                    self.transactions(turn, bytes, move |network, verdict| {
                        // The token is void if the peer left meanwhile.
                        let _ = network.report(token, verdict);
                    });
                    true
                }
                NetEvent::Request { token, bytes, .. } => {
                    let (blocks, network, serving) = (self.blocks.clone(), self.network.clone(), serving.clone());
                    tokio::spawn(async move {
                        let _turn = serving.acquire().await;
                        let answer = tokio::task::spawn_blocking(move || serve(&blocks, &bytes)).await;
                        if let Ok(Some(answer)) = answer {
                            // Whoever asked may have left.
                            let _ = network.respond(token, answer);
                        }
                    });
                    true
                }
                NetEvent::Response { id, result, .. } => {
                    let (verifier, engine) = (self.verifier.clone(), self.engine.clone());
                    // One request is under way at a time, so this is all that waits for the engine.
                    tokio::task::spawn_blocking(move || verifier.answer(id, result.ok(), &engine));
                    true
                }
            };
            if !alive {
                return;
            }
        }
    }

    /// Verifies a batch from a peer and hands it to the engine; `judge` hears what to think of it.
    fn transactions(&self, turn: Option<Turn>, bytes: Vec<u8>, judge: impl FnOnce(&Handle, Verdict) + Send + 'static) {
        let Some(turn) = turn else {
            judge(&self.network, Verdict::Ignore);
            return;
        };
        let (verifier, network, engine) = (self.verifier.clone(), self.network.clone(), self.engine.clone());
        let wrap = self.wrap.clone();
        tokio::spawn(wrap(Box::pin(async move {
            let batch = GossipBatch::from_bytes(&bytes).ok().filter(|b| b.evidence.len() <= MAX_EVIDENCE);
            let Some(GossipBatch { transactions, evidence }) = batch else {
                judge(&network, Verdict::Reject);
                return;
            };
            drop(bytes);
            let count = transactions.len() + evidence.len();
            let verdicts = verifier.verify(transactions).await;
            let transactions: Vec<VerifiedTransaction> = verdicts.into_iter().filter_map(Result::ok).collect();
            let evidence = verifier.evidence(evidence).await;
            let good = transactions.len() + evidence.len() == count;
            judge(&network, if good { Verdict::Accept } else { Verdict::Reject });
            tell(&engine, Msg::Gossip { evidence, transactions, turn }).await;
        })));
    }
}

/// Answers a catch-up request from durable blocks. `None` if it is malformed or a block cannot be read.
fn serve(blocks: &BlockReader, bytes: &[u8]) -> Option<Vec<u8>> {
    let request = SyncRequest::from_bytes(bytes).ok()?;
    let (mut found, mut size) = (Vec::new(), 0);
    for record in blocks.blocks(request.from.0).take(usize::from(request.count).min(MAX_SYNC_BLOCKS)) {
        let record = record.inspect_err(|error| tracing::error!(%error, "a block cannot be read")).ok()?;
        size += record.block.len() + record.certificate.len();
        if size > MAX_SYNC_BYTES && !found.is_empty() {
            break;
        }
        let stored =
            decode_record(&record).inspect_err(|error| tracing::error!(%error, "a block cannot be read")).ok()?;
        found.push(Certified { block: stored.block, certificate: stored.certificate });
    }
    Some(SyncResponse { blocks: found }.to_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vostro_network::NetworkKey;

    #[test]
    fn no_peer_takes_every_turn() {
        let peer = |seed| NetworkKey::from_secret([seed; 32]).peer_id();
        let mut turns = Turns::new();
        let mut taken: Vec<Turn> = std::iter::from_fn(|| turns.take(peer(1), None)).take(1000).collect();
        assert_eq!(taken.len(), MAX_BATCHES_EACH);
        for seed in 2..=9 {
            taken.extend(std::iter::from_fn(|| turns.take(peer(seed), None)).take(1000));
        }
        assert_eq!(taken.len(), MAX_BATCHES);
        taken.truncate(MAX_BATCHES - 1);
        assert!(turns.take(peer(9), None).is_some(), "what is done makes room");
    }
}
