//! One transaction of every kind, for round trips, words and signing vectors.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

#[path = "../../../types/tests/samples/mod.rs"]
pub mod wire;

use vostro_api::Lookup;
use vostro_types::account::{KeyPolicy, WeightedKey};
use vostro_types::transaction::*;
use vostro_types::*;

pub const SENDER: u8 = 1;

pub fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

pub fn account(seed: u8) -> AccountId {
    KeyPolicy::single(secret(seed).public()).account_id(&[0; 16])
}

pub fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

pub fn amount(units: u64) -> Amount {
    Amount::new(units).unwrap()
}

pub fn code(text: &str) -> AssetCode {
    text.parse().unwrap()
}

pub fn ppm(parts: u32) -> Ppm {
    Ppm::new(parts).unwrap()
}

/// Knows assets, the names of two platforms and the asset of every order and item.
pub struct Known(pub vostro_api::Directory);

pub fn known() -> Known {
    let assets = [("CNY", 2), ("JPY", 0), ("USD", 2)].map(|(c, scale)| Asset::new(code(c), scale).unwrap());
    let mut directory = vostro_api::Directory::of_assets(assets);
    directory.set_name(account(2), "northwind");
    directory.set_name(account(3), "harbor");
    Known(directory)
}

impl Lookup for Known {
    fn asset(&self, code: &AssetCode) -> Option<Asset> {
        self.0.asset(code)
    }
    fn name(&self, account: &AccountId) -> Option<String> {
        self.0.name(account)
    }
    fn order_asset(&self, _: &OrderKey) -> Option<AssetCode> {
        Some(code("USD"))
    }
    fn campaign_asset(&self, _: &AccountId, _: &Label) -> Option<AssetCode> {
        Some(code("USD"))
    }
    fn item_asset(&self, _: &ItemRef) -> Option<AssetCode> {
        Some(code("USD"))
    }
}

/// How many actions are written out here; behind them stand the wire samples of the kinds that came later.
pub const WRITTEN: usize = 17;
/// Number of the first action that came later.
pub const LATER: usize = 14;

pub fn actions() -> Vec<Action> {
    let mut all = written();
    assert_eq!(all.len(), WRITTEN);
    all.extend(wire::actions().into_iter().skip(LATER).map(|(_, action)| action));
    all
}

fn written() -> Vec<Action> {
    let order = || OrderKey { platform: account(2), order_id: label("A-1001") };
    let two_of_three =
        KeyPolicy::new(2, [4, 5, 6].map(|s| WeightedKey { key: secret(s).public(), weight: 1 }).to_vec()).unwrap();
    vec![
        Action::OpenAccount(OpenAccount {
            kind: AccountKind::User,
            policy: KeyPolicy::single(secret(9).public()),
            salt: [7; 16],
        }),
        Action::OpenAccount(OpenAccount { kind: AccountKind::Creator, policy: two_of_three, salt: [0; 16] }),
        Action::SetStatus(SetStatus {
            account: account(9),
            status: AccountStatus::DebitFrozen,
            reason: label("chargeback 课"),
        }),
        Action::Deposit(Deposit {
            channel: label("bank"),
            channel_ref: label("r-1"),
            to: account(9),
            asset: code("USD"),
            amount: amount(10_000),
        }),
        Action::Withdraw(Withdraw {
            withdrawal_id: label("w-1"),
            gateway: account(3),
            asset: code("JPY"),
            amount: amount(500),
            destination: Hash([5; 32]),
        }),
        Action::WithdrawResult(WithdrawResult {
            owner: account(9),
            withdrawal_id: label("w-1"),
            ok: false,
            payout_ref: label("p-1"),
        }),
        Action::Transfer(Transfer { to: account(9), asset: code("USD"), amount: amount(20_000), memo: Hash::ZERO }),
        Action::RegisterPlan(RegisterPlan {
            plan: label("standard"),
            version: 1,
            legs: vec![
                PlanLeg { payee: Payee::Creator, share: Share::Rate(ppm(700_000)), refund: RefundPolicy::Proportional },
                PlanLeg {
                    payee: Payee::Account(account(8)),
                    share: Share::Rate(ppm(300_000)),
                    refund: RefundPolicy::BorneBy(account(3)),
                },
                PlanLeg { payee: Payee::Network, share: Share::Fixed(amount(5)), refund: RefundPolicy::NonRefundable },
            ],
        }),
        Action::RegisterItem(RegisterItem {
            item: label("course-7"),
            version: 2,
            asset: code("USD"),
            price: Price::Fixed(amount(9_000)),
            discount: ppm(125_000),
            tax: Some(TaxRule { rate: ppm(50_000), inclusive: false, account: account(7) }),
            plan: label("standard"),
            plan_version: 1,
            creator: account(8),
            terms: Terms { duration_ms: Some(86_400_000), units: None, scope: label("video") },
        }),
        Action::RegisterItem(RegisterItem {
            item: label("basket"),
            version: 1,
            asset: code("CNY"),
            price: Price::Open { min: amount(1), max: Amount::MAX },
            discount: Ppm::ZERO,
            tax: None,
            plan: label("standard"),
            plan_version: 1,
            creator: account(8),
            terms: Terms { duration_ms: None, units: Some(u64::MAX), scope: label("all") },
        }),
        Action::Pay(Pay {
            origin: account(2),
            order_id: label("A-1001"),
            item: ItemRef { host: account(3), item: label("course-7"), version: 2 },
            price: None,
            coupon: None,
            mode: PayMode::Escrow,
            fee_bearer: FeeBearer::PAYEE,
            expected_total: amount(9_450),
        }),
        Action::Pay(Pay {
            origin: account(2),
            order_id: label("A-1002"),
            item: ItemRef { host: account(3), item: label("basket"), version: 1 },
            price: Some(amount(1_177)),
            coupon: Some(CouponRef { platform: account(2), serial: label("SPRING-0001") }),
            mode: PayMode::Maturing(7),
            fee_bearer: FeeBearer { payer: ppm(1), payee: ppm(2), platform: ppm(999_997) },
            expected_total: amount(1_177),
        }),
        Action::Confirm(Confirm { order: order() }),
        Action::Refund(Refund {
            order: order(),
            refund_id: label("f-1"),
            amount: amount(3_333),
            reason: label("not as described"),
        }),
        Action::LockCollateral(LockCollateral { asset: code("USD"), amount: amount(100_000) }),
        Action::CloseWindow(CloseWindow { asset: code("USD"), window: 3 }),
        Action::SettleWindow(SettleWindow { asset: code("USD"), window: 3 }),
    ]
}

pub fn body(payload: Payload) -> Body {
    Body {
        version: BODY_VERSION,
        sender: account(SENDER),
        valid_until: Time(1_700_000_000_123),
        salt: 0x0102_0304_0506_0708,
        payload,
    }
}

pub const CHAIN: Hash = Hash([0xc4; 32]);

/// Every action alone, then all of them in a batch with two signatures.
pub fn transactions() -> Vec<Transaction> {
    let mut all: Vec<Transaction> =
        actions().into_iter().map(|a| body(Payload::One(a)).sign(&CHAIN, &[&secret(SENDER)])).collect();
    all.push(body(Payload::Batch(actions())).sign(&CHAIN, &[&secret(SENDER), &secret(2)]));
    all
}
