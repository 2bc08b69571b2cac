//! What the engine's thread publishes for RPC, metrics and waiters.
//!
//! Invariant: everything here about the chain is durable; what is only decided or waiting is called pending.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::{oneshot, watch};
use vostro_engine::{Admission, Committed, Refusal, Snapshot};
use vostro_execution::Tree;
use vostro_rpc::StoredBlock;
use vostro_types::{Certificate, Header, Outcome, TxId};

use crate::metrics::Metrics;
use crate::recent::RecentBlocks;

/// Callers that may wait for transactions at the same time.
pub const MAX_WAITERS: usize = 100_000;
/// Transactions handed in here that are remembered as pending. Of more, which takes as many that were admitted and dropped
/// again within a sweep, the status is not known until a block holds them. At least twice what the mempool holds is kept.
pub const MAX_PENDING: usize = 200_000;

/// Results for one submission.
pub type Results = Vec<Result<Admission, Refusal>>;

/// Where the results of a submission go.
pub enum AdmitReply {
    /// To one caller.
    One(oneshot::Sender<Results>),
    /// To several whose submissions were joined: how many transactions each had.
    Joined(Vec<(usize, AdmitReply)>),
}

impl AdmitReply {
    /// Joins the replies of submissions that were joined.
    pub fn merged(parts: Vec<(usize, AdmitReply)>) -> Self {
        AdmitReply::Joined(parts)
    }

    /// Sends each caller its share.
    pub fn send(self, mut results: Results) {
        match self {
            // A caller that is gone does not need them.
            AdmitReply::One(caller) => drop(caller.send(results)),
            AdmitReply::Joined(parts) => {
                for (count, reply) in parts {
                    let rest = results.split_off(count.min(results.len()));
                    reply.send(std::mem::replace(&mut results, rest));
                }
            }
        }
    }
}

/// The last durable block.
#[derive(Clone)]
pub struct Tip {
    /// Its header; `None` before the first block.
    pub header: Option<Header>,
    /// Its commit certificate.
    pub certificate: Option<Certificate>,
    /// State tree after it.
    pub tree: Tree,
}

/// Callers that wait for transactions.
#[derive(Default)]
struct Waiters {
    callers: BTreeMap<TxId, Vec<oneshot::Sender<()>>>,
    /// How many there are, those that gave up included.
    count: usize,
    /// How many were left when those that gave up were last taken out.
    swept: usize,
}

impl Waiters {
    /// One more, if there is room.
    fn add(&mut self, id: TxId) -> Option<oneshot::Receiver<()>> {
        // Looking at all of them each time one comes would take time that grows with their square.
        if self.count >= MAX_WAITERS || self.count > self.swept.saturating_mul(2) {
            self.callers.retain(|_, list| {
                list.retain(|caller| !caller.is_closed());
                !list.is_empty()
            });
            self.count = self.callers.values().map(Vec::len).sum();
            self.swept = self.count;
        }
        if self.count >= MAX_WAITERS {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.callers.entry(id).or_default().push(sender);
        self.count += 1;
        Some(receiver)
    }

    /// The transaction is in a durable block.
    fn tell(&mut self, id: &TxId) {
        for caller in self.callers.remove(id).into_iter().flatten() {
            self.count -= 1;
            // One that gave up does not need to know.
            let _ = caller.send(());
        }
    }
}

/// What the engine's thread publishes.
pub struct Shared {
    /// Counters and gauges.
    pub metrics: Metrics,
    /// What clients ask about most.
    pub blocks: RecentBlocks,
    tip: RwLock<Arc<Tip>>,
    snapshot: RwLock<Snapshot>,
    height: watch::Sender<u64>,
    pending: Mutex<BTreeMap<TxId, Instant>>,
    max_pending: usize,
    waiters: Mutex<Waiters>,
    halted: RwLock<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// At a tip, for a mempool of so many transactions.
    pub fn new(tip: Tip, metrics: Metrics, mempool: usize) -> Self {
        let height = tip.header.as_ref().map_or(0, |h| h.height.0);
        Shared {
            metrics,
            blocks: RecentBlocks::default(),
            tip: RwLock::new(Arc::new(tip)),
            snapshot: RwLock::default(),
            height: watch::channel(height).0,
            pending: Mutex::default(),
            max_pending: mempool.saturating_mul(2).max(MAX_PENDING),
            waiters: Mutex::default(),
            halted: RwLock::default(),
        }
    }

