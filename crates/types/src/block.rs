//! Blocks and their headers.

use std::sync::Arc;

use bincode::{Decode, Encode};
use vostro_crypto::{Domain, Hash, hash, merkle};

use crate::codec::encode;
use crate::evidence::Evidence;
use crate::ids::{BlockId, Epoch, Height, Time};
use crate::transaction::Transaction;

/// Version of the header layout.
pub const HEADER_VERSION: u8 = 2;

/// What validators vote on. Its hash is the block's id; the view is not in it, so a re-proposal keeps its id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// [`HEADER_VERSION`].
    pub version: u8,
    /// Epoch whose set decides the block.
    pub epoch: Epoch,
    /// Position in the chain.
    pub height: Height,
    /// The block before; the genesis hash for the first.
    pub parent: BlockId,
    /// Agreed time, strictly above the parent's. The contract knows no other clock.
    pub time: Time,
    /// Hash of the set that decides this block.
    pub validators: Hash,
    /// Hash of the set that decides the next block; differs at the last block of an epoch only.
    pub next_validators: Hash,
    /// Merkle root of the transactions' leaves.
    pub transactions_root: Hash,
    /// Merkle root of the evidence's leaves.
    pub evidence_root: Hash,
    /// Merkle root of the receipts' leaves, deadlines' receipts included.
    pub receipts_root: Hash,
    /// Root of the state after the block.
    pub state_root: Hash,
}

impl Header {
    /// The block's id.
    pub fn id(&self) -> BlockId {
        BlockId(hash(Domain::Header, &[&encode(self)]))
    }
}

/// A header, its transactions in order and its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// What it executes, in order. A node that held them before shares them.
    pub transactions: Vec<Arc<Transaction>>,
    /// Contradictions of validators that it records, strictly ascending by [`crate::EvidenceKey`].
    pub evidence: Vec<Evidence>,
}

impl Block {
    /// The block's id; the header binds transactions and evidence through their roots.
    pub fn id(&self) -> BlockId {
        self.header.id()
    }
}

/// Merkle root of transactions as a header has it.
pub fn transactions_root(transactions: &[Arc<Transaction>]) -> Hash {
    merkle::root(&transactions.iter().map(|transaction| transaction_leaf(transaction)).collect::<Vec<_>>())
}

/// A transaction's leaf: its whole encoding, signatures included.
pub fn transaction_leaf(transaction: &Transaction) -> Hash {
    merkle::leaf(&encode(transaction))
}
