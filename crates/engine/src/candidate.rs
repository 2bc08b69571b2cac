//! Building a block from the mempool and validating one that somebody proposed.
//!
//! Invariant: a candidate that comes out of here reproduces every root in its header when it is executed on the decided
//! state before it, and holds only transactions that are verified, in time, and in no earlier block, and only evidence
//! that is verified and recorded nowhere yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use vostro_execution::{Executed, Meter, Overlay, Part, StateRead, Tree, execute_metered, metered};
use vostro_settlement::evidence::evidence_record;
use vostro_settlement::invariants::Violation;
use vostro_types::block::HEADER_VERSION;
use vostro_types::codec::{MAX_TRANSACTION, encode};
use vostro_types::evidence::MAX_EVIDENCE;
use vostro_types::transaction::{MAX_VALIDITY_MS, verify_all};
use vostro_types::{
    Block, BlockId, Evidence, EvidenceKey, Genesis, Hash, Header, Height, Outcome, Receipt, Time, Transaction, TxId,
    ValidatorSet, VerifiedEvidence, VerifiedTransaction,
};

use crate::mempool::Mempool;
use crate::recent::{MAX_RECENT_IDS, RecentIds};

/// The contract's codes for signatures that do not suffice (101 signature, 107 threshold).
pub const AUTHORITY: [u16; 2] = [101, 107];

/// Most bytes of the receipts of a block's transactions. A transaction of a few kilobytes can make receipts of
/// megabytes, and a block is stored with its receipts.
pub const MAX_TRANSACTION_RECEIPTS: usize = vostro_settlement::MAX_RECEIPT;

/// The decided state that a candidate builds on.
pub struct Parent<'a> {
    /// Hash that names the chain.
    pub chain: Hash,
    /// Id of the decided block; the genesis hash at height 0.
    pub id: BlockId,
    /// Its height.
    pub height: Height,
    /// Its time.
    pub time: Time,
    /// State after it.
    pub state: &'a (dyn StateRead + 'a),
    /// State tree after it.
    pub tree: &'a Tree,
    /// Who decides the next block.
    pub validators: &'a ValidatorSet,
    /// Ids that must not be executed again.
    pub recent: &'a RecentIds,
    /// Learns which part of the work is under way.
    pub meter: &'a dyn Meter,
}

/// Caps of a block.
#[derive(Clone, Copy, Debug)]
pub struct BlockLimits {
    /// Most transactions.
    pub transactions: usize,
    /// Most bytes of encoded transactions and evidence.
    pub bytes: usize,
    /// Most bytes of encoded receipts of transactions; those of deadlines have [`vostro_settlement::MAX_DUE_RECEIPTS`].
    pub receipts: usize,
    /// Most ids of transactions that may still be valid, in this block and those before it.
    pub recent: usize,
}

impl BlockLimits {
    /// The caps that a genesis sets.
    pub fn of(genesis: &Genesis) -> Self {
        let consensus = &genesis.consensus;
        BlockLimits {
            transactions: consensus.max_block_transactions as usize,
            bytes: consensus.max_block_bytes as usize,
            receipts: MAX_TRANSACTION_RECEIPTS,
            recent: MAX_RECENT_IDS,
        }
    }

    /// How many transactions the next block may hold after blocks whose ids `recent` remembers.
    pub fn room(&self, recent: &RecentIds) -> usize {
        self.transactions.min(self.recent.saturating_sub(recent.len()))
    }

    /// Whether a block of so many transactions of so many bytes leaves room for few more: less than an eighth.
    pub fn is_full(&self, transactions: usize, bytes: usize) -> bool {
        let is_full = |held: usize, limit: usize| held.saturating_mul(8) > limit.saturating_mul(7);
        is_full(transactions, self.transactions) || is_full(bytes, self.bytes)
    }
}

/// A block and what executing it does.
#[derive(Debug)]
pub struct Candidate {
    /// The block.
    pub block: Arc<Block>,
    /// Ids of its transactions, in order.
    pub ids: Vec<TxId>,
    /// What executing it does.
    pub executed: Executed,
}

