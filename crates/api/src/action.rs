//! Actions as JSON, both ways: `kind` and fields, from which a client draws any transaction.

use serde::{Deserialize, Serialize};
use vostro_types::account::{KeyPolicy, WeightedKey};
use vostro_types::transaction::{
    CloseWindow, Confirm, Deposit, FeeBearer, ItemRef, LockCollateral, OpenAccount, OrderKey, Pay, PayMode, Payee,
    PlanLeg, Price, Refund, RefundPolicy, RegisterItem, RegisterPlan, SetStatus, SettleWindow, Share, TaxRule, Terms,
    Transfer, Withdraw, WithdrawResult,
};
use vostro_types::{AccountId, AccountKind, AccountStatus, Action, AssetCode, Hash, Label, Ppm, PublicKey};

use crate::amount::AmountText;
use crate::error::ApiError;
use crate::lookup::Lookup;

/// An action as JSON has it. Optional `asset` fields of `pay` and `refund` are not part of the signed bytes: they say
/// how decimals beside them are to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)] // each field is the text of the field of the same name in `vostro_types::transaction`
pub enum ActionJson {
    OpenAccount {
        account_kind: String,
        policy: PolicyJson,
        #[serde(with = "crate::text::hexed")]
        salt: [u8; 16],
        /// The id that follows from policy and salt; checked when given.
        #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
    },
    SetStatus {
        #[serde(with = "crate::text")]
        account: AccountId,
        status: String,
        #[serde(with = "crate::text")]
        reason: Label,
    },
    Deposit {
        #[serde(with = "crate::text")]
        channel: Label,
        #[serde(with = "crate::text")]
        channel_ref: Label,
        #[serde(with = "crate::text")]
        to: AccountId,
        #[serde(with = "crate::text")]
        asset: AssetCode,
        amount: AmountText,
    },
    Withdraw {
        #[serde(with = "crate::text")]
        withdrawal_id: Label,
        #[serde(with = "crate::text")]
        gateway: AccountId,
        #[serde(with = "crate::text")]
        asset: AssetCode,
        amount: AmountText,
        #[serde(with = "crate::text")]
        destination: Hash,
    },
    WithdrawResult {
        #[serde(with = "crate::text")]
        owner: AccountId,
        #[serde(with = "crate::text")]
        withdrawal_id: Label,
        ok: bool,
        #[serde(with = "crate::text")]
        payout_ref: Label,
    },
    Transfer {
        #[serde(with = "crate::text")]
        to: AccountId,
        #[serde(with = "crate::text")]
        asset: AssetCode,
        amount: AmountText,
        #[serde(with = "crate::text")]
        memo: Hash,
    },
    RegisterPlan {
        #[serde(with = "crate::text")]
        plan: Label,
        version: u32,
        legs: Vec<LegJson>,
    },
    RegisterItem {
        #[serde(with = "crate::text")]
        item: Label,
        version: u32,
        #[serde(with = "crate::text")]
        asset: AssetCode,
        price: PriceJson,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tax: Option<TaxJson>,
        #[serde(with = "crate::text")]
        plan: Label,
        plan_version: u32,
        #[serde(with = "crate::text")]
        creator: AccountId,
        terms: TermsJson,
    },
    Pay {
        #[serde(with = "crate::text")]
        origin: AccountId,
        #[serde(with = "crate::text")]
        order_id: Label,
        item: ItemJson,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price: Option<AmountText>,
        mode: String,
        fee_bearer: FeeBearerJson,
        expected_total: AmountText,
        #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
        asset: Option<AssetCode>,
    },
    Confirm {
        order: OrderJson,
    },
    Refund {
        order: OrderJson,
        #[serde(with = "crate::text")]
        refund_id: Label,
        amount: AmountText,
        #[serde(with = "crate::text")]
        reason: Label,
        #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
        asset: Option<AssetCode>,
    },
    LockCollateral {
        #[serde(with = "crate::text")]
        asset: AssetCode,
        amount: AmountText,
    },
    CloseWindow {
        #[serde(with = "crate::text")]
        asset: AssetCode,
        window: u64,
    },
    SettleWindow {
        #[serde(with = "crate::text")]
        asset: AssetCode,
        window: u64,
    },
}

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

/// A mode's text: `instant`, `escrow`, `t+N` or `window`, as in order files.
pub fn mode_text(mode: PayMode) -> String {
    match mode {
        PayMode::Instant => "instant".into(),
        PayMode::Escrow => "escrow".into(),
        PayMode::Maturing(days) => format!("t+{days}"),
        PayMode::Window => "window".into(),
    }
}

