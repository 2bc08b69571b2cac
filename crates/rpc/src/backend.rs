//! What the RPC needs of a node. The server knows no engine, no disk and no network: it asks through this trait, and
//! tests answer it from memory.

use std::sync::Arc;

use futures::future::BoxFuture;
use vostro_api::ApiError;
use vostro_api::node::{NodeInfo, PeerInfo};
use vostro_api::receipt::Status as TxStatus;
use vostro_execution::StateProof;
use vostro_settlement::Reader;
use vostro_types::{
    AccountId, Block, BlockId, Certificate, Epoch, Genesis, Hash, Header, Height, Receipt, Time, Transaction, TxId,
};

/// A decided block with what proves it and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// The block.
    pub block: Arc<Block>,
    /// The commits for it.
    pub certificate: Certificate,
    /// Receipts of its transactions, then of deadlines.
    pub receipts: Vec<Receipt>,
}

/// Where the node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Height of the tip that is durable and applied; 0 before the first block.
    pub height: Height,
    /// The tip; the genesis hash before the first block.
    pub block: BlockId,
    /// Root of the state after the tip.
    pub state_root: Hash,
    /// The tip's time; the genesis time before the first block.
    pub time: Time,
    /// Epoch of the next block.
    pub epoch: Epoch,
    /// Whether the node knows that it is behind.
    pub syncing: bool,
    /// Validators at work that this node sees, itself included.
    pub validators_online: usize,
    /// Transactions that wait in the mempool.
    pub pending: usize,
}

/// A transaction that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its id.
    pub id: TxId,
    /// How it stands: pending, or where it was known already, settled or rejected.
    pub status: TxStatus,
}

/// State proofs and the decided header they lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// The header whose state root the proofs lead to.
    pub header: Header,
    /// The commits for it.
    pub certificate: Certificate,
    /// A proof for each key asked for, in order: its value, or its absence.
    pub proofs: Vec<StateProof>,
}

/// The node behind the RPC. Reads answer from what is durable; none of them waits for consensus.
///
/// Functions that are not async may block on the disk; the server calls them on threads made for that.
pub trait Backend: Send + Sync + 'static {
    /// The chain's genesis.
    fn genesis(&self) -> &Genesis;

    /// Its hash.
    fn genesis_hash(&self) -> Hash;

    /// Where the node stands.
    fn status(&self) -> Status;

    /// Does work of this server on a thread made for work that blocks. A backend that measures its parts overrides it.
    fn measured(&self, work: &mut dyn FnMut()) {
        work();
    }

    /// The block at a height.
    fn block(&self, height: Height) -> Option<Arc<StoredBlock>>;

    /// The height of a block.
    fn block_height(&self, id: &BlockId) -> Option<Height>;

    /// Where a transaction was executed: height, and index among the block's transactions and receipts.
    fn locate(&self, id: &TxId) -> Option<(Height, u32)>;

    /// Whether a transaction waits in the mempool.
    fn pending(&self, id: &TxId) -> bool;

    /// Calls `f` once with the state after some block at or near the tip; the state does not change meanwhile.
    /// `f` calls nothing else of the node, so this may hold a lock.
    fn read(&self, f: &mut dyn FnMut(&dyn Reader));

    /// Proves what the state after one decided block says of `keys`; `None` if this node cannot prove now.
    fn prove(&self, keys: Vec<Vec<u8>>) -> Option<Proved>;

    /// Receipts that concern an account, newest first: those before `before` (exclusive), at most `limit`.
    fn history(&self, account: &AccountId, before: Option<(Height, u32)>, limit: usize) -> Vec<(Height, u32)>;

    /// Verifies transactions and admits them to the mempool; one answer for each, in order. What waits in the mempool
    /// already is admitted again without effect.
    fn submit(&self, transactions: Vec<Transaction>) -> BoxFuture<'_, Vec<Result<Admitted, ApiError>>>;

    /// Resolves once the transaction stands in a durable block that [`Backend::locate`] finds; at once if it does
    /// already. May resolve early; the server looks again.
    fn settled(&self, id: TxId) -> BoxFuture<'_, ()>;

    /// The peers this node knows.
    fn peers(&self) -> Vec<PeerInfo>;

    /// Who this node is.
    fn node_info(&self) -> NodeInfo;

    /// What keeps the node from serving; empty when it is ready.
    fn readiness(&self) -> Vec<String>;
}