/// Why a block must not be prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A header field is not what the parent demands.
    #[error("header: {field} is not what the parent demands")]
    Header {
        /// The field.
        field: &'static str,
    },
    /// More transactions, evidence, bytes or bytes of receipts than a block may have, or more transactions than may be
    /// remembered.
    #[error("the block exceeds its caps")]
    TooLarge,
    /// A transaction that may not be in it.
    #[error("transaction {index}: {reason}")]
    Transaction {
        /// Its position.
        index: usize,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// Evidence that may not be in it.
    #[error("evidence {index}: {reason}")]
    Evidence {
        /// Its position.
        index: usize,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// Executing it makes or loses money: the contract is broken, and nobody votes for what it did.
    #[error("the books do not balance after it: {0}")]
    Books(Violation),
    /// Executing it gives another root.
    #[error("executing the block gives another {root}")]
    Root {
        /// Which root.
        root: &'static str,
    },
}

/// Whether a transaction may be in a block at `time`.
fn in_time(valid_until: Time, time: Time) -> bool {
    time <= valid_until && valid_until <= time.plus(MAX_VALIDITY_MS)
}

/// Transactions that no block may hold: those whose receipt alone exceeds a block's, and those whose signers may not act
/// for whom they concern. Such a refusal is nobody's own act: anybody
/// can strip a signature from a transaction without changing its id. So no block may record it, else the whole
/// transaction would be refused as a duplicate for ever.
fn hopeless(executed: &Executed, transactions: usize, limits: BlockLimits) -> BTreeSet<usize> {
    let unauthorised = unauthorised(executed, transactions);
    let sizes = executed.receipt_bytes.iter().take(transactions).enumerate();
    unauthorised.into_iter().chain(sizes.filter(|(_, size)| **size > limits.receipts).map(|(index, _)| index)).collect()
}

fn unauthorised(executed: &Executed, transactions: usize) -> Vec<usize> {
    let not_signed = |r: &Receipt| matches!(r.outcome, Outcome::Rejected { code, .. } if AUTHORITY.contains(&code));
    let indices = executed.receipts.iter().take(transactions).enumerate();
    indices.filter(|(_, receipt)| not_signed(receipt)).map(|(index, _)| index).collect()
}

/// How many of the transactions, from the first on, have receipts that fit a block together.
fn with_room(executed: &Executed, transactions: usize, limits: BlockLimits) -> usize {
    let mut left = limits.receipts;
    let fits = |size: &&usize| {
        let rest = left.checked_sub(**size);
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    executed.receipt_bytes.iter().take(transactions).take_while(fits).count()
}

/// Whether the fact that evidence proves is recorded in the parent's state.
fn is_recorded(parent: &Parent<'_>, key: &EvidenceKey) -> bool {
    evidence_record(&Overlay::new(parent.state), key).is_some()
}

/// Of evidence ascending by key, what the next block may hold; and its bytes.
fn fitting(
    parent: &Parent<'_>,
    evidence: Vec<VerifiedEvidence>,
    limits: BlockLimits,
) -> (Vec<VerifiedEvidence>, usize) {
    let (mut chosen, mut bytes) = (Vec::new(), 0);
    for piece in evidence.into_iter().take(MAX_EVIDENCE) {
        let size = encode(piece.evidence()).len();
        let key = piece.key();
        if key.height <= parent.height.next() && bytes + size <= limits.bytes && !is_recorded(parent, &key) {
            bytes += size;
            chosen.push(piece);
        }
    }
    (chosen, bytes)
}

/// Builds the next block from the mempool and `evidence`, which is strictly ascending by key; `time` is above the
/// parent's. Also gives the ids of transactions that no block may hold: their signers may not act, their receipt alone
/// is too long, or it alone brings the books out of balance. What finds no room waits on.
pub fn build(
    parent: &Parent<'_>,
    mempool: &Mempool,
    evidence: Vec<VerifiedEvidence>,
    limits: BlockLimits,
    time: Time,
) -> (Candidate, Vec<TxId>) {
    let height = parent.height.next();
    let (accusations, evidence_bytes) = fitting(parent, evidence, limits);
    let mut chosen: Vec<Arc<VerifiedTransaction>> = mempool
        .select(limits.room(parent.recent), limits.bytes - evidence_bytes)
        .into_iter()
        .filter(|t| in_time(t.body().valid_until, time) && !parent.recent.contains(&t.id()))
        .collect();
    let (mut dropped, mut culprit) = (Vec::new(), None);
    let executed = loop {
        let at = (height, time);
        let executed = execute_metered(parent.meter, parent.state, parent.tree, at, &accusations, &chosen);
        // Money that a broken contract makes is decided by nobody. The chain goes on without what brought it about: halving
        // leads to it, and what is cut off waits for the next block.
        if executed.books.is_err() && !chosen.is_empty() {
            culprit = (chosen.len() == 1).then(|| chosen[0].id());
            chosen.truncate(chosen.len() / 2);
            continue;
        }
        let refused = hopeless(&executed, chosen.len(), limits);
        let room = with_room(&executed, chosen.len(), limits);
        if refused.is_empty() && room == chosen.len() {
            break executed;
        }
        // Ends: each turn leaves out at least one, since the first has room or is hopeless.
        if refused.is_empty() {
            chosen.truncate(room);
            continue;
        }
        let mut index = 0;
        chosen.retain(|transaction| {
            let out = refused.contains(&index);
            if out {
                dropped.push(transaction.id());
            }
            index += 1;
            !out
        });
    };
    // If the books do not balance without it either, it is none.
    dropped.extend(culprit.filter(|_| executed.books.is_ok()));
    let ids = chosen.iter().map(|transaction| transaction.id()).collect();
    let transactions = chosen.iter().map(|chosen| chosen.transaction().clone()).collect();
    let evidence: Vec<Evidence> = accusations.into_iter().map(VerifiedEvidence::into_evidence).collect();
    let header = Header {
        version: HEADER_VERSION,
        epoch: parent.validators.epoch(),
        height,
        parent: parent.id,
        time,
        validators: parent.validators.hash(),
        next_validators: parent.validators.hash(),
        transactions_root: executed.transactions_root,
        evidence_root: executed.evidence_root,
        receipts_root: executed.receipts_root,
        state_root: executed.state_root,
    };
    (Candidate { block: Arc::new(Block { header, transactions, evidence }), ids, executed }, dropped)
}

/// Checks what a header says about its place in the chain.
fn check_header(parent: &Parent<'_>, block: &Block) -> Result<(), Invalid> {
    let header = &block.header;
    let checks = [
        ("version", header.version == HEADER_VERSION),
        ("epoch", header.epoch == parent.validators.epoch()),
        ("height", header.height == parent.height.next()),
        ("parent", header.parent == parent.id),
        ("time", header.time > parent.time),
        ("validators", header.validators == parent.validators.hash()),
        ("next validators", header.next_validators == parent.validators.hash()),
    ];
    match checks.into_iter().find(|(_, good)| !good) {
        Some((field, _)) => Err(Invalid::Header { field }),
        None => Ok(()),
    }
}

/// Transactions that were verified before the block that holds them. By default none were.
#[derive(Debug, Default)]
pub struct Known<'a> {
    /// The block's, in its order, as far as they are at hand.
    pub held: Vec<Option<Arc<VerifiedTransaction>>>,
    /// Those that wait for a block.
    pub pool: Option<&'a Mempool>,
}

impl Known<'_> {
    /// Those among a block's transactions, each in its place.
    fn among(self, chain: &Hash, block: &Block) -> Vec<Option<Arc<VerifiedTransaction>>> {
        // The id does not cover the signatures, so the whole transaction must be the same.
        let same =
            |known: &Arc<VerifiedTransaction>, transaction: &Arc<Transaction>| known.transaction() == transaction;
        let mut held = self.held.into_iter();
        let find = |t: &Arc<Transaction>| {
            let at_hand = held.next().flatten().filter(|known| same(known, t));
            at_hand.or_else(|| self.pool?.get(&t.body.id(chain)).filter(|known| same(known, t)).cloned())
        };
        block.transactions.iter().map(find).collect()
    }
}

