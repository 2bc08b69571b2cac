//! Shapes that actions, receipts and reads share, and the names of statuses and modes.

use serde::{Deserialize, Serialize};
use vostro_types::account::{KeyPolicy, WeightedKey};
use vostro_types::transaction::{
    CouponRef, FeeBearer, ItemRef, OrderKey, PayMode, Payee, PlanLeg, Price, RefundPolicy, Share, TaxRule, Terms,
};
use vostro_types::{AccountId, AccountStatus, Asset, Label, Ppm, PublicKey};

use crate::amount::AmountText;
use crate::error::ApiError;

/// Keys and how much of their weight must sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyJson {
    /// Weight that must sign.
    pub threshold: u32,
    /// The keys.
    pub keys: Vec<WeightedKeyJson>,
}

/// A key and its weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WeightedKeyJson {
    /// 64 hex digits.
    #[serde(with = "crate::text")]
    pub key: PublicKey,
    /// At least 1.
    pub weight: u16,
}

impl PolicyJson {
    /// The JSON of a policy.
    pub fn of(policy: &KeyPolicy) -> Self {
        let keys = policy.keys().iter().map(|k| WeightedKeyJson { key: k.key, weight: k.weight }).collect();
        PolicyJson { threshold: policy.threshold(), keys }
    }

    /// The policy.
    ///
    /// # Errors
    /// The rule of [`KeyPolicy::new`] it breaks.
    pub fn policy(&self) -> Result<KeyPolicy, ApiError> {
        let keys = self.keys.iter().map(|k| WeightedKey { key: k.key, weight: k.weight }).collect();
        KeyPolicy::new(self.threshold, keys).map_err(|e| ApiError::invalid_params("policy", e.to_string()))
    }
}

/// A leg of a plan. `payee` is `creator`, `host`, `origin`, `network` or an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct LegJson {
    pub payee: String,
    pub share: ShareJson,
    pub refund: RefundPolicyJson,
}

/// `{"ppm": 700000}` or `{"fixed": …}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShareJson {
    /// Parts per million.
    Ppm(u32),
    /// Minor units: a plan serves items of any asset.
    Fixed(AmountText),
}

/// `"proportional"`, `"nonRefundable"` or `{"borneBy": account}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum RefundPolicyJson {
    Proportional,
    NonRefundable,
    BorneBy(#[serde(with = "crate::text")] AccountId),
}

/// `{"fixed": "9.90"}` or `{"open": {"min": …, "max": …}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum PriceJson {
    Fixed(AmountText),
    Open { min: AmountText, max: AmountText },
}

impl PriceJson {
    /// The JSON of a price in an asset.
    pub fn of(price: &Price, asset: Option<&Asset>) -> Self {
        match price {
            Price::Fixed(price) => PriceJson::Fixed(AmountText::of(*price, asset)),
            Price::Open { min, max } => {
                PriceJson::Open { min: AmountText::of(*min, asset), max: AmountText::of(*max, asset) }
            }
        }
    }
}

/// The tax on an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct TaxJson {
    pub rate_ppm: u32,
    pub inclusive: bool,
    #[serde(with = "crate::text")]
    pub account: AccountId,
}

impl TaxJson {
    /// The JSON of a tax.
    pub fn of(tax: &TaxRule) -> Self {
        TaxJson { rate_ppm: tax.rate.parts(), inclusive: tax.inclusive, account: tax.account }
    }
}

/// What paying grants. Absent `durationMs` is for ever, absent `units` is unmetered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct TermsJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
    #[serde(with = "crate::text")]
    pub scope: Label,
}

impl TermsJson {
    /// The JSON of terms.
    pub fn of(terms: &Terms) -> Self {
        TermsJson { duration_ms: terms.duration_ms, units: terms.units, scope: terms.scope.clone() }
    }
}

/// An order's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct OrderJson {
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    #[serde(with = "crate::text")]
    pub order_id: Label,
}

impl OrderJson {
    /// The JSON of an order's name.
    pub fn of(order: &OrderKey) -> Self {
        OrderJson { platform: order.platform, order_id: order.order_id.clone() }
    }

    /// The order's name.
    pub fn key(&self) -> OrderKey {
        OrderKey { platform: self.platform, order_id: self.order_id.clone() }
    }
}

/// A version of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ItemJson {
    #[serde(with = "crate::text")]
    pub host: AccountId,
    #[serde(with = "crate::text")]
    pub item: Label,
    pub version: u32,
}

impl ItemJson {
    /// The JSON of an item's version.
    pub fn of(item: &ItemRef) -> Self {
        ItemJson { host: item.host, item: item.item.clone(), version: item.version }
    }

    /// The item's version.
    pub fn item(&self) -> ItemRef {
        ItemRef { host: self.host, item: self.item.clone(), version: self.version }
    }
}

/// Who bears the network fee; the three sum to 10^6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct FeeBearerJson {
    pub payer_ppm: u32,
    pub payee_ppm: u32,
    pub platform_ppm: u32,
}

impl FeeBearerJson {
    /// The JSON of a split of the fee.
    pub fn of(bearer: &FeeBearer) -> Self {
        FeeBearerJson {
            payer_ppm: bearer.payer.parts(),
            payee_ppm: bearer.payee.parts(),
            platform_ppm: bearer.platform.parts(),
        }
    }

