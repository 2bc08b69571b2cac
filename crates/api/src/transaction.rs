//! Transactions as JSON and as base64 of their canonical bytes.
//!
//! The bytes are what is signed and what travels; the JSON is for reading them and for building them.

use serde::{Deserialize, Serialize};
use vostro_types::codec::{self, CodecError, MAX_TRANSACTION};
use vostro_types::transaction::{BODY_VERSION, MAX_BATCH, MAX_SIGNATURES};
use vostro_types::{AccountId, Body, Hash, Payload, PublicKey, Signature, SignedBy, Time, Transaction, TxId};

use crate::action::{self, ActionJson};
use crate::error::ApiError;
use crate::lookup::Lookup;
use crate::text;

/// Longest base64 text of a transaction.
pub const MAX_TRANSACTION_TEXT: usize = MAX_TRANSACTION.div_ceil(3) * 4;

/// The base64 text of a transaction's canonical bytes.
pub fn encode_transaction(transaction: &Transaction) -> String {
    text::base64::print(&codec::encode(transaction))
}

/// Reads a transaction from base64 of its canonical bytes. Signatures are not verified here.
///
/// # Errors
/// [`ApiError`] 1108 that says what is wrong with the text or the bytes.
pub fn parse_transaction(text: &str) -> Result<Transaction, ApiError> {
    if text.len() > MAX_TRANSACTION_TEXT {
        let reason = format!("{} characters are more than a transaction's {MAX_TRANSACTION_TEXT}", text.len());
        return Err(ApiError::malformed(reason));
    }
    let bytes = text::base64::parse(text).map_err(|e| ApiError::malformed(format!("the transaction is {e}")))?;
    decode_transaction(&bytes)
}

/// Reads a transaction from its canonical bytes.
///
/// # Errors
/// [`ApiError`] 1108 that says what is wrong with the bytes.
pub fn decode_transaction(bytes: &[u8]) -> Result<Transaction, ApiError> {
    codec::decode(bytes, MAX_TRANSACTION).map_err(|e: CodecError| ApiError::malformed(format!("the transaction: {e}")))
}

/// A body's payload as JSON: an action, or a batch of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PayloadJson {
    /// `{"kind": "batch", "actions": [...]}`.
    Batch(BatchJson),
    /// `{"kind": …, …}`.
    One(Box<ActionJson>),
}

impl<'de> Deserialize<'de> for PayloadJson {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A derived untagged enum answers every mistake with "no variant matched"; looking at `kind` first does not.
        let value = serde_json::Value::deserialize(deserializer)?;
        let parsed = if value.get("kind").and_then(|k| k.as_str()) == Some("batch") {
            serde_json::from_value(value).map(PayloadJson::Batch)
        } else {
            serde_json::from_value(value).map(PayloadJson::One)
        };
        parsed.map_err(serde::de::Error::custom)
    }
}

/// Several actions that happen together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchJson {
    /// `batch`.
    pub kind: BatchKind,
    /// 1 to 128 of them.
    pub actions: Vec<ActionJson>,
}

/// The kind of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BatchKind {
    /// `batch`.
    Batch,
}

/// What is signed, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BodyJson {
    /// Account that acts.
    #[serde(with = "crate::text")]
    pub sender: AccountId,
    /// Last block time at which it may be executed.
    #[serde(with = "crate::text::time")]
    pub valid_until: Time,
    /// 64 bits in digits; text because many programs cannot hold them in a number.
    #[serde(with = "crate::text")]
    pub salt: u64,
    /// What to do.
    pub action: PayloadJson,
}

/// A key and its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignatureJson {
    /// The key that signed.
    #[serde(with = "crate::text")]
    pub key: PublicKey,
    /// Its signature.
    #[serde(with = "crate::text::signature")]
    pub signature: Signature,
}

impl SignatureJson {
    /// The JSON of a signature.
    pub fn of(signed: &SignedBy) -> Self {
        SignatureJson { key: signed.key, signature: signed.signature }
    }

    /// The signature.
    pub fn signed(&self) -> SignedBy {
        SignedBy { key: self.key, signature: self.signature }
    }
}

/// A transaction as JSON. On the way in `id` is checked when given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransactionJson {
    /// Its id on the chain it was read for.
    #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<TxId>,
    /// What is signed.
    pub body: BodyJson,
    /// By whom, sorted by key.
    pub signatures: Vec<SignatureJson>,
}

impl BodyJson {
    /// The JSON of a body.
    pub fn of(body: &Body, lookup: &dyn Lookup) -> Self {
        let action = match &body.payload {
            Payload::One(action) => PayloadJson::One(Box::new(action::to_json(action, lookup))),
            Payload::Batch(actions) => PayloadJson::Batch(BatchJson {
                kind: BatchKind::Batch,
                actions: actions.iter().map(|a| action::to_json(a, lookup)).collect(),
            }),
        };
        BodyJson { sender: body.sender, valid_until: body.valid_until, salt: body.salt, action }
    }

    /// The body, ready to be signed.
    ///
    /// # Errors
    /// The field that is wrong, by name.
    pub fn body(&self, lookup: &dyn Lookup) -> Result<Body, ApiError> {
        let payload = match &self.action {
            PayloadJson::One(json) => Payload::One(action::from_json(json, lookup)?),
            PayloadJson::Batch(batch) => {
                if batch.actions.is_empty() || batch.actions.len() > MAX_BATCH {
                    let reason = format!("a batch has 1 to {MAX_BATCH} actions, not {}", batch.actions.len());
                    return Err(ApiError::invalid_params("actions", reason));
                }
                let actions = batch.actions.iter().enumerate().map(|(i, json)| {
                    action::from_json(json, lookup)
                        .map_err(|e| ApiError { message: format!("actions[{i}].{}", e.message), ..e })
                });
                Payload::Batch(actions.collect::<Result<_, _>>()?)
            }
        };
        Ok(Body { version: BODY_VERSION, sender: self.sender, valid_until: self.valid_until, salt: self.salt, payload })
    }
}

impl TransactionJson {
    /// The JSON of a transaction on a chain.
    pub fn of(transaction: &Transaction, chain: &Hash, lookup: &dyn Lookup) -> Self {
        TransactionJson {
            id: Some(transaction.body.id(chain)),
            body: BodyJson::of(&transaction.body, lookup),
            signatures: transaction.signatures.iter().map(SignatureJson::of).collect(),
        }
    }

    /// The transaction.
    ///
    /// # Errors
    /// The field that is wrong, by name; `id` if it is not the body's on this chain.
    pub fn transaction(&self, chain: &Hash, lookup: &dyn Lookup) -> Result<Transaction, ApiError> {
        let body = self.body.body(lookup)?;
        if self.id.is_some_and(|id| id != body.id(chain)) {
            return Err(ApiError::invalid_params("id", "is not the id of this body on this chain"));
        }
        let signatures: Vec<SignedBy> = self.signatures.iter().map(SignatureJson::signed).collect();
        let sorted = signatures.is_sorted_by(|a, b| a.key < b.key);
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES || !sorted {
            let reason = format!("are 1 to {MAX_SIGNATURES}, sorted by key, each key once");
            return Err(ApiError::invalid_params("signatures", reason));
        }
        let all = signatures.len() + body.quote_signatures();
        if all > MAX_SIGNATURES {
            let reason = format!("are at most {MAX_SIGNATURES} with those of quotes, not {all}");
            return Err(ApiError::invalid_params("signatures", reason));
        }
        Ok(Transaction { body, signatures })
    }
}
