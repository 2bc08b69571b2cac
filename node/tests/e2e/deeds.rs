//! Actions of a market in few words: names instead of accounts, decimals instead of minor units.

use vostro_types::account::WeightedKey;
use vostro_types::transaction::{
    CancelMandate, Capture, Charge, Confirm, Consume, CouponRef, CouponScope, CouponValue, CreateCampaign,
    CreateMandate, Deposit, FeeBearer, Hold, HtlcClaim, HtlcLock, HtlcRefund, IssueCoupon, ItemRef, LockCollateral,
    OpenAccount, OpenDispute, OrderKey, Pay, PayMode, Payee, PlanLeg, Price, Propose, Refund, RefundPolicy,
    RegisterItem, RegisterPlan, Resolve, SetKeys, SetStatus, Share, Sponsor, TaxRule, Terms, Transfer, Void,
    WithdrawResult,
};
use vostro_types::{
    AccountKind, AccountStatus, Action, Amount, AssetCode, Hash, Height, KeyPolicy, Label, Parameter, Ppm, Time,
};

use super::cents;
use super::market::{id, key};

/// Longest that anything here lasts unless a test says otherwise.
pub const LONG_MS: u64 = 86_400_000;

pub fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

/// A decimal in minor units.
pub fn money(decimal: &str) -> Amount {
    Amount::new(u64::try_from(cents(decimal)).unwrap()).unwrap()
}

pub fn asset(code: &str) -> AssetCode {
    code.parse().unwrap()
}

pub fn parts(ppm: u32) -> Ppm {
    Ppm::new(ppm).unwrap()
}

/// `host/item`, in its first version.
pub fn item(name: &str) -> ItemRef {
    let (host, item) = name.split_once('/').unwrap();
    ItemRef { host: id(host), item: label(item), version: 1 }
}

/// `platform/order`.
pub fn order(name: &str) -> OrderKey {
    let (platform, order_id) = name.split_once('/').unwrap();
    OrderKey { platform: id(platform), order_id: label(order_id) }
}

/// `platform/serial`.
pub fn coupon(name: &str) -> CouponRef {
    let (platform, serial) = name.split_once('/').unwrap();
    CouponRef { platform: id(platform), serial: label(serial) }
}

pub fn open(name: &str, kind: AccountKind) -> Action {
    let policy = KeyPolicy::single(key(name).public());
    Action::OpenAccount(OpenAccount { kind, policy, salt: [0; 16] })
}

pub fn set_status(name: &str, status: AccountStatus) -> Action {
    Action::SetStatus(SetStatus { account: id(name), status, reason: label("ordered") })
}

/// As many of these keys must sign.
pub fn set_keys(threshold: u32, names: &[&str]) -> Action {
    let keys = names.iter().map(|n| WeightedKey { key: key(n).public(), weight: 1 }).collect();
    Action::SetKeys(SetKeys { policy: KeyPolicy::new(threshold, keys).unwrap() })
}

pub fn deposit(reference: &str, to: &str, code: &str, amount: &str) -> Action {
    Action::Deposit(Deposit {
        channel: label("bank"),
        channel_ref: label(reference),
        to: id(to),
        asset: asset(code),
        amount: money(amount),
    })
}

pub fn withdraw_result(owner: &str, withdrawal: &str, ok: bool, payout: &str) -> Action {
    let (withdrawal_id, payout_ref) = (label(withdrawal), label(payout));
    Action::WithdrawResult(WithdrawResult { owner: id(owner), withdrawal_id, ok, payout_ref })
}

pub fn transfer(to: &str, amount: &str) -> Action {
    Action::Transfer(Transfer { to: id(to), asset: asset("CNY"), amount: money(amount), memo: Hash::ZERO })
}

/// The creator gets 70 in 100, the host 20 and the origin 10.
pub fn register_plan(plan: &str) -> Action {
    let leg = |payee, share| PlanLeg { payee, share: Share::Rate(parts(share)), refund: RefundPolicy::Proportional };
    let legs = vec![leg(Payee::Creator, 700_000), leg(Payee::Host, 200_000), leg(Payee::Origin, 100_000)];
    Action::RegisterPlan(RegisterPlan { plan: label(plan), version: 1, legs })
}

/// An item of plan `plain` in CNY.
pub fn register_item(name: &str, creator: &str, price: Price, tax_ppm: Option<u32>, units: Option<u64>) -> Action {
    Action::RegisterItem(RegisterItem {
        item: label(name),
        version: 1,
        asset: asset("CNY"),
        price,
        discount: Ppm::ZERO,
        tax: tax_ppm.map(|rate| TaxRule { rate: parts(rate), inclusive: false, account: id("vat") }),
        plan: label("plain"),
        plan_version: 1,
        creator: id(creator),
        terms: Terms { duration_ms: None, units, scope: label("all") },
    })
}

pub fn fixed(price: &str) -> Price {
    Price::Fixed(money(price))
}

/// A purchase whose network fee the payees bear: the origin signs too when there is one.
pub fn purchase(name: &str, bought: &str, total: &str, mode: PayMode) -> Pay {
    let OrderKey { platform, order_id } = order(name);
    Pay {
        origin: platform,
        order_id,
        item: item(bought),
        price: None,
        coupon: None,
        mode,
        fee_bearer: FeeBearer::PAYEE,
        expected_total: money(total),
    }
}

pub fn pay(name: &str, bought: &str, total: &str, mode: PayMode) -> Action {
    Action::Pay(purchase(name, bought, total, mode))
}