    /// The last durable block.
    pub fn tip(&self) -> Arc<Tip> {
        self.tip.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Follows the durable height.
    pub fn heights(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// The engine's figures after its last step.
    pub fn snapshot(&self) -> Snapshot {
        *self.snapshot.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes the engine's figures.
    pub fn observe(&self, snapshot: Snapshot) {
        self.metrics.observe(&snapshot);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// Remembers what was admitted.
    pub fn admitted(&self, ids: &[TxId], results: &[Result<Admission, Refusal>]) {
        let now = Instant::now();
        let mut pending = lock(&self.pending);
        for (id, result) in ids.iter().zip(results) {
            if matches!(result, Ok(Admission::Pending(_))) && pending.len() < self.max_pending {
                pending.entry(*id).or_insert(now);
            }
        }
    }

    /// Whether a transaction that clients handed in here waits for a block.
    pub fn is_pending(&self, id: &TxId) -> bool {
        lock(&self.pending).contains_key(id)
    }

    /// Forgets pending transactions that the engine dropped.
    pub fn keep_pending(&self, keep: impl Fn(&TxId) -> bool) {
        // A transaction between decided and durable is in no mempool any more; its block removes it from here.
        let grace = std::time::Duration::from_secs(5);
        lock(&self.pending).retain(|id, since| since.elapsed() < grace || keep(id));
    }

    /// Resolves when the transaction is in a durable block, which the caller checks after asking. `None` if too many
    /// wait already.
    pub fn wait_for(&self, id: TxId) -> Option<oneshot::Receiver<()>> {
        lock(&self.waiters).add(id)
    }

    /// A block is durable and its state visible.
    pub fn committed(&self, committed: Committed) {
        let Committed { block, certificate, ids, receipts, tree, .. } = committed;
        let header = &block.header;
        let tip = Tip { header: Some(header.clone()), certificate: Some(certificate.clone()), tree };
        *self.tip.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tip);
        {
            let mut pending = lock(&self.pending);
            for id in &ids {
                if let Some(since) = pending.remove(id) {
                    self.metrics.settled_after(since.elapsed());
                }
            }
        }
        let rejected = receipts.iter().filter(|r| matches!(r.outcome, Outcome::Rejected { .. })).count();
        self.metrics.block(header, ids.len() as u64, rejected as u64);
        for piece in &block.evidence {
            tracing::warn!(validator = %piece.validator, kind = piece.name(), height = %piece.height,
                block = %header.height, "a contradiction of a validator is on record");
            self.metrics.recorded(piece.kind());
        }
        let height = header.height.0;
        self.blocks.put(Arc::new(StoredBlock { block, certificate, receipts }));
        let mut waiters = lock(&self.waiters);
        for id in &ids {
            waiters.tell(id);
        }
        drop(waiters);
        self.height.send_replace(height);
    }

    /// The engine has stopped; the node is of no use until it is started again.
    pub fn halt(&self, reason: String) {
        *self.halted.write().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// Why the engine has stopped, if it has.
    pub fn halted(&self) -> Option<String> {
        self.halted.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vostro_types::Hash;

    #[test]
    fn waiters_are_bounded_and_those_that_gave_up_make_room() {
        let id = |n: usize| TxId(Hash(std::array::from_fn(|i| n.to_le_bytes().get(i).copied().unwrap_or(0))));
        let mut waiters = Waiters::default();
        let mut kept: Vec<_> = (0..MAX_WAITERS).map(|n| waiters.add(id(n)).unwrap()).collect();
        // several may wait for one transaction, and count
        assert!(waiters.add(id(1)).is_none());
        kept.truncate(MAX_WAITERS - 1);
        let mut again = waiters.add(id(1)).unwrap();
        assert!(waiters.add(id(2)).is_none());
        waiters.tell(&id(1));
        assert!(again.try_recv().is_ok() && kept[1].try_recv().is_ok());
        assert_eq!((waiters.count, waiters.callers.len()), (MAX_WAITERS - 2, MAX_WAITERS - 2));
    }

    #[test]
    fn pending_transactions_are_bounded() {
        let tip = Tip { header: None, certificate: None, tree: Tree::default() };
        let shared = Shared::new(tip, Metrics::new(), 10);
        let id = |n: usize| TxId(Hash(std::array::from_fn(|i| n.to_le_bytes().get(i).copied().unwrap_or(0))));
        let ids: Vec<TxId> = (0..MAX_PENDING + 5).map(id).collect();
        let results: Results = ids.iter().map(|id| Ok(Admission::Pending(*id))).collect();
        shared.admitted(&ids, &results);
        assert_eq!(lock(&shared.pending).len(), MAX_PENDING);
        assert!(shared.is_pending(&ids[0]) && !shared.is_pending(&ids[MAX_PENDING]));
    }

    #[test]
    fn joined_replies_get_their_own_share() {
        let (a, mut ra) = oneshot::channel();
        let (b, mut rb) = oneshot::channel();
        let id = |n| TxId(Hash([n; 32]));
        let reply = AdmitReply::merged(vec![(2, AdmitReply::One(a)), (1, AdmitReply::One(b))]);
        reply.send(vec![Ok(Admission::Pending(id(1))), Err(Refusal::Full), Ok(Admission::Decided(id(3)))]);
        assert_eq!(ra.try_recv().unwrap(), vec![Ok(Admission::Pending(id(1))), Err(Refusal::Full)]);
        assert_eq!(rb.try_recv().unwrap(), vec![Ok(Admission::Decided(id(3)))]);
    }
}
