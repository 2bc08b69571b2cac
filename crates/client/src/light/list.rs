//! Transactions, receipts and evidence of a trusted header's block, each with its position.
//!
//! Invariant: a [`Placed`] item stands at its index in a list of its length, as the header's root says.

use vostro_execution::proofs::{ListProof, check_evidence, check_receipt, check_transaction};
use vostro_types::codec::{MAX_MESSAGE, MAX_TRANSACTION};
use vostro_types::{Cause, Evidence, Receipt, Transaction, TxId};

use super::{LightClient, LightError, TrustedHeader, read};

/// Longest encoded list proof in bytes: the longest path fits.
const MAX_PATH: usize = 2 << 10;
/// Longest encoded piece of evidence in bytes.
const MAX_EVIDENCE: usize = 4 << 10;

/// An item of a block, with its proved place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The item.
    pub item: T,
    /// Its position, from 0.
    pub index: u32,
    /// How many the block has.
    pub length: u32,
}

impl<T> Placed<T> {
    fn of(item: T, path: &ListProof) -> Self {
        Placed { item, index: path.index, length: path.length }
    }

    /// The item, if it stands at `index`.
    ///
    /// # Errors
    /// [`LightError::Position`] if it stands elsewhere.
    pub fn at(self, index: u32) -> Result<T, LightError> {
        if self.index == index { Ok(self.item) } else { Err(LightError::Position { expected: index, got: self.index }) }
    }
}

impl TrustedHeader {
    /// Verifies that the block holds a transaction, signatures included.
    ///
    /// # Errors
    /// [`LightError`] for the first rule broken.
    pub fn transaction(&self, transaction: &[u8], path: &[u8]) -> Result<Placed<Transaction>, LightError> {
        let path: ListProof = read(path, MAX_PATH, LightError::PathBytes)?;
        let transaction = read(transaction, MAX_TRANSACTION, LightError::TransactionBytes)?;
        if !check_transaction(self.header(), &transaction, &path) {
            return Err(LightError::TransactionRoot);
        }
        Ok(Placed::of(transaction, &path))
    }

    /// Verifies that the block gave a receipt: its transactions' in their order, then those of deadlines.
    ///
    /// # Errors
    /// [`LightError`] for the first rule broken.
    pub fn receipt(&self, receipt: &[u8], path: &[u8]) -> Result<Placed<Receipt>, LightError> {
        let path: ListProof = read(path, MAX_PATH, LightError::PathBytes)?;
        let receipt = read(receipt, MAX_MESSAGE, LightError::ReceiptBytes)?;
        if !check_receipt(self.header(), &receipt, &path) {
            return Err(LightError::ReceiptRoot);
        }
        Ok(Placed::of(receipt, &path))
    }

    /// Verifies that the block gave this receipt to the transaction with an id.
    ///
    /// # Errors
    /// [`LightError`] for the first rule broken.
    pub fn receipt_of(&self, id: &TxId, receipt: &[u8], path: &[u8]) -> Result<Placed<Receipt>, LightError> {
        let placed = self.receipt(receipt, path)?;
        if placed.item.cause != Cause::Transaction(*id) {
            return Err(LightError::OtherReceipt { expected: *id, got: placed.item.cause });
        }
        Ok(placed)
    }

    /// Verifies that the block records a piece of evidence.
    ///
    /// # Errors
    /// [`LightError`] for the first rule broken.
    pub fn evidence(&self, evidence: &[u8], path: &[u8]) -> Result<Placed<Evidence>, LightError> {
        let path: ListProof = read(path, MAX_PATH, LightError::PathBytes)?;
        let evidence = read(evidence, MAX_EVIDENCE, LightError::EvidenceBytes)?;
        if !check_evidence(self.header(), &evidence, &path) {
            return Err(LightError::EvidenceRoot);
        }
        Ok(Placed::of(evidence, &path))
    }
}

impl LightClient {
    /// Verifies that a block holds the transaction with an id.
    ///
    /// # Errors
    /// [`LightError`] for the first rule broken.
    pub fn transaction_of(
        &self,
        header: &TrustedHeader,
        id: &TxId,
        transaction: &[u8],
        path: &[u8],
    ) -> Result<Placed<Transaction>, LightError> {
        let placed = header.transaction(transaction, path)?;
        let got = placed.item.body.id(self.chain());
        if got == *id { Ok(placed) } else { Err(LightError::OtherTransaction { expected: *id, got }) }
    }
}
