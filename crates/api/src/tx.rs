//! Shapes of the `tx_*` methods.

use serde::{Deserialize, Serialize};
use vostro_types::{BlockId, Body, Hash, Time, TxId};

use crate::error::ApiError;
use crate::lookup::Lookup;
use crate::receipt::{ReceiptJson, Status};
use crate::transaction::TransactionJson;
use crate::words::action_words;

/// `tx_submit`. Submitting what is known already is a success, so a client may repeat the same bytes at will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// The transaction's id.
    #[serde(with = "crate::text")]
    pub id: TxId,
    /// How it stands.
    pub status: Status,
}

/// An item of `tx_submitBatch`: `status` and `id` if it was taken, `error` if not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmittedItem {
    /// The transaction's id, where the bytes were a transaction.
    #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<TxId>,
    /// How it stands.
    pub status: Status,
    /// Why it was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
}

/// `tx_submitBatch`: an item for each transaction, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmittedBatch {
    /// The items.
    pub items: Vec<SubmittedItem>,
}

/// `tx_get`. The transaction itself is there once it is in a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TxView {
    /// Its id.
    #[serde(with = "crate::text")]
    pub id: TxId,
    /// How it stands.
    pub status: Status,
    /// Height of its block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Index in its block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Its block.
    #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockId>,
    /// The block's time.
    #[serde(with = "crate::text::time::option", default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionJson>,
    /// A sentence for each action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Its canonical bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoded: Option<String>,
    /// What it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptJson>,
}

/// `tx_encode`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Encoded {
    /// The id that the transaction will have.
    #[serde(with = "crate::text")]
    pub id: TxId,
    /// What its signers sign, in hex.
    pub signing_bytes: String,
    /// A sentence for each action.
    pub words: Vec<String>,
}

impl Encoded {
    /// The encoding of a body on a chain.
    pub fn of(body: &Body, chain: &Hash, lookup: &dyn Lookup) -> Self {
        Encoded {
            id: body.id(chain),
            signing_bytes: hex::encode(body.signing_bytes(chain)),
            words: body.payload.actions().iter().map(|a| action_words(&body.sender, a, lookup)).collect(),
        }
    }
}

/// `tx_decode`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decoded {
    /// The transaction, with its id on this chain.
    pub transaction: TransactionJson,
    /// A sentence for each action.
    pub words: Vec<String>,
    /// Whether every signature verifies on this chain. Whether the keys may act for the sender is the contract's to say.
    pub signatures_valid: bool,
}
