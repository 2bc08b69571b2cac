//! What RPC asks of this node, answered from durable blocks, the state and the engine's queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use vostro_api::ApiError;
use vostro_api::code;
use vostro_api::error::REJECTION_BASE;
use vostro_api::node::{NodeInfo, PeerInfo};
use vostro_api::receipt::Status as TxStatus;
use vostro_engine::{Admission, Refusal};
use vostro_execution::StateProof;
use vostro_execution::tree::key_hash;
use vostro_network::Handle;
use vostro_rpc::{Admitted, Backend, Proved, Status, StoredBlock};
use vostro_settlement::Reader;
use vostro_storage::state::{StateReader, StateView};
use vostro_storage::{BlockReader, Table};
use vostro_types::{AccountId, BlockId, Epoch, Genesis, Hash, Height, Transaction, TxId, ValidatorSet};

use crate::boot::decode_record;
use crate::cpu::timed_apart;
use crate::host::{Msg, Peers};
use crate::index::{block_key, history_key, parse_history, parse_place, transaction_key};
use crate::metrics::Part;
use crate::net::tell;
use crate::shared::{AdmitReply, Shared};
use crate::signer;
use crate::verifier::Verifier;

/// How often a proof is tried while blocks arrive, and the pause between.
const PROVE_ATTEMPTS: usize = 50;
const PROVE_PAUSE: Duration = Duration::from_millis(2);
/// Entries of an account's history that are read at once, each of up to a block's receipts.
const HISTORY_PAGE: usize = 64;
/// A chain that is this far behind what peers decided is called syncing.
const SYNCING_BLOCKS: u64 = 3;

/// The node as RPC sees it.
pub struct NodeBackend {
    /// The chain's first facts.
    pub genesis: Arc<Genesis>,
    /// Their hash.
    pub chain: Hash,
    /// The validators.
    pub validators: ValidatorSet,
    /// What the engine's thread publishes.
    pub shared: Arc<Shared>,
    /// State and indexes.
    pub state: StateReader,
    /// Durable blocks.
    pub blocks: BlockReader,
    /// The engine.
    pub engine: Sender<Msg>,
    /// The network.
    pub network: Handle,
    /// Network identities of validators.
    pub peers: Arc<Peers>,
    /// Verifies submissions.
    pub verifier: Verifier,
    /// What does not change while the node runs.
    pub info: NodeInfo,
    /// When the process started.
    pub started: Instant,
}

/// The contract's table of a consistent view of the state.
struct StateTable<'a>(&'a StateView<'a>);

impl Reader for StateTable<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(Table::State, key).expect("a state that cannot be read ends the process")
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0.scan(Table::State, from, to, limit).expect("a state that cannot be read ends the process")
    }
}

/// The error a client sees for a refusal.
fn refused(refusal: &Refusal) -> ApiError {
    let number = match refusal {
        Refusal::Expired { .. } | Refusal::TooFarAhead { .. } => code::EXPIRED,
        Refusal::UnknownSender => 1401,
        Refusal::NotAuthorised { code, .. } => REJECTION_BASE + i32::from(*code),
        Refusal::TooLarge { .. } => code::TOO_LARGE,
        Refusal::Full | Refusal::SenderFull => code::OVERLOADED,
    };
    // as a block's receipt would name it
    let about: Vec<&str> = match refusal {
        Refusal::UnknownSender => vec!["sender"],
        Refusal::NotAuthorised { about, .. } => about.0.iter().map(|name| name.as_str()).collect(),
        Refusal::Expired { .. } | Refusal::TooFarAhead { .. } => vec!["valid_until"],
        Refusal::TooLarge { .. } | Refusal::Full | Refusal::SenderFull => Vec::new(),
    };
    ApiError::new(number, refusal.to_string()).about(about)
}

impl NodeBackend {
    fn index(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.state.get(table, key).expect("a state that cannot be read ends the process")
    }

    /// How a transaction in a durable block ended.
    fn ended(&self, id: &TxId) -> TxStatus {
        let receipt = self.locate(id).and_then(|(height, index)| {
            let stored = self.block(height)?;
            stored.receipts.get(index as usize).map(|r| TxStatus::of(&r.outcome))
        });
        receipt.unwrap_or(TxStatus::Pending)
    }

