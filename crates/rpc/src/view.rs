//! What a reader sees: the state at the tip, and blocks drawn with what the state knows about orders and items.

use std::sync::Arc;

use vostro_api::chain::{BlockLine, ExecutedJson};
use vostro_api::ledger::{EntryProof, StateProofJson};
use vostro_api::receipt::{Place, ReceiptJson};
use vostro_api::words::{account_words, order_words, quoted};
use vostro_api::{ApiError, Directory, Lookup, TransactionJson, code, plain_words};
use vostro_settlement::{Reader, read};
use vostro_types::transaction::{ItemRef, OrderKey};
use vostro_types::{AccountId, Asset, AssetCode, Cause, Height, Label, Outcome, Receipt, TxId, codec};

use crate::backend::StoredBlock;
use crate::methods::Api;

/// The state at the tip beside the chain's public names.
pub(crate) struct View<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) state: &'a dyn Reader,
}

impl Lookup for View<'_> {
    fn asset(&self, code: &AssetCode) -> Option<Asset> {
        self.directory.asset(code)
    }

    fn name(&self, account: &AccountId) -> Option<String> {
        self.directory.name(account)
    }

    fn order_asset(&self, order: &OrderKey) -> Option<AssetCode> {
        read::order(self.state, order).map(|o| o.asset)
    }

    fn campaign_asset(&self, platform: &AccountId, campaign: &Label) -> Option<AssetCode> {
        read::campaign(self.state, *platform, campaign).map(|c| c.asset)
    }

    fn item_asset(&self, item: &ItemRef) -> Option<AssetCode> {
        read::item(self.state, item.host, &item.item, item.version).map(|i| i.asset)
    }
}

