//! The decided chain as it is read back: stored blocks, and the end of the chain that they are executed onto.
//!
//! Invariant: a [`ChainEnd`] moves only by blocks that were executed at it with every root and signature reproduced, so
//! whatever reads a block log (a starting node, an audit, a simulation) ends where the node that wrote it was.

use std::sync::Arc;

use vostro_consensus::Tip;
use vostro_execution::{StateRead, Tree, Unmetered};
use vostro_settlement::MAX_DUE_RECEIPTS;
use vostro_types::codec::{CodecError, MAX_BLOCK, decode};
use vostro_types::transaction::MAX_VALIDITY_MS;
use vostro_types::{Block, BlockId, Certificate, Genesis, Hash, Height, Receipt, Time, TxId, ValidatorSet};

use crate::candidate::{BlockLimits, Candidate, Invalid, Known, MAX_TRANSACTION_RECEIPTS, Parent, validate};
use crate::recent::RecentIds;

/// Largest encoded receipts of a block, in bytes: those of its transactions, of the deadlines that fire with it, and room
/// for the last of these, which may begin just below the limit.
pub const MAX_RECEIPTS: usize = MAX_TRANSACTION_RECEIPTS + MAX_DUE_RECEIPTS + (6 << 20);

/// A block as the log holds it.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    /// The block.
    pub block: Arc<Block>,
    /// Its commit certificate.
    pub certificate: Certificate,
    /// Its receipts, deadlines' included.
    pub receipts: Vec<Receipt>,
}

/// A stored block that this program cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A part is not what this version writes.
    #[error("block {height}: the {part} in the block log cannot be decoded: {reason}")]
    Part {
        /// Height of the record.
        height: Height,
        /// Block, certificate or receipts.
        part: &'static str,
        /// What is wrong with its bytes.
        reason: CodecError,
    },
    /// The block is another height's.
    #[error("block {height}: the block log holds block {got} in its place")]
    Height {
        /// Height of the record.
        height: Height,
        /// Height in the header.
        got: Height,
    },
}

impl StoredBlock {
    /// Decodes the three parts of the record of a height.
    ///
    /// # Errors
    /// [`Unreadable`]: the part at fault, or another height's block.
    pub fn decode(height: Height, block: &[u8], certificate: &[u8], receipts: &[u8]) -> Result<Self, Unreadable> {
        let fault = |part| move |reason| Unreadable::Part { height, part, reason };
        let block = StoredBlock::decode_block(height, block)?;
        let certificate: Certificate = decode(certificate, MAX_BLOCK).map_err(fault("certificate"))?;
        let receipts: Vec<Receipt> = decode(receipts, MAX_RECEIPTS).map_err(fault("receipts"))?;
        Ok(StoredBlock { block: Arc::new(block), certificate, receipts })
    }

    /// Decodes the block of the record of a height alone.
    ///
    /// # Errors
    /// As [`StoredBlock::decode`].
    pub fn decode_block(height: Height, block: &[u8]) -> Result<Block, Unreadable> {
        let fault = |reason| Unreadable::Part { height, part: "block", reason };
        let block: Block = decode(block, MAX_BLOCK).map_err(fault)?;
        if block.header.height != height {
            return Err(Unreadable::Height { height, got: block.header.height });
        }
        Ok(block)
    }

    /// The tip of a chain that ends with this block.
    pub fn tip(&self) -> Tip {
        let header = &self.block.header;
        Tip {
            height: header.height,
            block: self.certificate.block,
            time: header.time,
            certificate: Some(self.certificate.clone()),
        }
    }
}

/// What a genesis says about every block; computed once.
#[derive(Debug)]
struct Rules {
    chain: Hash,
    validators: ValidatorSet,
    limits: BlockLimits,
}

/// The last block of a chain, its state tree, and the ids that must not be executed again.
#[derive(Clone)]
pub struct ChainEnd {
    rules: Arc<Rules>,
    /// The last block.
    pub tip: Tip,
    /// Its header's state root; the genesis state's at height 0.
    pub tree: Tree,
    /// Ids of the last validity window.
    pub recent: RecentIds,
}

impl ChainEnd {
    /// The chain before its first block.
    pub fn genesis(genesis: &Genesis, tree: Tree) -> Self {
        let tip = Tip { height: Height(0), block: BlockId(genesis.hash()), time: genesis.time, certificate: None };
        let (chain, validators, limits) = (genesis.hash(), genesis.validator_set(), BlockLimits::of(genesis));
        let rules = Arc::new(Rules { chain, validators, limits });
        ChainEnd { rules, tip, tree, recent: RecentIds::default() }
    }

    /// Executes the next block on `state`, which is at this end. Every root and signature is checked.
    ///
    /// # Errors
    /// [`Invalid`]: the rule the block breaks.
    pub fn execute(&self, state: &dyn StateRead, block: Arc<Block>) -> Result<Candidate, Invalid> {
        let Rules { chain, validators, limits } = &*self.rules;
        let parent = Parent {
            chain: *chain,
            id: self.tip.block,
            height: self.tip.height,
            time: self.tip.time,
            state,
            tree: &self.tree,
            validators,
            recent: &self.recent,
            meter: &Unmetered,
        };
        validate(&parent, block, Known::default(), *limits)
    }

    /// Moves to a block that was executed here.
    pub fn advance(&mut self, candidate: &Candidate, certificate: Certificate) {
        let header = &candidate.block.header;
        for (transaction, id) in candidate.block.transactions.iter().zip(&candidate.ids) {
            self.recent.insert(*id, transaction.body.valid_until);
        }
        self.recent.forget_before(header.time);
        self.tree = candidate.executed.tree.clone();
        self.tip =
            Tip { height: header.height, block: certificate.block, time: header.time, certificate: Some(certificate) };
    }
}

impl RecentIds {
    /// What `block` has left behind at `tip`: ids, and how long they are remembered. `None` if it is so old that neither it nor a block
    /// before it has left any.
    pub fn of_block(chain: &Hash, tip: &Tip, block: &Block) -> Option<Vec<(TxId, Time)>> {
        let valid = |until: &Time| *until >= tip.time;
        (block.header.time >= tip.time.minus(MAX_VALIDITY_MS)).then(|| {
            let bodies = block.transactions.iter().map(|transaction| &transaction.body);
            bodies.filter(|body| valid(&body.valid_until)).map(|body| (body.id(chain), body.valid_until)).collect()
        })
    }
}