    /// Reads a block from the log and decodes it.
    fn read_block(&self, height: Height) -> Option<Arc<StoredBlock>> {
        let record = match self.blocks.block(height.0) {
            Ok(record) => record?,
            Err(error) => {
                tracing::error!(%height, %error, "a block cannot be read");
                return None;
            }
        };
        match decode_record(&record) {
            Ok(vostro_engine::chain::StoredBlock { block, certificate, receipts }) => {
                Some(Arc::new(StoredBlock { block, certificate, receipts }))
            }
            Err(error) => {
                tracing::error!(%height, error = %format!("{error:#}"), "a block cannot be decoded");
                None
            }
        }
    }

    fn online(&self) -> usize {
        let me = usize::from(self.info.role == "validator");
        let connected =
            self.network.peers().into_iter().filter(|p| p.connected && self.peers.index(&p.peer_id).is_some());
        me + connected.count()
    }
}

impl Backend for NodeBackend {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn genesis_hash(&self) -> Hash {
        self.chain
    }

    fn status(&self) -> Status {
        let (tip, figures) = (self.shared.tip(), self.shared.snapshot());
        let (height, block, time) = match &tip.header {
            Some(header) => (header.height, header.id(), header.time),
            None => (Height(0), BlockId(self.chain), self.genesis.time),
        };
        Status {
            height,
            block,
            state_root: tip.tree.root(),
            time,
            epoch: Epoch(0),
            syncing: figures.target.0 >= height.0 + SYNCING_BLOCKS,
            validators_online: self.online(),
            pending: figures.mempool,
        }
    }

    fn measured(&self, work: &mut dyn FnMut()) {
        let ((), spent) = timed_apart(work);
        self.shared.metrics.used(Part::Rpc, spent);
    }

    fn block(&self, height: Height) -> Option<Arc<StoredBlock>> {
        self.shared.blocks.get_or_read(height, || self.read_block(height))
    }

    fn block_height(&self, id: &BlockId) -> Option<Height> {
        let bytes = self.index(Table::Blocks, block_key(id))?;
        bytes.try_into().ok().map(|b| Height(u64::from_be_bytes(b)))
    }

    fn locate(&self, id: &TxId) -> Option<(Height, u32)> {
        self.index(Table::Transactions, transaction_key(id)).and_then(|bytes| parse_place(&bytes))
    }

    fn pending(&self, id: &TxId) -> bool {
        self.shared.is_pending(id)
    }

    fn read(&self, f: &mut dyn FnMut(&dyn Reader)) {
        self.state.view(|view| f(&StateTable(view)));
    }

    fn prove(&self, keys: Vec<Vec<u8>>) -> Option<Proved> {
        for _ in 0..PROVE_ATTEMPTS {
            let tip = self.shared.tip();
            let (header, certificate) = (tip.header.clone()?, tip.certificate.clone()?);
            let values = self.state.view(|view| {
                // The state is a block ahead of the tip for a moment after each block.
                let state = StateTable(view);
                let value = |key: &Vec<u8>| state.get(key);
                (view.height() == Some(header.height.0)).then(|| keys.iter().map(value).collect::<Vec<_>>())
            });
            if let Some(values) = values {
                // The tip's tree stays what it is, so the state need not wait while another one is made.
                let prove = |(key, value): (&Vec<u8>, _)| StateProof {
                    key: key.clone(),
                    value,
                    proof: tip.tree.prove(&key_hash(key)),
                };
                let proofs = keys.iter().zip(values).map(prove).collect();
                return Some(Proved { header, certificate, proofs });
            }
            std::thread::sleep(PROVE_PAUSE);
        }
        None
    }

    fn history(&self, account: &AccountId, before: Option<(Height, u32)>, limit: usize) -> Vec<(Height, u32)> {
        // Keys rise with time and the store scans upwards, so windows of heights are read from the newest down.
        let tip = self.shared.tip().header.as_ref().map_or(0, |h| h.height.0);
        let mut end = before.unwrap_or((Height(tip.saturating_add(1)), 0));
        let mut found = Vec::new();
        let mut span = 64;
        loop {
            let start = Height(end.0.0.saturating_sub(span));
            let (from, to) = (history_key(account, start, 0), history_key(account, end.0, end.1));
            let entries = self
                .state
                .scan(Table::History, &from, &to, usize::MAX)
                .expect("a state that cannot be read ends the process");
            // An entry that begins before the end may go on behind it.
            let places = entries.iter().rev().filter_map(|(key, value)| parse_history(key, value));
            found.extend(places.flat_map(|entry| entry.into_iter().rev()).filter(|place| *place < end));
            if found.len() >= limit {
                found.truncate(limit);
                return found;
            }
            if start.0 == 0 {
                return found;
            }
            end = (start, 0);
            span = span.saturating_mul(4);
        }
    }