impl Api {
    /// Works with the state at the tip. `f` must ask the backend nothing else (see [`crate::Backend::read`]).
    pub(crate) fn view<T>(&self, f: impl FnOnce(&View<'_>) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let (mut f, mut result) = (Some(f), None);
        self.backend.read(&mut |state| {
            if let Some(f) = f.take() {
                result = Some(f(&View { directory: &self.directory, state }));
            }
        });
        result.unwrap_or_else(|| Err(ApiError::new(code::NOT_READY, "the state cannot be read now")))
    }

    /// The block at a height, or an error that says what is known.
    pub(crate) fn stored(&self, height: Height) -> Result<Arc<StoredBlock>, ApiError> {
        self.backend.block(height).ok_or_else(|| {
            let tip = self.backend.status().height;
            ApiError::not_found(match height {
                Height(0) => "height 0 is the genesis; see chain_genesis".to_string(),
                height if height > tip => format!("there is no block {height} yet; the tip is {tip}"),
                height => format!("block {height} is not on this node"),
            })
        })
    }

    /// A transaction's block and index, or an error: pending, or unknown.
    pub(crate) fn executed(&self, id: &TxId) -> Result<(Arc<StoredBlock>, u32), ApiError> {
        let Some((height, index)) = self.backend.locate(id) else {
            return Err(if self.backend.pending(id) {
                still_pending(id)
            } else {
                ApiError::not_found(format!("transaction {id} is not known here")).about([id])
            });
        };
        Ok((self.stored(height)?, index))
    }

    /// Proves what the state says of some keys, for an answer that was asked with `prove`.
    pub(crate) fn prove(&self, keys: Vec<Vec<u8>>) -> Result<StateProofJson, ApiError> {
        let proved = self.backend.prove(keys).ok_or_else(|| {
            ApiError::new(code::NOT_READY, "this node cannot prove its state now; ask again after the next block")
        })?;
        Ok(StateProofJson {
            header: codec::encode(&proved.header),
            certificate: codec::encode(&proved.certificate),
            entries: proved.proofs.iter().map(|p| EntryProof(codec::encode(p))).collect(),
        })
    }

    /// Name of the primary of the view in which a block was decided.
    pub(crate) fn proposer(&self, stored: &StoredBlock) -> String {
        let index = self.validators.primary(stored.certificate.height, stored.certificate.view);
        self.validators.get(index).map_or_else(String::new, |v| v.name.to_string())
    }

    /// A block as a line of a list.
    pub(crate) fn block_line(&self, stored: &StoredBlock) -> BlockLine {
        let header = &stored.block.header;
        let transactions = stored.block.transactions.len();
        let rejected = |r: &&Receipt| matches!(r.outcome, Outcome::Rejected { .. });
        BlockLine {
            height: header.height.0,
            hash: header.id(),
            time: header.time,
            proposer: self.proposer(stored),
            view: stored.certificate.view.0,
            signers: count(stored.certificate.signatures.len()),
            transactions: count(transactions),
            rejected: count(stored.receipts.iter().filter(rejected).count()),
            deadlines: count(stored.receipts.len().saturating_sub(transactions)),
            evidence: count(stored.block.evidence.len()),
            state_root: header.state_root,
        }
    }
}

/// "Still pending", with the id.
pub(crate) fn still_pending(id: &TxId) -> ApiError {
    ApiError::new(code::PENDING, format!("transaction {id} is still pending")).about([id])
}

/// A count for JSON; blocks are far smaller than 2^32.
pub(crate) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Where the receipt at `index` of a block stands.
pub(crate) fn place(stored: &StoredBlock, index: u32) -> Place {
    let header = &stored.block.header;
    Place { height: header.height, index, block: header.id(), time: header.time }
}

/// The receipt at `index` of a block.
pub(crate) fn receipt_at(stored: &StoredBlock, index: u32) -> Result<&Receipt, ApiError> {
    usize::try_from(index).ok().and_then(|i| stored.receipts.get(i)).ok_or_else(|| {
        ApiError::new(code::INTERNAL, format!("block {} has no receipt {index}", stored.block.header.height))
    })
}

/// The receipt at `index` of a block as JSON.
pub(crate) fn receipt_json(stored: &StoredBlock, index: u32, view: &View<'_>) -> Result<ReceiptJson, ApiError> {
    Ok(ReceiptJson::of(receipt_at(stored, index)?, &place(stored, index), view))
}

/// What a receipt is about, in words: its transaction's, or the deadline's.
pub(crate) fn cause_words(stored: &StoredBlock, index: u32, receipt: &Receipt, view: &View<'_>) -> Vec<String> {
    match &receipt.cause {
        Cause::Transaction(_) => usize::try_from(index)
            .ok()
            .and_then(|i| stored.block.transactions.get(i))
            .map_or_else(Vec::new, |t| plain_words(t, view)),
        Cause::Deadline(order) => {
            vec![format!("The deadline of {} came due.", order_words(order, view))]
        }
        Cause::WindowDeadline { asset, window } => vec![format!("Netting window {window} in {asset} came due.")],
        Cause::CampaignDeadline { platform, campaign } => {
            let (name, platform) = (quoted(campaign), account_words(platform, view));
            vec![format!("The time of campaign {name} of {platform} was up.")]
        }
        Cause::ProposalDue { proposer, proposal } => {
            let (name, proposer) = (quoted(proposal), account_words(proposer, view));
            vec![format!("The height of proposal {name} of {proposer} came.")]
        }
    }
}

/// The transactions of a block with their receipts.
pub(crate) fn executed_json(
    stored: &StoredBlock,
    chain: &vostro_types::Hash,
    view: &View<'_>,
) -> Result<Vec<ExecutedJson>, ApiError> {
    let transactions = stored.block.transactions.iter().zip(0u32..);
    transactions
        .map(|(t, index)| {
            Ok(ExecutedJson {
                transaction: TransactionJson::of(t, chain, view),
                words: plain_words(t, view),
                receipt: receipt_json(stored, index, view)?,
            })
        })
        .collect()
}