pub fn pay_now(name: &str, bought: &str, total: &str) -> Action {
    pay(name, bought, total, PayMode::Instant)
}

/// Pays at once, part of it by a coupon.
pub fn pay_with(name: &str, bought: &str, total: &str, serial: &str) -> Action {
    Action::Pay(Pay { coupon: Some(coupon(serial)), ..purchase(name, bought, total, PayMode::Instant) })
}

/// Pays at once for an item with an open price.
pub fn pay_price(name: &str, bought: &str, price: &str, total: &str) -> Action {
    Action::Pay(Pay { price: Some(money(price)), ..purchase(name, bought, total, PayMode::Instant) })
}

pub fn hold(name: &str, bought: &str, total: &str) -> Action {
    let Pay { origin, order_id, item, price, coupon, fee_bearer, expected_total, .. } =
        purchase(name, bought, total, PayMode::Hold);
    Action::Hold(Hold { origin, order_id, item, price, coupon, fee_bearer, expected_total })
}

pub fn capture(name: &str, amount: &str) -> Action {
    Action::Capture(Capture { order: order(name), amount: money(amount) })
}

pub fn void(name: &str) -> Action {
    Action::Void(Void { order: order(name), reason: label("sold-out") })
}

pub fn confirm(name: &str) -> Action {
    Action::Confirm(Confirm { order: order(name) })
}

pub fn refund(name: &str, refund_id: &str, amount: &str) -> Action {
    let (refund_id, reason) = (label(refund_id), label("returned"));
    Action::Refund(Refund { order: order(name), refund_id, amount: money(amount), reason })
}

pub fn dispute(name: &str) -> Action {
    Action::OpenDispute(OpenDispute { order: order(name), reason: label("broken"), evidence: Hash([7; 32]) })
}

pub fn resolve(name: &str, ppm: u32) -> Action {
    Action::Resolve(Resolve { order: order(name), refund: parts(ppm), reason: label("half") })
}

pub fn consume(name: &str, from: u64, units: u64) -> Action {
    Action::Consume(Consume { order: order(name), from, units })
}

/// A campaign whose coupons pay a fixed amount of any order; the sponsors bear equal parts.
pub fn campaign(name: &str, sponsors: &[&str], budget: &str, value: &str, per_user: u32, ends: Time) -> Action {
    let each = 1_000_000 / u32::try_from(sponsors.len()).unwrap();
    let mut sponsors: Vec<Sponsor> = sponsors.iter().map(|s| Sponsor { account: id(s), share: parts(each) }).collect();
    sponsors.sort();
    Action::CreateCampaign(CreateCampaign {
        campaign: label(name),
        asset: asset("CNY"),
        sponsors,
        budget: money(budget),
        value: CouponValue::Fixed(money(value)),
        min_price: Amount::ZERO,
        scope: CouponScope::Any,
        per_user,
        starts: Time(0),
        ends,
    })
}

pub fn issue(campaign: &str, serial: &str, holder: Option<&str>) -> Action {
    Action::IssueCoupon(IssueCoupon { campaign: label(campaign), serial: label(serial), holder: holder.map(id) })
}

/// Lets the host of the item charge for it.
pub fn mandate(name: &str, bought: &str, per_charge: &str, per_month: &str, interval_ms: u64, starts: Time) -> Action {
    let ItemRef { host, item, .. } = item(bought);
    Action::CreateMandate(CreateMandate {
        mandate: label(name),
        payee: host,
        host,
        item,
        asset: asset("CNY"),
        max_per_charge: money(per_charge),
        max_per_month: money(per_month),
        interval_ms,
        starts,
        ends: starts.plus(LONG_MS),
    })
}

/// Charges a mandate; the platform bears the network fee.
pub fn charge(payer: &str, mandate: &str, period: u64, name: &str, bought: &str, total: &str) -> Action {
    Action::Charge(Charge {
        payer: id(payer),
        mandate: label(mandate),
        period,
        order_id: order(name).order_id,
        item: item(bought),
        price: None,
        fee_bearer: FeeBearer::PLATFORM,
        expected_total: money(total),
    })
}

pub fn cancel_mandate(payer: &str, mandate: &str) -> Action {
    Action::CancelMandate(CancelMandate { payer: id(payer), mandate: label(mandate) })
}

pub fn lock_collateral(amount: &str) -> Action {
    Action::LockCollateral(LockCollateral { asset: asset("CNY"), amount: money(amount) })
}

pub fn htlc_lock(name: &str, to: &str, amount: &str, hash: Hash, deadline: Time) -> Action {
    let (asset, amount) = (asset("CNY"), money(amount));
    Action::HtlcLock(HtlcLock { htlc_id: label(name), to: id(to), asset, amount, hash, deadline })
}

pub fn htlc_claim(owner: &str, name: &str, preimage: [u8; 32]) -> Action {
    Action::HtlcClaim(HtlcClaim { owner: id(owner), htlc_id: label(name), preimage })
}

pub fn htlc_refund(owner: &str, name: &str) -> Action {
    Action::HtlcRefund(HtlcRefund { owner: id(owner), htlc_id: label(name) })
}

/// Proposes a value from the next block on.
pub fn propose(name: &str, parameter: &str, value: u64, from: Height) -> Action {
    let parameter = Parameter::from_name(parameter).unwrap();
    Action::Propose(Propose { proposal: label(name), parameter, value, from_height: from })
}
