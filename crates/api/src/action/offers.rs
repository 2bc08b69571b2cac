//! Campaigns, coupons and mandates.

use serde::{Deserialize, Serialize};
use vostro_types::transaction::{
    CancelMandate, Charge, CouponScope, CouponValue, CreateCampaign, CreateMandate, ExpireCampaign, FeeBearer,
    IssueCoupon, ItemRef, Sponsor,
};
use vostro_types::{AccountId, Amount, Asset, AssetCode, Label, Time};

use super::field::{Field, Text, action_json, camel};
use super::hinted;
use super::shapes::ppm;
use crate::amount::AmountText;
use crate::error::ApiError;
use crate::lookup::Lookup;

action_json! {
    /// `createCampaign`.
    CreateCampaignJson = CreateCampaign, own {
        campaign: Label,
        asset: AssetCode,
        sponsors: Vec<Sponsor>,
        budget: Amount,
        value: CouponValue,
        min_price: Amount,
        scope: CouponScope,
        per_user: u32,
        starts: Time,
        ends: Time,
    }
}

action_json! {
    /// `issueCoupon`.
    IssueCouponJson = IssueCoupon, plain {
        campaign: Label,
        serial: Label,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<AccountId>,
    }
}

action_json! {
    /// `expireCampaign`.
    ExpireCampaignJson = ExpireCampaign, plain {
        campaign: Label,
    }
}

action_json! {
    /// `createMandate`.
    CreateMandateJson = CreateMandate, own {
        mandate: Label,
        payee: AccountId,
        host: AccountId,
        item: Label,
        asset: AssetCode,
        max_per_charge: Amount,
        max_per_month: Amount,
        interval_ms: u64,
        starts: Time,
        ends: Time,
    }
}

action_json! {
    /// `charge`.
    ChargeJson = Charge, of item_asset(item) {
        payer: AccountId,
        mandate: Label,
        period: u64,
        order_id: Label,
        item: ItemRef,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price: Option<Amount>,
        fee_bearer: FeeBearer,
        expected_total: Amount,
    }
}

action_json! {
    /// `cancelMandate`.
    CancelMandateJson = CancelMandate, plain {
        payer: AccountId,
        mandate: Label,
    }
}

/// A sponsor of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct SponsorJson {
    #[serde(with = "crate::text")]
    pub account: AccountId,
    pub share_ppm: u32,
}

impl Field for Sponsor {
    type Json = SponsorJson;

    fn json(&self, _: Option<&Asset>) -> SponsorJson {
        SponsorJson { account: self.account, share_ppm: self.share.parts() }
    }

    fn value(json: &SponsorJson, name: &str, _: Option<&Asset>) -> Result<Self, ApiError> {
        Ok(Sponsor { account: json.account, share: ppm(&format!("{name}.sharePpm"), json.share_ppm)? })
    }
}

/// `{"fixed": "5.00"}` or `{"rate": {"ratePpm": 100000, "cap": "20.00"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum CouponValueJson {
    Fixed(AmountText),
    Rate { rate_ppm: u32, cap: AmountText },
}

impl Field for CouponValue {
    type Json = CouponValueJson;

    fn json(&self, asset: Option<&Asset>) -> CouponValueJson {
        match self {
            CouponValue::Fixed(amount) => CouponValueJson::Fixed(AmountText::of(*amount, asset)),
            CouponValue::Rate { rate, cap } => {
                CouponValueJson::Rate { rate_ppm: rate.parts(), cap: AmountText::of(*cap, asset) }
            }
        }
    }

    fn value(json: &CouponValueJson, name: &str, asset: Option<&Asset>) -> Result<Self, ApiError> {
        Ok(match json {
            CouponValueJson::Fixed(amount) => CouponValue::Fixed(amount.amount(&format!("{name}.fixed"), asset)?),
            CouponValueJson::Rate { rate_ppm, cap } => CouponValue::Rate {
                rate: ppm(&format!("{name}.rate.ratePpm"), *rate_ppm)?,
                cap: cap.amount(&format!("{name}.rate.cap"), asset)?,
            },
        })
    }
}

/// `"any"`, `{"host": account}`, `{"creator": account}` or `{"item": {"host": account, "item": name}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum CouponScopeJson {
    Any,
    Host(#[serde(with = "crate::text")] AccountId),
    Creator(#[serde(with = "crate::text")] AccountId),
    Item {
        #[serde(with = "crate::text")]
        host: AccountId,
        #[serde(with = "crate::text")]
        item: Label,
    },
}

impl Field for CouponScope {
    type Json = CouponScopeJson;

    fn json(&self, _: Option<&Asset>) -> CouponScopeJson {
        match self {
            CouponScope::Any => CouponScopeJson::Any,
            CouponScope::Host(account) => CouponScopeJson::Host(*account),
            CouponScope::Creator(account) => CouponScopeJson::Creator(*account),
            CouponScope::Item { host, item } => CouponScopeJson::Item { host: *host, item: item.clone() },
        }
    }

    fn value(json: &CouponScopeJson, _: &str, _: Option<&Asset>) -> Result<Self, ApiError> {
        Ok(match json {
            CouponScopeJson::Any => CouponScope::Any,
            CouponScopeJson::Host(account) => CouponScope::Host(*account),
            CouponScopeJson::Creator(account) => CouponScope::Creator(*account),
            CouponScopeJson::Item { host, item } => CouponScope::Item { host: *host, item: item.clone() },
        })
    }
}
