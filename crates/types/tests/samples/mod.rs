//! One value of everything.
#![allow(dead_code)] // each test file uses its part

mod events;
mod later;

#[allow(unused_imports)] // as above
pub(crate) use events::{causes, events};

use std::sync::Arc;

use vostro_types::genesis::*;
use vostro_types::receipt::{Bucket, OrderState};
use vostro_types::transaction::*;
use vostro_types::*;

pub(crate) fn chain() -> Hash {
    Hash([0xc4; 32])
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn fen(units: u64) -> Amount {
    Amount::new(units).unwrap()
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn usd() -> AssetCode {
    "USD".parse().unwrap()
}

fn id(n: u8) -> AccountId {
    AccountId([n; 32])
}

fn order() -> OrderKey {
    OrderKey { platform: id(1), order_id: label("cd-000001") }
}

fn item() -> ItemRef {
    ItemRef { host: id(2), item: label("course-7"), version: 3 }
}

fn ppm(parts: u32) -> Ppm {
    Ppm::new(parts).unwrap()
}

fn coupon() -> CouponRef {
    CouponRef { platform: id(1), serial: label("SPRING-0001") }
}

/// One of each.
pub(crate) fn actions() -> Vec<(&'static str, Action)> {
    let mut all = first();
    all.extend(later::actions());
    all
}

fn first() -> Vec<(&'static str, Action)> {
    let leg = |payee, share, refund| PlanLeg { payee, share, refund };
    vec![
        (
            "openAccount",
            Action::OpenAccount(OpenAccount {
                kind: AccountKind::Creator,
                policy: KeyPolicy::new(
                    2,
                    vec![
                        WeightedKey { key: key(1).public(), weight: 1 },
                        WeightedKey { key: key(2).public(), weight: 2 },
                    ],
                )
                .unwrap(),
                salt: [5; 16],
            }),
        ),
        (
            "setStatus",
            Action::SetStatus(SetStatus {
                account: id(3),
                status: AccountStatus::Frozen,
                reason: label("court order 17"),
            }),
        ),
        (
            "deposit",
            Action::Deposit(Deposit {
                channel: label("bank"),
                channel_ref: label("2026-11-21/1"),
                to: id(3),
                asset: usd(),
                amount: fen(10_000),
            }),
        ),
        (
            "withdraw",
            Action::Withdraw(Withdraw {
                withdrawal_id: label("w1"),
                gateway: id(4),
                asset: usd(),
                amount: fen(500),
                destination: Hash([8; 32]),
            }),
        ),
        (
            "withdrawResult",
            Action::WithdrawResult(WithdrawResult {
                owner: id(3),
                withdrawal_id: label("w1"),
                ok: true,
                payout_ref: label("p9"),
            }),
        ),
        ("transfer", Action::Transfer(Transfer { to: id(5), asset: usd(), amount: fen(200), memo: Hash([9; 32]) })),
        (
            "registerPlan",
            Action::RegisterPlan(RegisterPlan {
                plan: label("standard"),
                version: 1,
                legs: vec![
                    leg(Payee::Creator, Share::Rate(ppm(700_000)), RefundPolicy::Proportional),
                    leg(Payee::Host, Share::Rate(ppm(200_000)), RefundPolicy::NonRefundable),
                    leg(Payee::Origin, Share::Rate(ppm(80_000)), RefundPolicy::BorneBy(id(6))),
                    leg(Payee::Network, Share::Rate(ppm(20_000)), RefundPolicy::Proportional),
                    leg(Payee::Account(id(7)), Share::Fixed(fen(30)), RefundPolicy::Proportional),
                ],
            }),
        ),
        (
            "registerItem",
            Action::RegisterItem(RegisterItem {
                item: label("course-7"),
                version: 3,
                asset: usd(),
                price: Price::Open { min: fen(1), max: fen(100_000) },
                discount: ppm(100_000),
                tax: Some(TaxRule { rate: ppm(50_000), inclusive: true, account: id(8) }),
                plan: label("standard"),
                plan_version: 1,
                creator: id(9),
                terms: Terms { duration_ms: Some(86_400_000), units: None, scope: label("video") },
            }),
        ),
        (
            "pay",
            Action::Pay(Pay {
                origin: id(1),
                order_id: label("cd-000001"),
                item: item(),
                price: Some(fen(2933)),
                coupon: Some(coupon()),
                mode: PayMode::Maturing(7),
                fee_bearer: FeeBearer::PAYEE,
                expected_total: fen(2933),
            }),
        ),
        ("confirm", Action::Confirm(Confirm { order: order() })),
        (
            "refund",
            Action::Refund(Refund {
                order: order(),
                refund_id: label("r1"),
                amount: fen(33),
                reason: label("changed mind"),
            }),
        ),
        ("lockCollateral", Action::LockCollateral(LockCollateral { asset: usd(), amount: fen(1000) })),
        ("closeWindow", Action::CloseWindow(CloseWindow { asset: usd(), window: 1 })),
        ("settleWindow", Action::SettleWindow(SettleWindow { asset: usd(), window: 1 })),
    ]
}

pub(crate) fn signed(payload: Payload) -> Transaction {
    Body { version: 1, sender: id(3), valid_until: Time(1_700_000_060_000), salt: 42, payload }
        .sign(&chain(), &[&key(1)])
}

pub(crate) fn transaction() -> Transaction {
    signed(Payload::One(actions().remove(8).1))
}

pub(crate) fn batch() -> Transaction {
    let payload = Payload::Batch(actions().into_iter().map(|(_, a)| a).collect());
    Body { version: 1, sender: id(3), valid_until: Time(1_700_000_060_000), salt: 43, payload }
        .sign(&chain(), &[&key(2), &key(1)])
}

pub(crate) fn header() -> Header {
    Header {
        version: block::HEADER_VERSION,
        epoch: Epoch(0),
        height: Height(7),
        parent: BlockId(Hash([1; 32])),
        time: Time(1_700_000_000_123),
        validators: Hash([2; 32]),
        next_validators: Hash([3; 32]),
        transactions_root: block::transactions_root(&transactions()),
        evidence_root: evidence::evidence_root(&all_evidence()),
        receipts_root: Hash([4; 32]),
        state_root: Hash([5; 32]),
    }
}

fn transactions() -> Vec<Arc<Transaction>> {
    vec![Arc::new(transaction()), Arc::new(batch())]
}

pub(crate) fn block() -> Block {
    Block { header: header(), transactions: transactions(), evidence: all_evidence() }
}

/// One piece of each kind; the signatures are of other bytes, which the layout does not mind.
pub(crate) fn all_evidence() -> Vec<Evidence> {
    let said = |n: u8| (BlockId(Hash([n; 32])), key(n).sign(b"said"));
    let at = |view: u64, n: u8| PreparedAt { view: View(view), block: BlockId(Hash([n; 32])) };
    let contradictions = [
        Contradiction::votes(VoteKind::Commit, View(2), said(6), said(7)),
        Contradiction::proposals(View(1), said(8), said(7)),
        Contradiction::Forgotten {
            commit: at(3, 6),
            commit_signature: said(6).1,
            asked: View(4),
            reported: Some(at(1, 7)),
            view_change_signature: said(7).1,
        },
    ];
    let piece =
        |contradiction| Evidence { epoch: Epoch(0), validator: ValidatorIndex(2), height: Height(6), contradiction };
    contradictions.into_iter().map(piece).collect()
}

pub(crate) fn certificate() -> Certificate {
    Certificate {
        kind: VoteKind::Commit,
        epoch: Epoch(0),
        height: Height(7),
        view: View(2),
        block: header().id(),
        signatures: vec![(ValidatorIndex(0), key(1).sign(b"a")), (ValidatorIndex(2), key(2).sign(b"b"))],
    }
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        cause: Cause::Transaction(transaction().body.id(&chain())),
        outcome: Outcome::Rejected { code: 502, about: vec![label("amount")] },
        fee: fen(1),
        postings: vec![Posting {
            account: id(3),
            asset: usd(),
            bucket: Bucket::Available,
            credit: false,
            amount: fen(10),
            balance: fen(90),
        }],
        events: vec![Event::OrderMoved { order: order(), from: Some(OrderState::Escrowed), to: OrderState::Settled }],
    }
}

fn validators() -> Vec<Validator> {
    ["northwind", "lantern", "quill", "harbor"]
        .iter()
        .enumerate()
        .map(|(i, name)| Validator {
            name: label(name),
            platform: id(i as u8),
            key: key(10 + i as u8).public(),
            network_key: key(20 + i as u8).public(),
        })
        .collect()
}

pub(crate) fn validator_set() -> ValidatorSet {
    ValidatorSet::new(Epoch(0), validators()).unwrap()
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        chain_id: label("golden"),
        time: Time(1_700_000_000_000),
        assets: vec![Asset::new(usd(), 2).unwrap()],
        parameters: Parameters {
            day_ms: 5000,
            escrow_ms: 30_000,
            window_ms: 0,
            max_due_per_block: 100,
            fee: FeeSchedule {
                rate: ppm(3000),
                min: fen(1),
                cap: fen(500),
                tiers: [FeeTier { volume: fen(1_000_000), rate: ppm(2000) }, FeeTier::default(), FeeTier::default()],
            },
            debit_cap: fen(1_000_000),
            gateway_daily_cap: fen(1_000_000_000),
            limits: [Limits { daily: fen(500_000), ..Limits::default() }, Limits::default(), Limits::default()],
            ..Parameters::BASE
        },
        consensus: ConsensusParameters {
            base_timeout_ms: 1000,
            heartbeat_ms: 10_000,
            delay_ms: 500,
            precision_ms: 200,
            max_block_transactions: 4000,
            max_block_bytes: 1 << 20,
        },
        validators: validators(),
        accounts: vec![GenesisAccount {
            name: label("northwind"),
            kind: AccountKind::Platform,
            policy: KeyPolicy::single(key(30).public()),
            salt: [0; 16],
            roles: Roles { arbiter: true, ..Roles::default() },
        }],
    }
}