/// A block's transactions, verified: each signature once, so only of those that are not known.
fn verify_transactions(
    parent: &Parent<'_>,
    block: &Block,
    known: Vec<Option<Arc<VerifiedTransaction>>>,
) -> Result<Vec<Arc<VerifiedTransaction>>, Invalid> {
    let places = known.iter().zip(&block.transactions);
    let unknown = places.filter(|(known, _)| known.is_none()).map(|(_, transaction)| transaction.clone()).collect();
    let mut fresh = metered(parent.meter, Part::Verify, || verify_all(unknown, &parent.chain)).into_iter();
    let mut transactions = Vec::with_capacity(known.len());
    for (index, known) in known.into_iter().enumerate() {
        let transaction = match known {
            Some(transaction) => transaction,
            None => Arc::new(
                fresh
                    .next()
                    .expect("one verdict for each unknown transaction")
                    .map_err(|_| Invalid::Transaction { index, reason: "a signature does not verify" })?,
            ),
        };
        transactions.push(transaction);
    }
    Ok(transactions)
}

/// Verifies a block's evidence: in order and so each fact once, of a height that was reached, recorded nowhere yet,
/// proved. However old it is: one validator set decides the whole chain, so its keys are known for every height.
fn verify_evidence(parent: &Parent<'_>, block: &Block) -> Result<Vec<VerifiedEvidence>, Invalid> {
    let mut verified: Vec<VerifiedEvidence> = Vec::with_capacity(block.evidence.len());
    for (index, piece) in block.evidence.iter().enumerate() {
        let key = piece.key();
        let broken = |reason| Invalid::Evidence { index, reason };
        if verified.last().is_some_and(|before| before.key() >= key) {
            return Err(broken("out of order or twice in this block"));
        }
        if key.height > block.header.height {
            return Err(broken("it is about a height above the block's"));
        }
        let piece = piece.clone().verify(&parent.chain, parent.validators);
        verified.push(piece.map_err(|_| broken("it does not prove what it says"))?);
        if is_recorded(parent, &key) {
            return Err(broken("an earlier block records it"));
        }
    }
    Ok(verified)
}

