//! A transaction with its signatures, and the only door to "verified".

use std::sync::Arc;

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use vostro_crypto::{Batch, Hash, PublicKey, SecretKey, Signature, merkle, sha256, verify};

use super::{BODY_VERSION, Body, FxConvert, MAX_SIGNATURES};
use crate::codec::{encode, refuse};
use crate::ids::TxId;

/// A key and its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedBy {
    /// The key that signed.
    pub key: PublicKey,
    /// Its signature over [`Body::signing_bytes`].
    pub signature: Signature,
}

impl SignedBy {
    /// Signatures over `bytes`, sorted by key, each key once.
    pub(crate) fn all(bytes: &[u8], keys: &[&SecretKey]) -> Vec<SignedBy> {
        let mut signatures: Vec<SignedBy> =
            keys.iter().map(|k| SignedBy { key: k.public(), signature: k.sign(bytes) }).collect();
        signatures.sort_by_key(|s| s.key);
        signatures.dedup_by_key(|s| s.key);
        signatures
    }
}

/// A body and signatures over it, sorted by key, each key once, 1 to [`MAX_SIGNATURES`].
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct Transaction {
    /// What is signed.
    pub body: Body,
    /// By whom.
    pub signatures: Vec<SignedBy>,
}

impl<Context> Decode<Context> for Transaction {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let body = Body::decode(decoder)?;
        if body.version != BODY_VERSION {
            return Err(refuse(format!("transaction version {} is not {BODY_VERSION}", body.version)));
        }
        let signatures: Vec<SignedBy> = Vec::decode(decoder)?;
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(refuse(format!(
                "a transaction has 1 to {MAX_SIGNATURES} signatures, not {}",
                signatures.len()
            )));
        }
        if !signatures.is_sorted_by(|a, b| a.key < b.key) {
            return Err(refuse("signatures must be sorted by key, each key once".into()));
        }
        let well_formed =
            |quoted: &FxConvert| !quoted.signatures.is_empty() && quoted.signatures.is_sorted_by(|a, b| a.key < b.key);
        if !body.quotes().all(well_formed) {
            return Err(refuse("signatures of a quote must be there, sorted by key, each key once".into()));
        }
        let all = signatures.len() + body.quote_signatures();
        if all > MAX_SIGNATURES {
            return Err(refuse(format!(
                "a transaction has at most {MAX_SIGNATURES} signatures with its quotes', not {all}"
            )));
        }
        Ok(Transaction { body, signatures })
    }
}
bincode::impl_borrow_decode!(Transaction);

/// A signature that does not verify; the key says whose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signature by key {key} does not verify")]
pub struct BadSignature {
    /// The first key whose signature fails.
    pub key: PublicKey,
}

/// A transaction all of whose signatures verify on one chain, those of the quotes it takes included. Whether the keys may act for the sender is the contract's
/// to judge. The only ways in are the verify functions of this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTransaction {
    id: TxId,
    transaction: Arc<Transaction>,
    leaf: Hash,
    size: usize,
}

impl VerifiedTransaction {
    /// Who calls this has verified the signatures.
    fn new(id: TxId, transaction: Arc<Transaction>) -> Self {
        let bytes = encode(&*transaction);
        VerifiedTransaction { id, transaction, leaf: merkle::leaf(&bytes), size: bytes.len() }
    }

    /// Its id.
    pub fn id(&self) -> TxId {
        self.id
    }

    /// What is signed.
    pub fn body(&self) -> &Body {
        &self.transaction.body
    }

    /// The keys that signed, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.transaction.signatures.iter().map(|s| &s.key)
    }

    /// The transaction as it travels.
    pub fn transaction(&self) -> &Arc<Transaction> {
        &self.transaction
    }

    /// Its leaf in a block's list of transactions, as [`transaction_leaf`](crate::block::transaction_leaf) says.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    /// Its encoded length in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Gives the transaction back, unverified.
    pub fn into_transaction(self) -> Arc<Transaction> {
        self.transaction
    }
}

impl Transaction {
    /// Verifies every signature, those of quotes included.
    ///
    /// # Errors
    /// [`BadSignature`] names the first key whose signature fails.
    pub fn verify(self, chain: &Hash) -> Result<VerifiedTransaction, BadSignature> {
        let mut bad = None;
        let id = each_signature(&self, chain, |key, message, signature| {
            if bad.is_none() && verify(key, message, signature).is_err() {
                bad = Some(BadSignature { key: *key });
            }
        });
        match bad {
            Some(bad) => Err(bad),
            None => Ok(VerifiedTransaction::new(id, Arc::new(self))),
        }
    }
}

/// Puts every signature of a transaction, those of quotes included, where `push` takes key, message and signature. Gives its id.
fn each_signature(
    transaction: &Transaction,
    chain: &Hash,
    mut push: impl FnMut(&PublicKey, &[u8], &Signature),
) -> TxId {
    let bytes = transaction.body.signing_bytes(chain);
    for s in &transaction.signatures {
        push(&s.key, &bytes, &s.signature);
    }
    for quoted in transaction.body.quotes() {
        let bytes = quoted.quote.signing_bytes(chain);
        for s in &quoted.signatures {
            push(&s.key, &bytes, &s.signature);
        }
    }
    TxId(sha256(&bytes))
}

/// Verifies many transactions as one batch, with the verdicts single checks would give, in order.
pub fn verify_all<T: Into<Arc<Transaction>>>(
    transactions: Vec<T>,
    chain: &Hash,
) -> Vec<Result<VerifiedTransaction, BadSignature>> {
    let transactions: Vec<Arc<Transaction>> = transactions.into_iter().map(Into::into).collect();
    let mut batch = Batch::new();
    let mut owners = Vec::with_capacity(transactions.len());
    let mut ids = Vec::with_capacity(transactions.len());
    for (at, transaction) in transactions.iter().enumerate() {
        ids.push(each_signature(transaction, chain, |key, message, signature| {
            batch.push(key, message, signature);
            owners.push((at, *key));
        }));
    }
    let mut bad = std::collections::BTreeMap::new();
    if let Err(indices) = batch.verify() {
        for i in indices {
            let (at, key) = owners[i];
            bad.entry(at).or_insert(key);
        }
    }
    let judge = |(at, (transaction, id))| match bad.get(&at) {
        Some(key) => Err(BadSignature { key: *key }),
        None => Ok(VerifiedTransaction::new(id, transaction)),
    };
    transactions.into_iter().zip(ids).enumerate().map(judge).collect()
}

/// Verifies lists of transactions as one batch. `None` if a signature in them does not verify; [`verify_all`] of each list says which.
pub fn verify_together(lists: &[Vec<Arc<Transaction>>], chain: &Hash) -> Option<Vec<Vec<VerifiedTransaction>>> {
    let mut batch = Batch::new();
    let mut push = |key: &PublicKey, message: &[u8], signature: &Signature| batch.push(key, message, signature);
    let mut ids: Vec<TxId> = Vec::new();
    for transaction in lists.iter().flatten() {
        ids.push(each_signature(transaction, chain, &mut push));
    }
    if !batch.all_verify() {
        return None;
    }
    let mut ids = ids.into_iter();
    let verified = |(transaction, id): (&Arc<Transaction>, TxId)| VerifiedTransaction::new(id, transaction.clone());
    Some(lists.iter().map(|list| list.iter().zip(ids.by_ref()).map(verified).collect()).collect())
}
