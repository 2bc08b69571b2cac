//! Quotes of foreign exchange: what a maker signs for whoever takes it.
//!
//! Signed bytes are `tag ‖ genesis hash ‖ canonical quote`. The signatures travel inside the action that takes the quote
//! and are verified with those of the transaction, so a verified transaction holds verified quotes only.

use bincode::{Decode, Encode};
use vostro_crypto::{Domain, Hash, SecretKey};

use crate::amount::Amount;
use crate::asset::AssetCode;
use crate::codec::encode;
use crate::ids::{AccountId, Label, Time};
use crate::transaction::SignedBy;

/// An offer to exchange, good for one exchange of exactly these amounts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FxQuote {
    /// Who offers.
    pub maker: AccountId,
    /// Unique within the maker's quotes, for ever.
    pub quote_id: Label,
    /// The only account that may take it; `None` for anyone.
    pub taker: Option<AccountId>,
    /// Asset that the maker gives.
    pub gives_asset: AssetCode,
    /// How much of it the taker receives, above zero.
    pub gives: Amount,
    /// Asset that the maker takes; another one.
    pub takes_asset: AssetCode,
    /// How much of it the maker receives, above zero.
    pub takes: Amount,
    /// What the taker pays on top, in the asset that the maker takes.
    pub spread: Amount,
    /// Who receives the spread.
    pub spread_to: AccountId,
    /// Last block time at which it may be taken.
    pub expires: Time,
}

impl FxQuote {
    /// The bytes that are signed for the chain with this genesis hash.
    pub fn signing_bytes(&self, chain: &Hash) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(320);
        Domain::FxQuote.write_to(&mut bytes);
        bytes.extend_from_slice(&chain.0);
        bytes.extend_from_slice(&encode(self));
        bytes
    }

    /// Signs with `keys`. Signatures are sorted by key, each key once.
    pub fn sign(&self, chain: &Hash, keys: &[&SecretKey]) -> Vec<SignedBy> {
        SignedBy::all(&self.signing_bytes(chain), keys)
    }
}
