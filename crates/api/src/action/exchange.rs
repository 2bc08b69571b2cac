//! Hash locks, quotes, cover and the mutual fund.

use serde::{Deserialize, Serialize};
use vostro_types::transaction::{
    FundContribute, FundRelease, FxConvert, HtlcClaim, HtlcLock, HtlcRefund, UnlockCollateral,
};
use vostro_types::{AccountId, Amount, Asset, AssetCode, FxQuote, Hash, Label, SignedBy, Time};

use super::field::{Field, Text, TimeText, action_json, camel};
use crate::amount::AmountText;
use crate::error::ApiError;
use crate::lookup::Lookup;
use crate::transaction::SignatureJson;

action_json! {
    /// `htlcLock`.
    HtlcLockJson = HtlcLock, own {
        htlc_id: Label,
        to: AccountId,
        asset: AssetCode,
        amount: Amount,
        hash: Hash,
        deadline: Time,
    }
}

action_json! {
    /// `htlcClaim`.
    HtlcClaimJson = HtlcClaim, plain {
        owner: AccountId,
        htlc_id: Label,
        preimage: [u8; 32],
    }
}

action_json! {
    /// `htlcRefund`.
    HtlcRefundJson = HtlcRefund, plain {
        owner: AccountId,
        htlc_id: Label,
    }
}

action_json! {
    /// `unlockCollateral`.
    UnlockCollateralJson = UnlockCollateral, own {
        asset: AssetCode,
        amount: Amount,
    }
}

action_json! {
    /// `fundContribute`.
    FundContributeJson = FundContribute, own {
        asset: AssetCode,
        amount: Amount,
    }
}

action_json! {
    /// `fundRelease`.
    FundReleaseJson = FundRelease, own {
        asset: AssetCode,
        amount: Amount,
    }
}

/// A preimage: 64 hex digits.
impl Field for [u8; 32] {
    type Json = Text<Hash>;

    fn json(&self, _: Option<&Asset>) -> Text<Hash> {
        Text(Hash(*self))
    }

    fn value(json: &Text<Hash>, _: &str, _: Option<&Asset>) -> Result<Self, ApiError> {
        Ok(json.0.0)
    }
}

/// `fxConvert`: what a maker hands out for a taker to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FxConvertJson {
    /// The maker's offer.
    pub quote: QuoteJson,
    /// The maker's signatures over it, sorted by key.
    pub signatures: Vec<SignatureJson>,
}

/// A quote. Amounts are in the scale of the asset beside them; the spread is in the asset that the maker takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)] // each field is that of the same name in `vostro_types::quote`
pub struct QuoteJson {
    #[serde(with = "crate::text")]
    pub maker: AccountId,
    #[serde(with = "crate::text")]
    pub quote_id: Label,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taker: Option<Text<AccountId>>,
    #[serde(with = "crate::text")]
    pub gives_asset: AssetCode,
    pub gives: AmountText,
    #[serde(with = "crate::text")]
    pub takes_asset: AssetCode,
    pub takes: AmountText,
    pub spread: AmountText,
    #[serde(with = "crate::text")]
    pub spread_to: AccountId,
    pub expires: TimeText,
}

impl QuoteJson {
    /// The JSON of a quote.
    pub fn of(quote: &FxQuote, lookup: &dyn Lookup) -> Self {
        let (gives, takes) = (lookup.asset(&quote.gives_asset), lookup.asset(&quote.takes_asset));
        QuoteJson {
            maker: quote.maker,
            quote_id: quote.quote_id.clone(),
            taker: quote.taker.map(Text),
            gives_asset: quote.gives_asset,
            gives: AmountText::of(quote.gives, gives.as_ref()),
            takes_asset: quote.takes_asset,
            takes: AmountText::of(quote.takes, takes.as_ref()),
            spread: AmountText::of(quote.spread, takes.as_ref()),
            spread_to: quote.spread_to,
            expires: TimeText(quote.expires),
        }
    }

    /// The quote.
    ///
    /// # Errors
    /// The field that is wrong, by name.
    pub fn quote(&self, lookup: &dyn Lookup) -> Result<FxQuote, ApiError> {
        let (gives, takes) = (lookup.asset(&self.gives_asset), lookup.asset(&self.takes_asset));
        Ok(FxQuote {
            maker: self.maker,
            quote_id: self.quote_id.clone(),
            taker: self.taker.as_ref().map(|t| t.0),
            gives_asset: self.gives_asset,
            gives: self.gives.amount("gives", gives.as_ref())?,
            takes_asset: self.takes_asset,
            takes: self.takes.amount("takes", takes.as_ref())?,
            spread: self.spread.amount("spread", takes.as_ref())?,
            spread_to: self.spread_to,
            expires: self.expires.0,
        })
    }
}

impl FxConvertJson {
    /// The JSON of the action.
    pub fn of(action: &FxConvert, lookup: &dyn Lookup) -> Self {
        FxConvertJson {
            quote: QuoteJson::of(&action.quote, lookup),
            signatures: action.signatures.iter().map(SignatureJson::of).collect(),
        }
    }

    /// The action.
    ///
    /// # Errors
    /// The field that is wrong, by name.
    pub fn action(&self, lookup: &dyn Lookup) -> Result<FxConvert, ApiError> {
        let quote = self.quote.quote(lookup).map_err(|e| ApiError { message: format!("quote.{}", e.message), ..e })?;
        let signatures: Vec<SignedBy> = self.signatures.iter().map(SignatureJson::signed).collect();
        if signatures.is_empty() || !signatures.is_sorted_by(|a, b| a.key < b.key) {
            return Err(ApiError::invalid_params(
                "signatures",
                "of a quote are 1 or more, sorted by key, each key once",
            ));
        }
        Ok(FxConvert { quote, signatures })
    }
}