    /// The split.
    ///
    /// # Errors
    /// The part that is more than a million.
    pub fn bearer(&self) -> Result<FeeBearer, ApiError> {
        Ok(FeeBearer {
            payer: ppm("feeBearer.payerPpm", self.payer_ppm)?,
            payee: ppm("feeBearer.payeePpm", self.payee_ppm)?,
            platform: ppm("feeBearer.platformPpm", self.platform_ppm)?,
        })
    }
}

/// A coupon's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct CouponJson {
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    #[serde(with = "crate::text")]
    pub serial: Label,
}

impl CouponJson {
    /// The JSON of a coupon's name.
    pub fn of(coupon: &CouponRef) -> Self {
        CouponJson { platform: coupon.platform, serial: coupon.serial.clone() }
    }

    /// The coupon's name.
    pub fn coupon(&self) -> CouponRef {
        CouponRef { platform: self.platform, serial: self.serial.clone() }
    }
}

const STATUSES: [(&str, AccountStatus); 4] = [
    ("active", AccountStatus::Active),
    ("debitFrozen", AccountStatus::DebitFrozen),
    ("frozen", AccountStatus::Frozen),
    ("closed", AccountStatus::Closed),
];

/// A status' name in JSON.
pub fn status_name(status: AccountStatus) -> &'static str {
    STATUSES.iter().find(|(_, s)| *s == status).map_or("unknown", |(n, _)| n)
}

/// The status with a name.
pub fn status_from_name(name: &str) -> Option<AccountStatus> {
    STATUSES.iter().find(|(n, _)| *n == name).map(|(_, s)| *s)
}

/// A mode's text: `instant`, `escrow`, `t+N` or `window`, as in order files, and `hold` of orders that a hold placed.
pub fn mode_text(mode: PayMode) -> String {
    match mode {
        PayMode::Instant => "instant".into(),
        PayMode::Escrow => "escrow".into(),
        PayMode::Maturing(days) => format!("t+{days}"),
        PayMode::Window => "window".into(),
        PayMode::Hold => "hold".into(),
    }
}

/// The mode of a text.
pub fn mode_from_text(text: &str) -> Option<PayMode> {
    match text {
        "instant" => Some(PayMode::Instant),
        "escrow" => Some(PayMode::Escrow),
        "window" => Some(PayMode::Window),
        "hold" => Some(PayMode::Hold),
        _ => {
            let days = text.strip_prefix("t+").filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))?;
            days.parse().ok().map(PayMode::Maturing)
        }
    }
}

fn payee_text(payee: Payee) -> String {
    match payee {
        Payee::Account(account) => account.to_string(),
        Payee::Creator => "creator".into(),
        Payee::Host => "host".into(),
        Payee::Origin => "origin".into(),
        Payee::Network => "network".into(),
    }
}

fn payee_from_text(text: &str) -> Result<Payee, ApiError> {
    Ok(match text {
        "creator" => Payee::Creator,
        "host" => Payee::Host,
        "origin" => Payee::Origin,
        "network" => Payee::Network,
        account => Payee::Account(account.parse().map_err(|_| {
            ApiError::invalid_params("payee", "is creator, host, origin, network or an account (vo1…)")
        })?),
    })
}

/// Parts per million of a number.
pub(super) fn ppm(field: &str, parts: u32) -> Result<Ppm, ApiError> {
    Ppm::new(parts).ok_or_else(|| ApiError::invalid_params(field, "exceeds 1000000 parts per million"))
}

/// The JSON of a plan's leg.
pub fn leg_json(leg: &PlanLeg) -> LegJson {
    LegJson {
        payee: payee_text(leg.payee),
        share: match leg.share {
            Share::Rate(rate) => ShareJson::Ppm(rate.parts()),
            Share::Fixed(fixed) => ShareJson::Fixed(AmountText::of(fixed, None)),
        },
        refund: refund_policy_json(leg.refund),
    }
}

/// The JSON of a leg's refund policy.
pub fn refund_policy_json(policy: RefundPolicy) -> RefundPolicyJson {
    match policy {
        RefundPolicy::Proportional => RefundPolicyJson::Proportional,
        RefundPolicy::NonRefundable => RefundPolicyJson::NonRefundable,
        RefundPolicy::BorneBy(account) => RefundPolicyJson::BorneBy(account),
    }
}

/// The leg of a JSON.
pub(super) fn leg(json: &LegJson) -> Result<PlanLeg, ApiError> {
    Ok(PlanLeg {
        payee: payee_from_text(&json.payee)?,
        share: match &json.share {
            ShareJson::Ppm(parts) => Share::Rate(ppm("share.ppm", *parts)?),
            ShareJson::Fixed(amount) => Share::Fixed(amount.amount("share.fixed", None)?),
        },
        refund: match &json.refund {
            RefundPolicyJson::Proportional => RefundPolicy::Proportional,
            RefundPolicyJson::NonRefundable => RefundPolicy::NonRefundable,
            RefundPolicyJson::BorneBy(account) => RefundPolicy::BorneBy(*account),
        },
    })
}
