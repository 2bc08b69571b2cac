//! Actions as JSON, both ways: `kind` and fields, from which a client draws any transaction.

mod exchange;
mod field;
mod offers;
mod orders;
mod rules;
mod shapes;

pub use exchange::*;
pub(crate) use field::camel;
pub use field::{Field, Text, TimeText};
pub use offers::*;
pub use orders::*;
pub use rules::*;
pub use shapes::*;

use serde::{Deserialize, Serialize};
use vostro_types::transaction::{
    CloseWindow, Confirm, Deposit, LockCollateral, OpenAccount, Pay, Price, Refund, RegisterItem, RegisterPlan,
    SetStatus, SettleWindow, TaxRule, Terms, Transfer, Withdraw, WithdrawResult,
};
use vostro_types::{AccountId, AccountKind, Action, Asset, AssetCode, Hash, Label};

use crate::amount::AmountText;
use crate::error::ApiError;
use crate::lookup::Lookup;

/// An action as JSON has it. Optional `asset` fields, such as those of `pay` and `refund`, are not part of the signed
/// bytes: they say how decimals beside them are to be read.
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
        #[serde(default, skip_serializing_if = "is_zero")]
        discount_ppm: u32,
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        coupon: Option<CouponJson>,
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
    SetKeys(SetKeysJson),
    SetTier(SetTierJson),
    Hold(HoldJson),
    Capture(CaptureJson),
    Void(VoidJson),
    OpenDispute(OpenDisputeJson),
    Resolve(ResolveJson),
    CreateCampaign(CreateCampaignJson),
    IssueCoupon(IssueCouponJson),
    ExpireCampaign(ExpireCampaignJson),
    CreateMandate(CreateMandateJson),
    Charge(ChargeJson),
    CancelMandate(CancelMandateJson),
    Consume(ConsumeJson),
    HtlcLock(HtlcLockJson),
    HtlcClaim(HtlcClaimJson),
    HtlcRefund(HtlcRefundJson),
    FxConvert(FxConvertJson),
    AnchorReport(AnchorReportJson),
    Propose(ProposeJson),
    Approve(ApproveJson),
    UnlockCollateral(UnlockCollateralJson),
    FundContribute(FundContributeJson),
    FundRelease(FundReleaseJson),
    ArchiveOrders(ArchiveOrdersJson),
}

#[allow(clippy::trivially_copy_pass_by_ref)] // what serde asks for
fn is_zero(parts: &u32) -> bool {
    *parts == 0
}

/// The asset by whose scale decimals are read. The hint is not signed, so where the object's own asset is known another
/// hint is refused: its scale would turn the same text into another number of minor units.
fn hinted(hint: Option<AssetCode>, own: Option<AssetCode>, lookup: &dyn Lookup) -> Result<Option<Asset>, ApiError> {
    match (hint, own) {
        (Some(hint), Some(own)) if hint != own => {
            Err(ApiError::invalid_params("asset", format!("is {hint}, but the amount is in {own}")))
        }
        (Some(hint), _) => Ok(lookup.asset(&hint)),
        (None, _) => Ok(None),
    }
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
            price: PriceJson::of(&a.price, asset_of(&a.asset).as_ref()),
            discount_ppm: a.discount.parts(),
            tax: a.tax.as_ref().map(TaxJson::of),
            plan: a.plan.clone(),
            plan_version: a.plan_version,
            creator: a.creator,
            terms: TermsJson::of(&a.terms),
        },
        Action::Pay(a) => {
            let asset = lookup.item_asset(&a.item).and_then(|code| lookup.asset(&code));
            ActionJson::Pay {
                origin: a.origin,
                order_id: a.order_id.clone(),
                item: ItemJson::of(&a.item),
                price: a.price.map(|p| AmountText::of(p, asset.as_ref())),
                coupon: a.coupon.as_ref().map(CouponJson::of),
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
        Action::SetKeys(a) => ActionJson::SetKeys(SetKeysJson::of(a, lookup)),
        Action::SetTier(a) => ActionJson::SetTier(SetTierJson::of(a, lookup)),
        Action::Hold(a) => ActionJson::Hold(HoldJson::of(a, lookup)),
        Action::Capture(a) => ActionJson::Capture(CaptureJson::of(a, lookup)),
        Action::Void(a) => ActionJson::Void(VoidJson::of(a, lookup)),
        Action::OpenDispute(a) => ActionJson::OpenDispute(OpenDisputeJson::of(a, lookup)),
        Action::Resolve(a) => ActionJson::Resolve(ResolveJson::of(a, lookup)),
        Action::CreateCampaign(a) => ActionJson::CreateCampaign(CreateCampaignJson::of(a, lookup)),
        Action::IssueCoupon(a) => ActionJson::IssueCoupon(IssueCouponJson::of(a, lookup)),
        Action::ExpireCampaign(a) => ActionJson::ExpireCampaign(ExpireCampaignJson::of(a, lookup)),
        Action::CreateMandate(a) => ActionJson::CreateMandate(CreateMandateJson::of(a, lookup)),
        Action::Charge(a) => ActionJson::Charge(ChargeJson::of(a, lookup)),
        Action::CancelMandate(a) => ActionJson::CancelMandate(CancelMandateJson::of(a, lookup)),
        Action::Consume(a) => ActionJson::Consume(ConsumeJson::of(a, lookup)),
        Action::HtlcLock(a) => ActionJson::HtlcLock(HtlcLockJson::of(a, lookup)),
        Action::HtlcClaim(a) => ActionJson::HtlcClaim(HtlcClaimJson::of(a, lookup)),
        Action::HtlcRefund(a) => ActionJson::HtlcRefund(HtlcRefundJson::of(a, lookup)),
        Action::FxConvert(a) => ActionJson::FxConvert(FxConvertJson::of(a, lookup)),
        Action::AnchorReport(a) => ActionJson::AnchorReport(AnchorReportJson::of(a, lookup)),
        Action::Propose(a) => ActionJson::Propose(ProposeJson::of(a, lookup)),
        Action::Approve(a) => ActionJson::Approve(ApproveJson::of(a, lookup)),
        Action::UnlockCollateral(a) => ActionJson::UnlockCollateral(UnlockCollateralJson::of(a, lookup)),
        Action::FundContribute(a) => ActionJson::FundContribute(FundContributeJson::of(a, lookup)),
        Action::FundRelease(a) => ActionJson::FundRelease(FundReleaseJson::of(a, lookup)),
        Action::ArchiveOrders(a) => ActionJson::ArchiveOrders(ArchiveOrdersJson::of(a, lookup)),
    }
}

