//! What a light client checks against a header it has a commit certificate for: state, transactions, evidence and receipts.
//!
//! Invariant: nothing here trusts the sender of a proof; the header is the only thing the caller vouches for.

use std::sync::Arc;

use bincode::{Decode, Encode};
use vostro_crypto::{Hash, merkle};
use vostro_types::block::transaction_leaf;
use vostro_types::evidence::evidence_leaf;
use vostro_types::receipt::receipt_leaf;
use vostro_types::{Evidence, Header, Receipt, Transaction};

use crate::proof::Proof;
use crate::state::StateRead;
use crate::tree::{Tree, key_hash, value_hash};

pub use vostro_crypto::merkle::ListProof;

/// A key's value, or its absence, with the way to the state root.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StateProof {
    /// The key as the contract writes it.
    pub key: Vec<u8>,
    /// Its value; `None` says the key is absent.
    pub value: Option<Vec<u8>>,
    /// The way to the root.
    pub proof: Proof,
}

impl StateProof {
    /// Reads `key` from `state` and proves it by `tree`, which must be of the same height.
    pub fn of(state: &dyn StateRead, tree: &Tree, key: Vec<u8>) -> StateProof {
        StateProof { value: state.get(&key), proof: tree.prove(&key_hash(&key)), key }
    }

    /// Whether the key has this value in the state with `state_root`.
    pub fn check_root(&self, state_root: &Hash) -> bool {
        let value = self.value.as_deref().map(value_hash);
        self.proof.check(state_root, &key_hash(&self.key), value.as_ref())
    }

    /// Whether the key has this value after the block of `header`.
    pub fn check(&self, header: &Header) -> bool {
        self.check_root(&header.state_root)
    }
}

/// Proof that a block holds the transaction at `index`, or `None` if it has no such one.
pub fn prove_transaction(transactions: &[Arc<Transaction>], index: usize) -> Option<ListProof> {
    merkle::prove(&transactions.iter().map(|transaction| transaction_leaf(transaction)).collect::<Vec<_>>(), index)
}

/// Whether the block of `header` holds `transaction` at the position the proof names.
pub fn check_transaction(header: &Header, transaction: &Transaction, proof: &ListProof) -> bool {
    merkle::check(&header.transactions_root, &transaction_leaf(transaction), proof)
}

/// Proof that a block holds the evidence at `index`, or `None` if it has no such one.
pub fn prove_evidence(evidence: &[Evidence], index: usize) -> Option<ListProof> {
    merkle::prove(&evidence.iter().map(evidence_leaf).collect::<Vec<_>>(), index)
}

/// Whether the block of `header` holds `evidence` at the position the proof names.
pub fn check_evidence(header: &Header, evidence: &Evidence, proof: &ListProof) -> bool {
    merkle::check(&header.evidence_root, &evidence_leaf(evidence), proof)
}

/// Proof that a block gave the receipt at `index`, or `None` if it has no such one.
pub fn prove_receipt(receipts: &[Receipt], index: usize) -> Option<ListProof> {
    merkle::prove(&receipts.iter().map(receipt_leaf).collect::<Vec<_>>(), index)
}

/// Whether the block of `header` gave `receipt` at the position the proof names.
pub fn check_receipt(header: &Header, receipt: &Receipt, proof: &ListProof) -> bool {
    merkle::check(&header.receipts_root, &receipt_leaf(receipt), proof)
}
