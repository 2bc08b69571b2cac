//! What validators say to each other besides votes: transactions, evidence and catch-up.
//!
//! Invariant: every message is decoded by the canonical codec under a cap, and none is believed before it is verified.

use std::sync::Arc;

use bincode::{Decode, Encode};
use vostro_types::codec::{CodecError, MAX_BLOCK, decode, encode};
use vostro_types::{Block, Certificate, Evidence, Height, Transaction, VerifiedTransaction};

/// Largest gossiped batch of transactions in bytes; evidence comes on top.
pub const MAX_BATCH_BYTES: usize = 256 << 10;
/// Largest answer to a catch-up request in bytes.
pub const MAX_SYNC_BYTES: usize = 12 << 20;
/// Most blocks in an answer to a catch-up request.
pub const MAX_SYNC_BLOCKS: usize = 512;

/// Transactions and evidence on the gossip topic, or forwarded directly to a primary that may have missed them.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct GossipBatch {
    /// In the order of admission at the node that gossips them.
    pub transactions: Vec<Arc<Transaction>>,
    /// At most [`vostro_types::evidence::MAX_EVIDENCE`] pieces.
    pub evidence: Vec<Evidence>,
}

/// Asks for decided blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SyncRequest {
    /// The first height wanted.
    pub from: Height,
    /// Most blocks wanted.
    pub count: u16,
}

/// A decided block and what claims to prove it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Certified {
    /// The block.
    pub block: Arc<Block>,
    /// Its commit certificate.
    pub certificate: Certificate,
}

/// Decided blocks, contiguous from the height that was asked for; empty if the node has none.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SyncResponse {
    /// The blocks.
    pub blocks: Vec<Certified>,
}

macro_rules! wire {
    ($name:ident, $cap:expr) => {
        impl $name {
            /// The bytes that travel.
            pub fn to_bytes(&self) -> Vec<u8> {
                encode(self)
            }

            /// Reads the bytes that travelled.
            ///
            /// # Errors
            /// [`CodecError`] if they are too long or not the canonical encoding.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
                decode(bytes, $cap)
            }
        }
    };
}

wire!(GossipBatch, 2 * MAX_BATCH_BYTES);
wire!(SyncRequest, 64);
wire!(SyncResponse, MAX_SYNC_BYTES + MAX_BLOCK);

/// Cuts transactions into batches of at most [`MAX_BATCH_BYTES`].
pub fn batches<'a>(transactions: impl IntoIterator<Item = &'a VerifiedTransaction>) -> Vec<GossipBatch> {
    let mut batches = Vec::new();
    let (mut current, mut size) = (Vec::new(), 0);
    for transaction in transactions {
        let length = transaction.size();
        if size + length > MAX_BATCH_BYTES && !current.is_empty() {
            batches.push(GossipBatch { transactions: std::mem::take(&mut current), evidence: Vec::new() });
            size = 0;
        }
        size += length;
        current.push(transaction.transaction().clone());
    }
    if !current.is_empty() {
        batches.push(GossipBatch { transactions: current, evidence: Vec::new() });
    }
    batches
}