/// The action of a JSON. Rules that need state are the contract's; only what cannot be written in bytes fails here.
///
/// # Errors
/// The field that is wrong, by name.
pub fn from_json(json: &ActionJson, lookup: &dyn Lookup) -> Result<Action, ApiError> {
    let known = |code: &AssetCode| lookup.asset(code);
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
        ActionJson::RegisterItem {
            item,
            version,
            asset,
            price,
            discount_ppm,
            tax,
            plan,
            plan_version,
            creator,
            terms,
        } => {
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
                discount: ppm("discountPpm", *discount_ppm)?,
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
        ActionJson::Pay { origin, order_id, item, price, coupon, mode, fee_bearer, expected_total, asset } => {
            let asset = hinted(*asset, lookup.item_asset(&item.item()), lookup)?;
            Action::Pay(Pay {
                origin: *origin,
                order_id: order_id.clone(),
                item: item.item(),
                price: price.as_ref().map(|p| p.amount("price", asset.as_ref())).transpose()?,
                coupon: coupon.as_ref().map(CouponJson::coupon),
                mode: mode_from_text(mode)
                    .ok_or_else(|| ApiError::invalid_params("mode", "is instant, escrow, t+N or window"))?,
                fee_bearer: fee_bearer.bearer()?,
                expected_total: expected_total.amount("expectedTotal", asset.as_ref())?,
            })
        }
        ActionJson::Confirm { order } => Action::Confirm(Confirm { order: order.key() }),
        ActionJson::Refund { order, refund_id, amount, reason, asset } => Action::Refund(Refund {
            order: order.key(),
            refund_id: refund_id.clone(),
            amount: amount.amount("amount", hinted(*asset, lookup.order_asset(&order.key()), lookup)?.as_ref())?,
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
        ActionJson::SetKeys(json) => Action::SetKeys(json.action(lookup)?),
        ActionJson::SetTier(json) => Action::SetTier(json.action(lookup)?),
        ActionJson::Hold(json) => Action::Hold(json.action(lookup)?),
        ActionJson::Capture(json) => Action::Capture(json.action(lookup)?),
        ActionJson::Void(json) => Action::Void(json.action(lookup)?),
        ActionJson::OpenDispute(json) => Action::OpenDispute(json.action(lookup)?),
        ActionJson::Resolve(json) => Action::Resolve(json.action(lookup)?),
        ActionJson::CreateCampaign(json) => Action::CreateCampaign(json.action(lookup)?),
        ActionJson::IssueCoupon(json) => Action::IssueCoupon(json.action(lookup)?),
        ActionJson::ExpireCampaign(json) => Action::ExpireCampaign(json.action(lookup)?),
        ActionJson::CreateMandate(json) => Action::CreateMandate(json.action(lookup)?),
        ActionJson::Charge(json) => Action::Charge(json.action(lookup)?),
        ActionJson::CancelMandate(json) => Action::CancelMandate(json.action(lookup)?),
        ActionJson::Consume(json) => Action::Consume(json.action(lookup)?),
        ActionJson::HtlcLock(json) => Action::HtlcLock(json.action(lookup)?),
        ActionJson::HtlcClaim(json) => Action::HtlcClaim(json.action(lookup)?),
        ActionJson::HtlcRefund(json) => Action::HtlcRefund(json.action(lookup)?),
        ActionJson::FxConvert(json) => Action::FxConvert(json.action(lookup)?),
        ActionJson::AnchorReport(json) => Action::AnchorReport(json.action(lookup)?),
        ActionJson::Propose(json) => Action::Propose(json.action(lookup)?),
        ActionJson::Approve(json) => Action::Approve(json.action(lookup)?),
        ActionJson::UnlockCollateral(json) => Action::UnlockCollateral(json.action(lookup)?),
        ActionJson::FundContribute(json) => Action::FundContribute(json.action(lookup)?),
        ActionJson::FundRelease(json) => Action::FundRelease(json.action(lookup)?),
        ActionJson::ArchiveOrders(json) => Action::ArchiveOrders(json.action(lookup)?),
    })
}