/// The mode of a text.
pub fn mode_from_text(text: &str) -> Option<PayMode> {
    match text {
        "instant" => Some(PayMode::Instant),
        "escrow" => Some(PayMode::Escrow),
        "window" => Some(PayMode::Window),
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

fn ppm(field: &str, parts: u32) -> Result<Ppm, ApiError> {
    Ppm::new(parts).ok_or_else(|| ApiError::invalid_params(field, "exceeds 1000000 parts per million"))
}

/// The JSON of an action.
pub fn to_json(action: &Action, lookup: &dyn Lookup) -> ActionJson {
    let asset_of = |code: &AssetCode| lookup.asset(code);
    let amount = |code: &AssetCode, amount| AmountText::of(amount, asset_of(code).as_ref());
    match action {
        Action::OpenAccount(a) => ActionJson::OpenAccount {
            account_kind: a.kind.name().into(),
            policy: PolicyJson::of(&a.policy),
            salt: a.salt,
            account: Some(a.policy.account_id(&a.salt)),
        },
        Action::SetStatus(a) => {
            ActionJson::SetStatus { account: a.account, status: status_name(a.status).into(), reason: a.reason.clone() }
        }
        Action::Deposit(a) => ActionJson::Deposit {
            channel: a.channel.clone(),
            channel_ref: a.channel_ref.clone(),
            to: a.to,
            asset: a.asset,
            amount: amount(&a.asset, a.amount),
        },
        Action::Withdraw(a) => ActionJson::Withdraw {
            withdrawal_id: a.withdrawal_id.clone(),
            gateway: a.gateway,
            asset: a.asset,
            amount: amount(&a.asset, a.amount),
            destination: a.destination,
        },
        Action::WithdrawResult(a) => ActionJson::WithdrawResult {
            owner: a.owner,
            withdrawal_id: a.withdrawal_id.clone(),
            ok: a.ok,
            payout_ref: a.payout_ref.clone(),
        },
        Action::Transfer(a) => {
            ActionJson::Transfer { to: a.to, asset: a.asset, amount: amount(&a.asset, a.amount), memo: a.memo }
        }
        Action::RegisterPlan(a) => ActionJson::RegisterPlan {
            plan: a.plan.clone(),
            version: a.version,
            legs: a.legs.iter().map(leg_json).collect(),
        },
        Action::RegisterItem(a) => ActionJson::RegisterItem {
            item: a.item.clone(),
            version: a.version,
            asset: a.asset,
            price: match a.price {
                Price::Fixed(price) => PriceJson::Fixed(amount(&a.asset, price)),
                Price::Open { min, max } => PriceJson::Open { min: amount(&a.asset, min), max: amount(&a.asset, max) },
            },
            tax: a.tax.map(|t| TaxJson { rate_ppm: t.rate.parts(), inclusive: t.inclusive, account: t.account }),
            plan: a.plan.clone(),
            plan_version: a.plan_version,
            creator: a.creator,
            terms: TermsJson { duration_ms: a.terms.duration_ms, units: a.terms.units, scope: a.terms.scope.clone() },
        },
        Action::Pay(a) => {
            let asset = lookup.item_asset(&a.item).and_then(|code| lookup.asset(&code));
            ActionJson::Pay {
                origin: a.origin,
                order_id: a.order_id.clone(),
                item: ItemJson::of(&a.item),
                price: a.price.map(|p| AmountText::of(p, asset.as_ref())),
                mode: mode_text(a.mode),
                fee_bearer: FeeBearerJson::of(&a.fee_bearer),
                expected_total: AmountText::of(a.expected_total, asset.as_ref()),
                asset: asset.map(|a| a.code),
            }
        }
        Action::Confirm(a) => ActionJson::Confirm { order: OrderJson::of(&a.order) },
        Action::Refund(a) => {
            let asset = lookup.order_asset(&a.order).and_then(|code| lookup.asset(&code));
            ActionJson::Refund {
                order: OrderJson::of(&a.order),
                refund_id: a.refund_id.clone(),
                amount: AmountText::of(a.amount, asset.as_ref()),
                reason: a.reason.clone(),
                asset: asset.map(|a| a.code),
            }
        }
        Action::LockCollateral(a) => ActionJson::LockCollateral { asset: a.asset, amount: amount(&a.asset, a.amount) },
        Action::CloseWindow(a) => ActionJson::CloseWindow { asset: a.asset, window: a.window },
        Action::SettleWindow(a) => ActionJson::SettleWindow { asset: a.asset, window: a.window },
    }
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

fn leg(json: &LegJson) -> Result<PlanLeg, ApiError> {
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

/// The action of a JSON. Rules that need state are the contract's; only what cannot be written in bytes fails here.
///
/// # Errors
/// The field that is wrong, by name.
pub fn from_json(json: &ActionJson, lookup: &dyn Lookup) -> Result<Action, ApiError> {
    let known = |code: &AssetCode| lookup.asset(code);
    let hinted = |code: &Option<AssetCode>| code.as_ref().and_then(known);
    Ok(match json {
        ActionJson::OpenAccount { account_kind, policy, salt, account } => {
            let kind = AccountKind::from_name(account_kind)
                .ok_or_else(|| ApiError::invalid_params("accountKind", format!("there is no kind {account_kind:?}")))?;
            let policy = policy.policy()?;
            if account.is_some_and(|a| a != policy.account_id(salt)) {
                return Err(ApiError::invalid_params("account", "is not the id that follows from policy and salt"));
            }
            Action::OpenAccount(OpenAccount { kind, policy, salt: *salt })
        }
        ActionJson::SetStatus { account, status, reason } => {
            let status = status_from_name(status)
                .ok_or_else(|| ApiError::invalid_params("status", "is active, debitFrozen, frozen or closed"))?;
            Action::SetStatus(SetStatus { account: *account, status, reason: reason.clone() })
        }
        ActionJson::Deposit { channel, channel_ref, to, asset, amount } => Action::Deposit(Deposit {
            channel: channel.clone(),
            channel_ref: channel_ref.clone(),
            to: *to,
            asset: *asset,
            amount: amount.amount("amount", known(asset).as_ref())?,
        }),
        ActionJson::Withdraw { withdrawal_id, gateway, asset, amount, destination } => Action::Withdraw(Withdraw {
            withdrawal_id: withdrawal_id.clone(),
            gateway: *gateway,
            asset: *asset,
            amount: amount.amount("amount", known(asset).as_ref())?,
            destination: *destination,
        }),
        ActionJson::WithdrawResult { owner, withdrawal_id, ok, payout_ref } => Action::WithdrawResult(WithdrawResult {
            owner: *owner,
            withdrawal_id: withdrawal_id.clone(),
            ok: *ok,
            payout_ref: payout_ref.clone(),
        }),
        ActionJson::Transfer { to, asset, amount, memo } => Action::Transfer(Transfer {
            to: *to,
            asset: *asset,
            amount: amount.amount("amount", known(asset).as_ref())?,
            memo: *memo,
        }),
        ActionJson::RegisterPlan { plan, version, legs } => Action::RegisterPlan(RegisterPlan {
            plan: plan.clone(),
            version: *version,
            legs: legs.iter().map(leg).collect::<Result<_, _>>()?,
        }),
        ActionJson::RegisterItem { item, version, asset, price, tax, plan, plan_version, creator, terms } => {
            let known = known(asset);
            Action::RegisterItem(RegisterItem {
                item: item.clone(),
                version: *version,
                asset: *asset,
                price: match price {
                    PriceJson::Fixed(price) => Price::Fixed(price.amount("price.fixed", known.as_ref())?),
                    PriceJson::Open { min, max } => Price::Open {
                        min: min.amount("price.open.min", known.as_ref())?,
                        max: max.amount("price.open.max", known.as_ref())?,
                    },
                },
                tax: match tax {
                    Some(t) => Some(TaxRule {
                        rate: ppm("tax.ratePpm", t.rate_ppm)?,
                        inclusive: t.inclusive,
                        account: t.account,
                    }),
                    None => None,
                },
                plan: plan.clone(),
                plan_version: *plan_version,
                creator: *creator,
                terms: Terms { duration_ms: terms.duration_ms, units: terms.units, scope: terms.scope.clone() },
            })
        }
        ActionJson::Pay { origin, order_id, item, price, mode, fee_bearer, expected_total, asset } => {
            let asset = hinted(asset);
            Action::Pay(Pay {
                origin: *origin,
                order_id: order_id.clone(),
                item: item.item(),
                price: price.as_ref().map(|p| p.amount("price", asset.as_ref())).transpose()?,
                mode: mode_from_text(mode)
                    .ok_or_else(|| ApiError::invalid_params("mode", "is instant, escrow, t+N or window"))?,
                fee_bearer: FeeBearer {
                    payer: ppm("feeBearer.payerPpm", fee_bearer.payer_ppm)?,
                    payee: ppm("feeBearer.payeePpm", fee_bearer.payee_ppm)?,
                    platform: ppm("feeBearer.platformPpm", fee_bearer.platform_ppm)?,
                },
                expected_total: expected_total.amount("expectedTotal", asset.as_ref())?,
            })
        }
        ActionJson::Confirm { order } => Action::Confirm(Confirm { order: order.key() }),
        ActionJson::Refund { order, refund_id, amount, reason, asset } => Action::Refund(Refund {
            order: order.key(),
            refund_id: refund_id.clone(),
            amount: amount.amount("amount", hinted(asset).as_ref())?,
            reason: reason.clone(),
        }),
        ActionJson::LockCollateral { asset, amount } => Action::LockCollateral(LockCollateral {
            asset: *asset,
            amount: amount.amount("amount", known(asset).as_ref())?,
        }),
        ActionJson::CloseWindow { asset, window } => {
            Action::CloseWindow(CloseWindow { asset: *asset, window: *window })
        }
        ActionJson::SettleWindow { asset, window } => {
            Action::SettleWindow(SettleWindow { asset: *asset, window: *window })
        }
    })
}