    fn history_since(&self, account: &AccountId, from: (Height, u32), to: Height, limit: usize) -> Vec<(Height, u32)> {
        // An entry that begins before `from` may go on behind it.
        let mut low = history_key(account, from.0, 0).to_vec();
        let high = history_key(account, Height(to.0.saturating_add(1)), 0);
        let mut found = Vec::new();
        loop {
            let entries = self
                .state
                .scan(Table::History, &low, &high, HISTORY_PAGE)
                .expect("a state that cannot be read ends the process");
            let places = entries.iter().filter_map(|(key, value)| parse_history(key, value)).flatten();
            found.extend(places.filter(|place| *place >= from));
            let Some((last, _)) = entries.last().filter(|_| entries.len() == HISTORY_PAGE && found.len() < limit)
            else {
                found.truncate(limit);
                return found;
            };
            low.clone_from(last);
            low.push(0); // the least key above it
        }
    }

    fn submit(&self, transactions: Vec<Transaction>) -> BoxFuture<'_, Vec<Result<Admitted, ApiError>>> {
        async move {
            let verdicts = self.verifier.verify(transactions).await;
            let (mut good, mut answers) = (Vec::new(), Vec::with_capacity(verdicts.len()));
            for verdict in verdicts {
                match verdict {
                    Ok(transaction) => {
                        good.push(transaction);
                        answers.push(None);
                    }
                    Err(bad) => answers.push(Some(Err(ApiError::new(code::SIGNATURE, bad.to_string())))),
                }
            }
            let (sender, results) = oneshot::channel();
            let expected = good.len();
            let sent = tell(&self.engine, Msg::Submit { transactions: good, reply: AdmitReply::One(sender) }).await;
            let results = if sent { results.await.unwrap_or_default() } else { Vec::new() };
            let stopped = results.len() != expected;
            let mut results = results.into_iter();
            answers
                .into_iter()
                .map(|answer| match answer {
                    Some(refused) => refused,
                    None if stopped => Err(ApiError::new(code::NOT_READY, "the node is stopping")),
                    None => match results.next() {
                        Some(Ok(Admission::Pending(id))) => Ok(Admitted { id, status: TxStatus::Pending }),
                        Some(Ok(Admission::Decided(id))) => Ok(Admitted { id, status: self.ended(&id) }),
                        Some(Err(refusal)) => Err(refused(&refusal)),
                        None => Err(ApiError::new(code::NOT_READY, "the node is stopping")),
                    },
                })
                .collect()
        }
        .boxed()
    }

    fn settled(&self, id: TxId) -> BoxFuture<'_, ()> {
        async move {
            let Some(waiter) = self.shared.wait_for(id) else { return };
            if self.locate(&id).is_some() {
                return;
            }
            // An error means that the node is stopping; the caller looks again.
            let _ = waiter.await;
        }
        .boxed()
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let peers = self.network.peers().into_iter().map(|p| PeerInfo {
            peer_id: p.peer_id.to_string(),
            name: Some(p.name),
            address: p.address.map(|a| a.to_string()),
            connected: p.connected,
            height: None,
        });
        peers.collect()
    }

    fn node_info(&self) -> NodeInfo {
        NodeInfo { uptime_s: self.started.elapsed().as_secs(), ..self.info.clone() }
    }

    fn readiness(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(reason) = self.shared.halted() {
            reasons.push(format!("the engine has stopped: {reason}"));
        }
        let (online, quorum) = (self.online(), self.validators.quorum());
        if online < quorum {
            reasons.push(format!("{online} of {} validators are online, {quorum} are needed", self.validators.len()));
        }
        let status = self.status();
        if status.syncing {
            let target = self.shared.snapshot().target;
            reasons.push(format!("catching up: at height {} of {target}", status.height));
        }
        reasons.extend(
            self.shared.snapshot().waiting.map(|waiting| format!("does not vote yet: {}", signer::words(waiting))),
        );
        reasons
    }
}
