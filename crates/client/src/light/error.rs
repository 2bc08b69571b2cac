//! Why a light client refuses something: a variant a rule.

use vostro_types::codec::CodecError;
use vostro_types::genesis::GenesisError;
use vostro_types::{BlockId, Cause, CertificateError, Epoch, Hash, Height, Time, TxId};

/// The rule that something from outside breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// The bytes are no genesis.
    #[error("the genesis is not valid: {0}")]
    GenesisBytes(CodecError),
    /// The genesis is not complete and consistent.
    #[error("the genesis is not valid: {0}")]
    Genesis(GenesisError),
    /// The bytes are no header.
    #[error("header: {0}")]
    HeaderBytes(CodecError),
    /// The bytes are no certificate.
    #[error("certificate: {0}")]
    CertificateBytes(CodecError),
    /// The bytes are no validator set.
    #[error("validator set: {0}")]
    SetBytes(CodecError),
    /// A header of another layout.
    #[error("the header has version {got}, which this client does not know")]
    Version {
        /// The header's version.
        got: u8,
    },
    /// No set is known for the epoch, or an epoch older than the newest was to hand over.
    #[error("epoch {} is not one this client can use; the newest it knows is {}", got.0, newest.0)]
    Epoch {
        /// The newest known.
        newest: Epoch,
        /// The header's.
        got: Epoch,
    },
    /// The header names another set than the one that decides its height.
    #[error("the header names the validator set {got}, not {expected}")]
    Set {
        /// The known set.
        expected: Hash,
        /// The header's.
        got: Hash,
    },
    /// A height that an earlier set decides.
    #[error("height {} is below {}, where the epoch begins", got.0, first.0)]
    BeforeEpoch {
        /// First height of the epoch.
        first: Height,
        /// The header's.
        got: Height,
    },
    /// A height that a later set decides: the old set's signatures do not count there.
    #[error("height {} is above {}, where the epoch ended", got.0, last.0)]
    AfterEpoch {
        /// Last height of the epoch.
        last: Height,
        /// The header's.
        got: Height,
    },
    /// A second last block of an epoch.
    #[error("the epoch ended at height {} with block {expected}, not {got}", height.0)]
    OtherLast {
        /// Last height of the epoch.
        height: Height,
        /// The block that handed over.
        expected: BlockId,
        /// The one shown now.
        got: BlockId,
    },
    /// The header ends its epoch; without the next set the chain cannot be followed past it.
    #[error("the header of height {} hands over to another validator set, which is needed with it", height.0)]
    HandsOver {
        /// The header's height.
        height: Height,
    },
    /// The header names the same set for the next block.
    #[error("the header of height {} hands over to no other validator set", height.0)]
    NoHandOver {
        /// The header's height.
        height: Height,
    },
    /// The set shown is not the one the last header names.
    #[error("the header hands over to the validator set {expected}, not {got}")]
    NextSet {
        /// What the header names.
        expected: Hash,
        /// The set's hash.
        got: Hash,
    },
    /// The set handed over is not of the epoch after.
    #[error("after epoch {} comes not {}", old.0, got.0)]
    NextEpoch {
        /// The epoch that ends.
        old: Epoch,
        /// The set's.
        got: Epoch,
    },
    /// No height follows.
    #[error("no height comes after the last one there is")]
    LastHeight,
    /// Not the height after the parent's.
    #[error("height {} does not come right after {}", got.0, parent.0)]
    Gap {
        /// The parent's height.
        parent: Height,
        /// The header's.
        got: Height,
    },
    /// The header stands on another block; the first stands on the genesis.
    #[error("the header stands on block {got}, not {expected}")]
    Parent {
        /// The block before.
        expected: BlockId,
        /// The header's parent.
        got: BlockId,
    },
    /// The time is not above the parent's, or for the first block not above the genesis's.
    #[error("the header's time {} is not after its parent's, {}", got.0, parent.0)]
    Time {
        /// The parent's.
        parent: Time,
        /// The header's.
        got: Time,
    },
    /// Prepares decide nothing.
    #[error("the certificate is not one of commits")]
    Kind,
    /// The certificate is for another height.
    #[error("the certificate is for height {}, not {}", got.0, expected.0)]
    OtherHeight {
        /// The header's.
        expected: Height,
        /// The certificate's.
        got: Height,
    },
    /// The certificate is for another block.
    #[error("the certificate is for block {got}, not {expected}")]
    OtherBlock {
        /// The header's id.
        expected: BlockId,
        /// The certificate's.
        got: BlockId,
    },
    /// The certificate is no quorum of the set.
    #[error(transparent)]
    Certificate(CertificateError),
    /// The bytes are no state proof.
    #[error("state proof: {0}")]
    StateBytes(CodecError),
    /// More state proofs at once than there may be.
    #[error("more than {max} state proofs at once")]
    ManyEntries {
        /// Most allowed.
        max: usize,
    },
    /// The way does not lead to the header's state root.
    #[error("a value is not in the state of the header")]
    StateRoot,
    /// What is asked for was not proved, present or absent.
    #[error("{table} was not proved for this key")]
    NotProved {
        /// The contract's table.
        table: &'static str,
    },
    /// The value is none of the table's, or one that must stand beside it is absent.
    #[error("{table} holds an unknown layout")]
    Layout {
        /// The contract's table.
        table: &'static str,
    },
    /// The order is kept, or there never was one of that name.
    #[error("the order is not archived")]
    NotArchived,
    /// A copy of an order that is not the one that was archived.
    #[error("the digest of the copy is {got}, that of the archived order is {expected}")]
    OtherCopy {
        /// What the state says.
        expected: Hash,
        /// The copy's.
        got: Hash,
    },
    /// The bytes are no list proof.
    #[error("path: {0}")]
    PathBytes(CodecError),
    /// The bytes are no transaction.
    #[error("transaction: {0}")]
    TransactionBytes(CodecError),
    /// The way does not lead to the header's root of transactions.
    #[error("the transaction is not in the block")]
    TransactionRoot,
    /// A transaction of the block, but not the one asked for.
    #[error("this is transaction {got}, not {expected}")]
    OtherTransaction {
        /// Asked for.
        expected: TxId,
        /// Proved.
        got: TxId,
    },
    /// The bytes are no receipt.
    #[error("receipt: {0}")]
    ReceiptBytes(CodecError),
    /// The way does not lead to the header's root of receipts.
    #[error("the receipt is not in the block")]
    ReceiptRoot,
    /// A receipt of the block, but of another cause than the transaction asked for.
    #[error("the receipt is not that of transaction {expected}")]
    OtherReceipt {
        /// Asked for.
        expected: TxId,
        /// What made it.
        got: Cause,
    },
    /// The bytes are no evidence.
    #[error("evidence: {0}")]
    EvidenceBytes(CodecError),
    /// The way does not lead to the header's root of evidence.
    #[error("the evidence is not in the block")]
    EvidenceRoot,
    /// It stands in the block, but elsewhere.
    #[error("it stands at index {got} of the block, not {expected}")]
    Position {
        /// Asked for.
        expected: u32,
        /// Proved.
        got: u32,
    },
}