/// Validates and executes a block that should follow `parent`. Signatures of `known` transactions are not checked again.
///
/// # Errors
/// [`Invalid`] names the first rule that is broken.
pub fn validate(
    parent: &Parent<'_>,
    block: Arc<Block>,
    known: Known<'_>,
    limits: BlockLimits,
) -> Result<Candidate, Invalid> {
    check_header(parent, &block)?;
    if block.transactions.len() > limits.room(parent.recent) || block.evidence.len() > MAX_EVIDENCE {
        return Err(Invalid::TooLarge);
    }
    let known = known.among(&parent.chain, &block);
    let size = |(known, transaction): (&Option<Arc<VerifiedTransaction>>, &Arc<Transaction>)| {
        known.as_ref().map_or_else(|| encode(transaction).len(), |known| known.size())
    };
    let sizes: Vec<usize> = known.iter().zip(&block.transactions).map(size).collect();
    if let Some(index) = sizes.iter().position(|size| *size > MAX_TRANSACTION) {
        return Err(Invalid::Transaction { index, reason: "larger than a transaction may be" });
    }
    let bytes: usize = sizes.into_iter().chain(block.evidence.iter().map(|e| encode(e).len())).sum();
    if bytes > limits.bytes {
        return Err(Invalid::TooLarge);
    }
    let evidence = verify_evidence(parent, &block)?;
    let transactions = verify_transactions(parent, &block, known)?;
    let time = block.header.time;
    let mut seen = BTreeSet::new();
    for (index, transaction) in transactions.iter().enumerate() {
        if !in_time(transaction.body().valid_until, time) {
            return Err(Invalid::Transaction { index, reason: "not valid at the block's time" });
        }
        if parent.recent.contains(&transaction.id()) || !seen.insert(transaction.id()) {
            return Err(Invalid::Transaction { index, reason: "it is in an earlier block or twice in this one" });
        }
    }
    let at = (block.header.height, time);
    let executed = execute_metered(parent.meter, parent.state, parent.tree, at, &evidence, &transactions);
    if let Err(violation) = executed.books {
        return Err(Invalid::Books(violation));
    }
    if let Some(index) = unauthorised(&executed, transactions.len()).first() {
        return Err(Invalid::Transaction { index: *index, reason: "its signers may not act" });
    }
    if with_room(&executed, transactions.len(), limits) < transactions.len() {
        return Err(Invalid::TooLarge);
    }
    if executed.transactions_root != block.header.transactions_root {
        return Err(Invalid::Root { root: "transactions root" });
    }
    if executed.evidence_root != block.header.evidence_root {
        return Err(Invalid::Root { root: "evidence root" });
    }
    if executed.receipts_root != block.header.receipts_root {
        return Err(Invalid::Root { root: "receipts root" });
    }
    if executed.state_root != block.header.state_root {
        return Err(Invalid::Root { root: "state root" });
    }
    let ids = transactions.iter().map(|transaction| transaction.id()).collect();
    Ok(Candidate { block, ids, executed })
}
