//! Rule tables: given a small network, an action is refused with its code, or does what it says.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::*;
use vostro_settlement::read;
use vostro_types::account::WeightedKey;
use vostro_types::receipt::{Bucket, OrderState};
use vostro_types::transaction::*;
use vostro_types::*;

fn buy(w: &World, id: &str, mode: PayMode) -> Action {
    Action::Pay(Pay { mode, ..pay(w.p, id, w.q, "book", 1000) })
}

fn frozen(w: &mut World, who: AccountId, status: AccountStatus) {
    w.status(who, status);
}

#[test]
fn envelope() {
    let mut base = shop();
    let keys = [30, 31, 32].map(|s| WeightedKey { key: secret(s).public(), weight: 1 });
    let policy = KeyPolicy::new(2, keys.to_vec()).unwrap();
    let joint = policy.account_id(&[9; 16]);
    let one = base.open(base.p, AccountKind::User, 30);
    let two = base.open(base.p, AccountKind::User, 31);
    let open = Action::OpenAccount(OpenAccount { kind: AccountKind::User, policy, salt: [9; 16] });
    assert_eq!(refusal(&base.by(base.p, &[base.p, one], open.clone())), (107, "policy".into()));
    assert!(base.by(base.p, &[base.p, one, two], open).applied());
    base.deposit(joint, 10);
    let receipt = base.by(joint, &[one], transfer(base.bob, 1));
    assert_eq!(refusal(&receipt), (107, "sender".into()));
    let receipt = base.by(joint, &[one, two], transfer(base.bob, 1));
    assert!(receipt.applied());
    check(
        &base,
        &[
            ("nobody's key", |w| w.by(w.alice, &[w.bob], transfer(w.bob, 1)), (101, "sender")),
            ("one key too many", |w| w.by(w.alice, &[w.alice, w.bob], transfer(w.bob, 1)), APPLIED),
            ("no account", |w| w.by(AccountId([9; 32]), &[w.alice], transfer(w.bob, 1)), (401, "sender")),
            (
                "closed sender",
                |w| {
                    frozen(w, w.dave, AccountStatus::Closed);
                    w.run(w.dave, transfer(w.bob, 1))
                },
                (404, "sender"),
            ),
            ("too late", |w| valid(w, 0), (103, "valid_until")),
            ("just in time", |w| valid(w, 1), APPLIED),
            ("an hour ahead", |w| valid(w, 1 + HOUR), APPLIED),
            ("too far ahead", |w| valid(w, 2 + HOUR), (103, "valid_until")),
        ],
    );
}

/// A transfer valid until so many milliseconds after the block before its own.
fn valid(w: &mut World, ms: u64) -> Receipt {
    let mut body = w.body(w.alice, Payload::One(transfer(w.bob, 1)));
    body.valid_until = Time(w.time + ms);
    let tx = w.sign(body, &[w.alice]);
    w.block(&[tx]).remove(0)
}

#[test]
fn opening_accounts() {
    fn open(w: &mut World, by: AccountId, kind: AccountKind, seed: u8) -> Receipt {
        let owner = w.newcomer(seed);
        w.by(by, &[by, owner], open_account(kind, seed))
    }
    check(
        &World::new(),
        &[
            ("by a user", |w| open(w, w.alice, AccountKind::User, 50), (106, "sender")),
            ("by a gateway", |w| open(w, w.gw, AccountKind::User, 50), (106, "sender")),
            ("a platform", |w| open(w, w.p, AccountKind::Platform, 50), (106, "kind")),
            ("a gateway", |w| open(w, w.p, AccountKind::Gateway, 50), (106, "kind")),
            ("a fee account", |w| open(w, w.p, AccountKind::NetworkFee, 50), (106, "kind")),
            ("a tax account", |w| open(w, w.p, AccountKind::Tax, 50), APPLIED),
            ("again", |w| open(w, w.p, AccountKind::User, 20), REPLAYED),
            ("again as a creator", |w| open(w, w.p, AccountKind::Creator, 20), (502, "kind")),
            ("somebody else's", |w| open(w, w.q, AccountKind::User, 20), (502, "platform")),
            ("its own id", |w| open(w, w.p, AccountKind::User, 1), (502, "kind")),
            (
                "a key of small order",
                |w| {
                    let mut identity = [0; 32];
                    identity[0] = 1;
                    let policy = KeyPolicy::single(PublicKey(identity));
                    let kind = AccountKind::User;
                    w.run(w.p, Action::OpenAccount(OpenAccount { kind, policy, salt: [0; 16] }))
                },
                (108, "policy"),
            ),
        ],
    );
    let w = World::new();
    let alice = read::account(&w.ledger, w.alice).unwrap();
    assert_eq!((alice.kind, alice.status, alice.tier), (AccountKind::User, AccountStatus::Active, 1));
    assert_eq!((alice.platform, alice.roles.risk, alice.name), (w.p, false, None));
    assert_eq!(read::platforms(&w.ledger).len(), 5);
}

#[test]
fn status() {
    use AccountStatus::{Active, Closed, DebitFrozen, Frozen};
    check(
        &shop(),
        &[
            ("by a user", |w| w.run(w.alice, set_status(w.alice, Frozen)), (106, "account")),
            ("by another platform", |w| w.run(w.q, set_status(w.alice, Frozen)), (106, "account")),
            ("a platform's own", |w| w.run(w.p, set_status(w.p, Frozen)), (106, "account")),
            ("by its platform", |w| w.run(w.p, set_status(w.alice, Frozen)), APPLIED),
            ("by risk", |w| w.run(w.risk, set_status(w.p, Frozen)), APPLIED),
            ("nobody", |w| w.run(w.risk, set_status(AccountId([9; 32]), Frozen)), (401, "account")),
            ("close with money", |w| w.run(w.risk, set_status(w.alice, Closed)), (504, "balance")),
            ("close without its keys", |w| w.run(w.q, set_status(w.dave, Closed)), (107, "account")),
            ("close the fee account", |w| w.run(w.risk, set_status(w.fees, Closed)), (504, "kind")),
            ("close an empty one", |w| w.by(w.q, &[w.q, w.dave], set_status(w.dave, Closed)), APPLIED),
            (
                "closed is final",
                |w| {
                    w.status(w.dave, Closed);
                    w.run(w.risk, set_status(w.dave, Active))
                },
                (504, "status"),
            ),
            (
                "a platform does not undo the risk desk",
                |w| {
                    w.status(w.alice, Frozen);
                    w.run(w.p, set_status(w.alice, Active))
                },
                (106, "account"),
            ),
            (
                "a platform undoes its own",
                |w| {
                    w.ok(w.p, set_status(w.alice, DebitFrozen));
                    w.run(w.p, set_status(w.alice, Active))
                },
                APPLIED,
            ),
        ],
    );
}

#[test]
fn frozen_money_is_held_and_released() {
    let mut w = shop();
    w.status(w.bob, AccountStatus::Frozen);
    w.ok(w.alice, transfer(w.bob, 500));
    assert_eq!((w.available(w.bob), w.held(w.bob)), (100_000, 500));
    let receipt = w.ok(w.risk, set_status(w.bob, AccountStatus::DebitFrozen));
    let buckets: Vec<_> = receipt.postings.iter().map(|p| (p.bucket, p.credit)).collect();
    assert_eq!(buckets, [(Bucket::Held, false), (Bucket::Available, true)]);
    assert_eq!((w.available(w.bob), w.held(w.bob)), (100_500, 0));
    w.ok(w.alice, transfer(w.bob, 500));
    assert_eq!(w.available(w.bob), 101_000);
}

#[test]
fn deposits() {
    let mut base = World::with(|p| p.gateway_daily_cap = fen(1000), false);
    base.ok(base.gw, deposit("bank", "a", base.alice, 600));
    check(
        &base,
        &[
            ("by a platform", |w| w.run(w.p, deposit("bank", "x", w.alice, 1)), (106, "sender")),
            ("nothing", |w| w.run(w.gw, deposit("bank", "x", w.alice, 0)), (201, "amount")),
            ("to nobody", |w| w.run(w.gw, deposit("bank", "x", AccountId([9; 32]), 1)), (401, "to")),
            ("again", |w| w.run(w.gw, deposit("bank", "a", w.alice, 600)), REPLAYED),
            ("again to another", |w| w.run(w.gw, deposit("bank", "a", w.bob, 601)), (502, "to amount")),
            ("another channel", |w| w.run(w.gw, deposit("card", "a", w.alice, 400)), APPLIED),
            ("another gateway", |w| w.run(w.gw2, deposit("bank", "a", w.alice, 1000)), APPLIED),
            ("above the cap", |w| w.run(w.gw, deposit("bank", "b", w.alice, 401)), (702, "amount")),
            (
                "the next day",
                |w| {
                    w.wait(24 * HOUR);
                    w.run(w.gw, deposit("bank", "b", w.alice, 1000))
                },
                APPLIED,
            ),
            (
                "no such asset",
                |w| {
                    let Action::Deposit(d) = deposit("bank", "x", w.alice, 1) else { unreachable!() };
                    w.run(w.gw, Action::Deposit(Deposit { asset: "EUR".parse().unwrap(), ..d }))
                },
                (203, "asset"),
            ),
            (
                "to a closed account",
                |w| {
                    w.status(w.dave, AccountStatus::Closed);
                    w.run(w.gw, deposit("bank", "x", w.dave, 1))
                },
                (404, "to"),
            ),
            (
                "by a frozen gateway",
                |w| {
                    w.status(w.gw, AccountStatus::Frozen);
                    w.run(w.gw, deposit("bank", "x", w.alice, 1))
                },
                (403, "sender"),
            ),
        ],
    );
    assert_eq!(read::custody(&base.ledger, cny()).net(), 600);
}

#[test]
fn custody_is_an_amount() {
    let mut w = World::with(|p| p.gateway_daily_cap = Amount::MAX, false);
    w.ok(w.gw, deposit("bank", "a", w.alice, Amount::MAX.units() - 1));
    assert_eq!(w.no(w.gw2, deposit("bank", "b", w.bob, 2)), (202, "custody".into()));
    w.ok(w.gw2, deposit("bank", "c", w.bob, 1));
    w.ok(w.bob, transfer(w.alice, 1));
    assert_eq!(w.available(w.alice), Amount::MAX.units());
}

#[test]
fn withdrawals() {
    let mut base = shop();
    base.ok(base.alice, withdraw("w", base.gw, 300));
    base.ok(base.bob, withdraw("w", base.gw, 300));
    base.ok(base.bob, withdraw("w2", base.gw, 1));
    base.ok(base.gw, result(base.bob, "w", true, "paid-1"));
    assert_eq!(read::custody(&base.ledger, cny()).net(), 210_000 - 300);
    check(
        &base,
        &[
            ("nothing", |w| w.run(w.alice, withdraw("x", w.gw, 0)), (201, "amount")),
            ("too much", |w| w.run(w.alice, withdraw("x", w.gw, 99_701)), (301, "sender")),
            ("all", |w| w.run(w.alice, withdraw("x", w.gw, 99_700)), APPLIED),
            ("no gateway", |w| w.run(w.alice, withdraw("x", w.p, 1)), (106, "gateway")),
            ("nobody", |w| w.run(w.alice, withdraw("x", AccountId([9; 32]), 1)), (401, "gateway")),
            ("again", |w| w.run(w.alice, withdraw("w", w.gw, 300)), REPLAYED),
            ("another body", |w| w.run(w.alice, withdraw("w", w.gw2, 301)), (502, "gateway amount")),
            (
                "no such asset",
                |w| {
                    let Action::Withdraw(a) = withdraw("x", w.gw, 1) else { unreachable!() };
                    w.run(w.alice, Action::Withdraw(Withdraw { asset: "EUR".parse().unwrap(), ..a }))
                },
                (203, "asset"),
            ),
            (
                "closed gateway",
                |w| {
                    w.status(w.gw2, AccountStatus::Closed);
                    w.run(w.alice, withdraw("x", w.gw2, 1))
                },
                (404, "gateway"),
            ),
            (
                "frozen owner",
                |w| {
                    w.status(w.alice, AccountStatus::DebitFrozen);
                    w.run(w.alice, withdraw("x", w.gw, 1))
                },
                (402, "sender"),
            ),
            ("result by another gateway", |w| w.run(w.gw2, result(w.alice, "w", true, "r")), (106, "sender")),
            ("result by the owner", |w| w.run(w.alice, result(w.alice, "w", false, "r")), (106, "sender")),
            ("result of nothing", |w| w.run(w.gw, result(w.alice, "y", true, "r")), (401, "withdrawal_id")),
            ("used reference", |w| w.run(w.gw, result(w.alice, "w", true, "paid-1")), (701, "payout_ref")),
            ("result again", |w| w.run(w.gw, result(w.bob, "w", true, "paid-1")), REPLAYED),
            ("another result", |w| w.run(w.gw, result(w.bob, "w", false, "r")), (502, "ok payout_ref")),
            ("failed", |w| w.run(w.gw, result(w.alice, "w", false, "no")), APPLIED),
        ],
    );
    base.status(base.alice, AccountStatus::Frozen);
    base.ok(base.gw, result(base.alice, "w", false, "no"));
    assert_eq!((base.available(base.alice), base.held(base.alice)), (99_700, 300));
}

#[test]
fn transfers() {
    check(
        &shop(),
        &[
            ("all", |w| w.run(w.alice, transfer(w.bob, 100_000)), APPLIED),
            ("too much", |w| w.run(w.alice, transfer(w.bob, 100_001)), (301, "sender")),
            ("nothing", |w| w.run(w.alice, transfer(w.bob, 0)), (201, "amount")),
            ("to itself", |w| w.run(w.alice, transfer(w.alice, 1)), (406, "to")),
            ("to nobody", |w| w.run(w.alice, transfer(AccountId([9; 32]), 1)), (401, "to")),
            (
                "no such asset",
                |w| {
                    let Action::Transfer(t) = transfer(w.bob, 1) else { unreachable!() };
                    w.run(w.alice, Action::Transfer(Transfer { asset: "EUR".parse().unwrap(), ..t }))
                },
                (203, "asset"),
            ),
            (
                "debit frozen",
                |w| {
                    w.status(w.alice, AccountStatus::DebitFrozen);
                    w.run(w.alice, transfer(w.bob, 1))
                },
                (402, "sender"),
            ),
            (
                "frozen",
                |w| {
                    w.status(w.alice, AccountStatus::Frozen);
                    w.run(w.alice, transfer(w.bob, 1))
                },
                (403, "sender"),
            ),
            (
                "to a closed account",
                |w| {
                    w.status(w.dave, AccountStatus::Closed);
                    w.run(w.alice, transfer(w.dave, 1))
                },
                (404, "to"),
            ),
        ],
    );
}

#[test]
fn plans() {
    fn one(share: Share) -> PlanLeg {
        PlanLeg { payee: Payee::Host, share, refund: RefundPolicy::Proportional }
    }
    fn borne(by: AccountId) -> Vec<PlanLeg> {
        vec![PlanLeg { refund: RefundPolicy::BorneBy(by), ..leg(Payee::Creator, 1_000_000) }]
    }
    check(
        &shop(),
        &[
            ("by a user", |w| w.run(w.alice, plan("x", 1, seventy())), (106, "sender")),
            ("version 0", |w| w.run(w.q, plan("x", 0, seventy())), (108, "version")),
            ("a gap", |w| w.run(w.q, plan("book", 3, seventy())), (504, "version")),
            ("the next version", |w| w.run(w.q, plan("book", 2, seventy())), APPLIED),
            ("again", |w| w.run(w.q, plan("book", 1, seventy())), REPLAYED),
            ("another body", |w| w.run(w.q, plan("book", 1, vec![leg(Payee::Host, 1_000_000)])), (502, "legs")),
            ("no legs", |w| w.run(w.q, plan("x", 1, vec![])), (601, "legs")),
            ("too many legs", |w| w.run(w.q, plan("x", 1, vec![leg(Payee::Host, 1); 17])), (601, "legs")),
            ("too little", |w| w.run(w.q, plan("x", 1, vec![leg(Payee::Host, 999_999)])), (601, "rates")),
            ("too much", |w| w.run(w.q, plan("x", 1, vec![leg(Payee::Host, 600_000); 2])), (601, "rates")),
            ("only fixed", |w| w.run(w.q, plan("x", 1, vec![one(Share::Fixed(fen(1)))])), (601, "rates")),
            ("a zero rate", |w| w.run(w.q, plan("x", 1, vec![leg(Payee::Host, 0)])), (601, "share")),
            ("a fixed zero", |w| w.run(w.q, plan("x", 1, vec![one(Share::Fixed(fen(0)))])), (601, "share")),
            (
                "fixed beyond amounts",
                |w| w.run(w.q, plan("x", 1, vec![one(Share::Fixed(Amount::MAX)); 2])),
                (202, "fixed"),
            ),
            (
                "to nobody",
                |w| w.run(w.q, plan("x", 1, vec![leg(Payee::Account(AccountId([9; 32])), 1_000_000)])),
                (401, "payee"),
            ),
            ("borne by nobody", |w| w.run(w.q, plan("x", 1, borne(AccountId([9; 32])))), (401, "bearer")),
            ("borne by a stranger", |w| w.run(w.q, plan("x", 1, borne(w.alice))), (107, "bearer")),
            ("borne by one who signs", |w| w.by(w.q, &[w.q, w.alice], plan("x", 1, borne(w.alice))), APPLIED),
            ("borne by its own user", |w| w.run(w.q, plan("x", 1, borne(w.dave))), (107, "bearer")),
            ("borne by itself", |w| w.run(w.q, plan("x", 1, borne(w.q))), APPLIED),
        ],
    );
}

#[test]
fn items() {
    fn with(w: &mut World, change: fn(&World, &mut RegisterItem)) -> Receipt {
        let mut action = RegisterItem { plan: label("book"), ..item("x", 1, w.carol) };
        change(w, &mut action);
        w.run(w.q, Action::RegisterItem(action))
    }
    fn again(i: &mut RegisterItem) {
        i.item = label("book");
    }
    check(
        &shop(),
        &[
            ("good", |w| with(w, |_, _| {}), APPLIED),
            ("by a user", |w| w.run(w.alice, Action::RegisterItem(item("x", 1, w.carol))), (106, "sender")),
            ("version 0", |w| with(w, |_, i| i.version = 0), (108, "version")),
            ("a gap", |w| with(w, |_, i| i.version = 2), (504, "version")),
            ("again", |w| with(w, |_, i| again(i)), REPLAYED),
            (
                "again with another price",
                |w| {
                    with(w, |w, i| {
                        again(i);
                        i.price = Price::Fixed(fen(1));
                        i.creator = w.dave;
                    })
                },
                (502, "price creator"),
            ),
            ("no such asset", |w| with(w, |_, i| i.asset = "EUR".parse().unwrap()), (203, "asset")),
            ("for nothing", |w| with(w, |_, i| i.price = Price::Fixed(fen(0))), (201, "price")),
            ("from nothing", |w| with(w, |_, i| i.price = Price::Open { min: fen(0), max: fen(9) }), (201, "price")),
            ("bounds crossed", |w| with(w, |_, i| i.price = Price::Open { min: fen(9), max: fen(8) }), (108, "price")),
            ("no units", |w| with(w, |_, i| i.terms.units = Some(0)), (108, "terms")),
            ("no time", |w| with(w, |_, i| i.terms.duration_ms = Some(0)), (108, "terms")),
            ("no plan", |w| with(w, |_, i| i.plan = label("none")), (401, "plan")),
            ("no plan version", |w| with(w, |_, i| i.plan_version = 2), (401, "plan")),
            ("another's plan", |w| with(w, |_, i| i.plan = label("own")), (401, "plan")),
            ("no creator", |w| with(w, |_, i| i.creator = AccountId([9; 32])), (401, "creator")),
            ("no tax account", |w| with(w, |_, i| i.tax = Some(tax(AccountId([9; 32])))), (401, "tax")),
            ("tax to a person", |w| with(w, |w, i| i.tax = Some(tax(w.alice))), (106, "tax")),
            ("taxed", |w| with(w, |w, i| i.tax = Some(tax(w.tax))), APPLIED),
        ],
    );
}

fn tax(account: AccountId) -> TaxRule {
    TaxRule { rate: ppm(60_000), inclusive: false, account }
}

/// Pays by alice with a change to a good order of "book" for 10.00.
fn paying(w: &mut World, change: fn(&World, &mut Pay)) -> Receipt {
    let mut action = pay(w.p, "x", w.q, "book", 1000);
    change(w, &mut action);
    w.run(w.alice, Action::Pay(action))
}

#[test]
fn payments() {
    let mut base = shop();
    let fixed = RegisterItem { price: Price::Fixed(fen(1000)), plan: label("book"), ..item("fixed", 1, base.carol) };
    base.ok(base.q, Action::RegisterItem(fixed));
    let bounds = Price::Open { min: fen(100), max: fen(200) };
    base.ok(
        base.q,
        Action::RegisterItem(RegisterItem { price: bounds, plan: label("book"), ..item("tip", 1, base.carol) }),
    );
    let fee_leg = PlanLeg { share: Share::Fixed(fen(300)), ..leg(Payee::Host, 1) };
    base.offer(base.q, "flat", vec![leg(Payee::Creator, 1_000_000), fee_leg], None);
    base.ok(base.alice, buy(&base, "old", PayMode::Instant));
    check(
        &base,
        &[
            ("good", |w| paying(w, |_, _| {}), APPLIED),
            ("by another's user", |w| w.by(w.dave, &[w.dave], buy(w, "x", PayMode::Instant)), (107, "origin")),
            ("no origin", |w| paying(w, |_, a| a.origin = AccountId([9; 32])), (401, "origin")),
            ("origin is no platform", |w| paying(w, |w, a| a.origin = w.bob), (106, "origin")),
            ("replay", |w| paying(w, |_, a| a.order_id = label("old")), REPLAYED),
            (
                "conflict",
                |w| {
                    paying(w, |_, a| {
                        a.order_id = label("old");
                        a.mode = PayMode::Escrow;
                        a.price = Some(fen(1));
                        a.expected_total = fen(1);
                    })
                },
                (502, "price mode expected_total"),
            ),
            ("another payer", |w| w.run(w.bob, buy(w, "old", PayMode::Instant)), (502, "payer")),
            ("no item", |w| paying(w, |_, a| a.item.item = label("none")), (401, "item")),
            ("no version", |w| paying(w, |_, a| a.item.version = 2), (401, "item")),
            ("another host", |w| paying(w, |w, a| a.item.host = w.p), (401, "item")),
            ("nothing", |w| paying(w, |_, a| a.price = Some(fen(0))), (201, "price")),
            ("no price", |w| paying(w, |_, a| a.price = None), (205, "price")),
            ("another total", |w| paying(w, |_, a| a.expected_total = fen(999)), (205, "expected_total")),
            ("fixed", |w| paying(w, |_, a| (a.item.item, a.price) = (label("fixed"), None)), APPLIED),
            ("fixed and named", |w| paying(w, |_, a| a.item.item = label("fixed")), APPLIED),
            (
                "fixed and another",
                |w| paying(w, |_, a| (a.item.item, a.price) = (label("fixed"), Some(fen(999)))),
                (205, "price"),
            ),
            (
                "below the bounds",
                |w| paying(w, |_, a| (a.item.item, a.price) = (label("tip"), Some(fen(99)))),
                (205, "price"),
            ),
            (
                "above the bounds",
                |w| paying(w, |_, a| (a.item.item, a.price) = (label("tip"), Some(fen(201)))),
                (205, "price"),
            ),
            (
                "below the fixed leg",
                |w| {
                    paying(w, |_, a| {
                        (a.item.item, a.price, a.expected_total) = (label("flat"), Some(fen(299)), fen(299));
                    })
                },
                (601, "fixed"),
            ),
            ("bearers beyond one", |w| paying(w, |_, a| a.fee_bearer.payee = ppm(1)), (108, "fee_bearer")),
            ("in no days", |w| paying(w, |_, a| a.mode = PayMode::Maturing(0)), (108, "mode")),
            (
                "too much",
                |w| paying(w, |_, a| (a.price, a.expected_total) = (Some(fen(99_001)), fen(99_001))),
                (301, "sender"),
            ),
            (
                "frozen payer",
                |w| {
                    w.status(w.alice, AccountStatus::Frozen);
                    paying(w, |_, _| {})
                },
                (403, "sender"),
            ),
            (
                "host closed",
                |w| {
                    w.ok(w.q, transfer(w.bob, 200));
                    w.status(w.q, AccountStatus::Closed);
                    paying(w, |_, _| {})
                },
                (404, "host"),
            ),
            ("window without the origin", |w| w.by(w.alice, &[w.alice], buy(w, "x", PayMode::Window)), (107, "origin")),
            ("window without cover", |w| w.by(w.alice, &[w.alice, w.p], buy(w, "x", PayMode::Window)), (305, "origin")),
            (
                "window of a frozen origin",
                |w| {
                    w.status(w.p, AccountStatus::DebitFrozen);
                    w.by(w.alice, &[w.alice, w.p], buy(w, "x", PayMode::Window))
                },
                (402, "origin"),
            ),
        ],
    );
    let receipt = base.by(base.dave, &[base.dave, base.p], buy(&base, "x", PayMode::Instant));
    assert_eq!(refusal(&receipt), (301, "sender".into()));
    let item = read::item(&base.ledger, base.q, &label("flat"), 1).unwrap();
    assert_eq!(item.creator, base.carol);
    let mut flat = base.clone();
    paying(&mut flat, |_, a| a.item.item = label("flat"));
    assert_eq!(flat.legs(flat.p, "x"), [700, 300]);
}

#[test]
fn fees() {
    let mut base = World::with(|p| (p.fee.min, p.fee.cap) = (fen(50), fen(60)), false);
    base.deposit(base.alice, 10_000);
    base.offer(base.q, "book", seventy(), None);
    fn at(w: &mut World, price: u64, fee_bearer: FeeBearer, total: u64, origin_signs: bool) -> Receipt {
        let order = pay(w.p, "x", w.q, "book", price);
        let order = Pay { fee_bearer, expected_total: fen(total), ..order };
        let signers = if origin_signs { vec![w.alice, w.p] } else { vec![w.alice] };
        w.by(w.alice, &signers, Action::Pay(order))
    }
    check(
        &base,
        &[
            ("on top", |w| at(w, 1000, FeeBearer::PAYER, 1050, true), APPLIED),
            ("not expected", |w| at(w, 1000, FeeBearer::PAYER, 1000, true), (205, "expected_total")),
            ("fee above the legs", |w| at(w, 49, FeeBearer::PAYEE, 49, true), (601, "fee")),
            ("all legs", |w| at(w, 50, FeeBearer::PAYEE, 50, true), APPLIED),
            ("platform does not sign", |w| at(w, 1000, FeeBearer::PLATFORM, 1000, false), (107, "origin")),
            ("platform has nothing", |w| at(w, 1000, FeeBearer::PLATFORM, 1000, true), (301, "origin")),
            (
                "platform frozen",
                |w| {
                    w.status(w.p, AccountStatus::Frozen);
                    at(w, 1000, FeeBearer::PLATFORM, 1000, true)
                },
                (403, "origin"),
            ),
        ],
    );
}

#[test]
fn escrow_is_confirmed_or_confirms_itself() {
    let mut base = shop();
    for id in ["1", "2"] {
        base.ok(base.alice, buy(&base, id, PayMode::Escrow));
    }
    base.ok(base.alice, buy(&base, "m", PayMode::Maturing(3)));
    assert_eq!((base.state(base.p, "1"), base.order(base.p, "1").pot), (OrderState::Escrowed, fen(1000)));
    assert_eq!(base.available(base.carol), 0);
    check(
        &base,
        &[
            ("no order", |w| w.run(w.alice, confirm(w.p, "none")), (503, "order")),
            ("by another", |w| w.run(w.bob, confirm(w.p, "1")), (106, "sender")),
            ("by the payee's platform", |w| w.run(w.q, confirm(w.p, "1")), (106, "sender")),
            ("maturing", |w| w.run(w.alice, confirm(w.p, "m")), (504, "order")),
            (
                "twice",
                |w| {
                    w.ok(w.alice, confirm(w.p, "1"));
                    w.run(w.alice, confirm(w.p, "1"))
                },
                (504, "order"),
            ),
        ],
    );
    let mut w = base;
    w.ok(w.alice, confirm(w.p, "1"));
    assert_eq!((w.state(w.p, "1"), w.available(w.carol)), (OrderState::Settled, 700));
    assert_eq!(vostro_settlement::next_deadline(&w.ledger), w.order(w.p, "m").due);
    let due = w.order(w.p, "m").due.unwrap();
    let receipts = w.wait(due.since(Time(w.time)) - 1);
    assert_eq!(receipts.len(), 1);
    assert_eq!(receipts[0].cause, Cause::Deadline(key(w.p, "m")));
    assert_eq!((w.state(w.p, "m"), w.available(w.carol)), (OrderState::Settled, 1400));
    assert_eq!(w.state(w.p, "2"), OrderState::Escrowed);
    w.wait(5000);
    assert_eq!((w.state(w.p, "2"), w.available(w.carol)), (OrderState::Settled, 2100));
    assert_eq!(vostro_settlement::next_deadline(&w.ledger), None);
}

#[test]
fn deadlines_fire_in_order_and_a_bounded_number_a_block() {
    let mut w = World::with(|p| p.max_due_per_block = 3, false);
    w.deposit(w.alice, 10_000);
    w.offer(w.q, "book", seventy(), None);
    for id in ["e", "d", "c", "b", "a"] {
        w.ok(w.alice, buy(&w, id, PayMode::Maturing(1)));
    }
    let fired = |receipts: Vec<Receipt>| -> Vec<String> {
        let ids = receipts.into_iter().map(|r| match r.cause {
            Cause::Deadline(order) => order.order_id.to_string(),
            other => panic!("{other:?}"),
        });
        ids.collect()
    };
    assert_eq!(fired(w.wait(2000)), ["e", "d", "c"]);
    assert_eq!(fired(w.wait(0)), ["b", "a"]);
    assert!(w.wait(0).is_empty());
}

#[test]
fn the_receipts_of_deadlines_are_bounded_in_bytes() {
    use vostro_settlement::MAX_DUE_RECEIPTS;
    const BATCHES: usize = 16;
    let mut w = World::with(|p| p.max_due_per_block = 10_000, false);
    w.deposit(w.alice, 300_000);
    w.offer(w.q, "book", vec![leg(Payee::Creator, 1_000_000 / MAX_LEGS as u32); MAX_LEGS], None);
    let count = BATCHES * MAX_BATCH;
    for batch in 0..BATCHES {
        let orders = batch * MAX_BATCH..(batch + 1) * MAX_BATCH;
        let maturing = |i: usize| Pay { mode: PayMode::Maturing(1), ..pay(w.p, &i.to_string(), w.q, "book", 100) };
        let orders = orders.map(|i| Action::Pay(maturing(i))).collect();
        let receipt = w.batch(w.alice, orders);
        assert!(receipt.applied(), "{receipt:?}");
    }
    let (mut fired, mut blocks) = (0, 0);
    w.time += 5000;
    while fired < count {
        let receipts = w.wait(0);
        let sizes: Vec<usize> = receipts.iter().map(|r| codec::encode(r).len()).collect();
        let (last, before) = sizes.split_last().unwrap();
        assert!(before.iter().sum::<usize>() < MAX_DUE_RECEIPTS);
        let full = before.iter().sum::<usize>() + last >= MAX_DUE_RECEIPTS;
        fired += receipts.len();
        blocks += 1;
        assert!(full || fired == count, "it stopped before it had to");
    }
    assert_eq!((fired, blocks > 1), (count, true));
    assert!(w.wait(0).is_empty());
}

#[test]
fn release_looks_at_statuses_again() {
    for suspense in [false, true] {
        let mut w = World::with(|_| {}, suspense);
        w.deposit(w.alice, 10_000);
        let legs = vec![leg(Payee::Creator, 500_000), leg(Payee::Account(w.dave), 500_000)];
        w.offer(w.q, "book", legs, None);
        w.ok(w.alice, buy(&w, "1", PayMode::Escrow));
        w.status(w.carol, AccountStatus::Frozen);
        w.status(w.dave, AccountStatus::Closed);
        let receipt = w.ok(w.alice, confirm(w.p, "1"));
        let stand_in = w.suspense.unwrap_or(w.fees);
        assert_eq!((w.held(w.carol), w.available(stand_in)), (500, 500));
        let rerouted = Event::Rerouted { from: w.dave, to: stand_in, asset: cny(), amount: fen(500) };
        assert!(receipt.events.contains(&rerouted));
        assert_eq!(w.order(w.p, "1").legs[1].account, stand_in);
        // a refund takes from who was paid, leaves frozen money alone, and lets the seller stand in for it
        w.deposit(w.p, 500);
        w.ok(w.p, refund(w.p, "1", "r", 1000));
        assert_eq!((w.held(w.carol), w.available(stand_in), w.available(w.p)), (500, 0, 0));
        assert_eq!((w.owed(w.carol), w.available(w.alice)), (500, 10_000));
    }
}

#[test]
fn refunds() {
    let mut base = shop();
    base.ok(base.alice, buy(&base, "s", PayMode::Instant));
    base.ok(base.alice, buy(&base, "e", PayMode::Escrow));
    base.ok(base.p, refund(base.p, "e", "old", 400));
    check(
        &base,
        &[
            ("no order", |w| w.run(w.p, refund(w.p, "none", "r", 1)), (503, "order")),
            ("by the payer", |w| w.run(w.alice, refund(w.p, "s", "r", 1)), (106, "sender")),
            ("by a third platform", |w| w.run(w.risk, refund(w.p, "s", "r", 1)), (106, "sender")),
            ("by the host", |w| w.run(w.q, refund(w.p, "s", "r", 1)), APPLIED),
            ("nothing", |w| w.run(w.p, refund(w.p, "s", "r", 0)), (201, "amount")),
            ("too much", |w| w.run(w.p, refund(w.p, "s", "r", 1001)), (505, "amount")),
            ("too much of the rest", |w| w.run(w.p, refund(w.p, "e", "r", 601)), (505, "amount")),
            ("the rest", |w| w.run(w.p, refund(w.p, "e", "r", 600)), APPLIED),
            ("replay", |w| w.run(w.p, refund(w.p, "e", "old", 400)), REPLAYED),
            ("conflict", |w| w.run(w.q, refund(w.p, "e", "old", 401)), (502, "sender amount")),
            (
                "unfunded",
                |w| {
                    w.ok(w.carol, transfer(w.dave, 700));
                    w.ok(w.p, transfer(w.dave, 10_000));
                    w.run(w.q, refund(w.p, "s", "r", 1000))
                },
                (302, "leg"),
            ),
            (
                "the seller may not pay",
                |w| {
                    w.ok(w.carol, transfer(w.dave, 700));
                    w.status(w.p, AccountStatus::DebitFrozen);
                    w.run(w.q, refund(w.p, "s", "r", 1000))
                },
                (302, "leg"),
            ),
            (
                "whole already",
                |w| {
                    w.ok(w.p, refund(w.p, "s", "r", 1000));
                    w.run(w.p, refund(w.p, "s", "r2", 1))
                },
                (504, "order"),
            ),
        ],
    );
    let mut w = base;
    // what is left of a part-refunded escrow is released by its deadline and stays refundable
    assert_eq!((w.state(w.p, "e"), w.order(w.p, "e").pot), (OrderState::PartRefunded, fen(600)));
    w.wait(5000);
    assert_eq!((w.state(w.p, "e"), w.order(w.p, "e").pot), (OrderState::PartRefunded, fen(0)));
    assert_eq!(w.available(w.carol), 700 + 420);
    let (_, entitlement) = read::entitlement(&w.ledger, &key(w.p, "e")).unwrap();
    assert_eq!(entitlement.status, read::EntitlementStatus::Active);
    let receipt = w.ok(w.p, refund(w.p, "e", "rest", 600));
    assert!(receipt.events.contains(&Event::EntitlementRevoked { entitlement: read::entitlement_id(&key(w.p, "e")) }));
    assert_eq!((w.state(w.p, "e"), w.available(w.alice)), (OrderState::Refunded, 99_000));
    let listed = read::entitlements(&w.ledger, w.alice, w.q, &label("book"), None, 10);
    assert_eq!(listed.len(), 2);
    assert_eq!(read::refunds(&w.ledger, &key(w.p, "e"), 10).len(), 2);
}

#[test]
fn refund_policies() {
    let mut w = shop();
    let legs = vec![
        PlanLeg { refund: RefundPolicy::BorneBy(w.q), ..leg(Payee::Creator, 500_000) },
        PlanLeg { refund: RefundPolicy::NonRefundable, ..leg(Payee::Origin, 200_000) },
        leg(Payee::Account(w.dave), 300_000),
    ];
    w.offer(w.q, "mixed", legs, None);
    w.deposit(w.q, 1000);
    let order = |w: &World, id: &str, mode| Action::Pay(Pay { mode, ..pay(w.p, id, w.q, "mixed", 1000) });
    w.ok(w.alice, order(&w, "s", PayMode::Instant));
    assert_eq!(w.no(w.p, refund(w.p, "s", "r", 801)), (505, "amount".into()));
    w.ok(w.p, refund(w.p, "s", "r", 800));
    assert_eq!([w.carol, w.q, w.dave].map(|a| w.available(a)), [500, 500, 0]);
    assert_eq!((w.state(w.p, "s"), w.available(w.alice)), (OrderState::Refunded, 99_800));
    // while the order holds the money, the money it holds is given back, and the rest is due at once
    w.ok(w.alice, order(&w, "e", PayMode::Escrow));
    w.ok(w.p, refund(w.p, "e", "r", 800));
    assert_eq!([w.carol, w.q, w.dave].map(|a| w.available(a)), [500, 500, 0]);
    assert_eq!((w.available(w.p), w.available(w.alice)), (10_400, 99_600));
    assert_eq!((w.state(w.p, "e"), w.order(w.p, "e").due), (OrderState::Refunded, None));
}

#[test]
fn a_refund_takes_collateral_that_no_position_needs() {
    let mut w = shop();
    w.ok(w.alice, Action::Pay(Pay { ..pay(w.p, "s", w.q, "book", 10_000) })); // host's leg: 2000
    w.ok(w.q, lock(2000));
    let order = Pay { mode: PayMode::Window, ..pay(w.q, "w", w.p, "own", 1000) }; // q owes all but its origin leg
    let receipt = w.by(w.dave, &[w.dave, w.q], Action::Pay(order));
    assert!(receipt.applied(), "{receipt:?}");
    assert_eq!(read::position(&w.ledger, w.q, cny()), 920);
    w.ok(w.p, refund(w.p, "s", "r", 10_000));
    assert_eq!((w.available(w.q), w.collateral(w.q), w.owed(w.q)), (0, 920, 920));
    w.ok(w.q, close_window(1));
    w.ok(w.p, settle_window(1));
    assert_eq!((w.collateral(w.q), w.available(w.carol)), (0, 700));
}

#[test]
fn receivables_are_paid_oldest_first() {
    let mut w = World::new();
    w.deposit(w.alice, 3000);
    w.deposit(w.dave, 1000);
    for host in [w.p, w.q] {
        w.offer(host, "x", vec![leg(Payee::Creator, 1_000_000)], None);
    }
    w.ok(w.alice, Action::Pay(pay(w.p, "1", w.q, "x", 1000)));
    w.ok(w.dave, Action::Pay(pay(w.q, "2", w.q, "x", 1000)));
    w.ok(w.alice, Action::Pay(pay(w.p, "3", w.q, "x", 1000)));
    w.ok(w.carol, transfer(w.bob, 3000));
    w.deposit(w.p, 2000);
    w.deposit(w.q, 1000);
    w.ok(w.p, refund(w.p, "1", "r", 600));
    w.ok(w.p, refund(w.p, "1", "r2", 400));
    w.ok(w.q, refund(w.q, "2", "r", 1000));
    w.ok(w.p, refund(w.p, "3", "r", 1000));
    let queue = |w: &World| -> Vec<(AccountId, u64)> {
        let queue = read::receivables(&w.ledger, w.carol, cny());
        queue.into_iter().map(|r| (r.creditor, r.amount.units())).collect()
    };
    assert_eq!(queue(&w), [(w.p, 1000), (w.q, 1000), (w.p, 1000)]);
    // any credit pays; a frozen debtor's too
    w.status(w.carol, AccountStatus::Frozen);
    w.deposit(w.carol, 1500);
    assert_eq!(queue(&w), [(w.q, 500), (w.p, 1000)]);
    assert_eq!((w.available(w.p), w.available(w.q), w.held(w.carol)), (1000, 500, 0));
    w.ok(w.bob, transfer(w.carol, 2000));
    assert_eq!((w.available(w.p), w.available(w.q), w.held(w.carol), w.owed(w.carol)), (2000, 1000, 500, 0));
}

#[test]
fn the_list_of_receivables_is_bounded() {
    let mut w = World::new();
    for host in [w.p, w.q] {
        w.offer(host, "x", vec![leg(Payee::Creator, 1_000_000)], None);
        w.deposit(host, 1000);
    }
    w.deposit(w.alice, 1000);
    w.deposit(w.dave, 1000);
    let orders = (0..40u32).map(|i| (i.to_string(), if i % 2 == 0 { (w.alice, w.p) } else { (w.dave, w.q) }));
    let orders: Vec<_> = orders.collect();
    for (id, (payer, origin)) in &orders {
        w.ok(*payer, Action::Pay(pay(*origin, id, w.q, "x", 10)));
    }
    w.ok(w.carol, transfer(w.bob, 400));
    for (id, (_, origin)) in &orders {
        w.ok(*origin, refund(*origin, id, "r", 10));
    }
    assert_eq!(read::receivables(&w.ledger, w.carol, cny()).len(), vostro_settlement::MAX_RECEIVABLES);
    assert_eq!(w.owed(w.carol), 400);
    w.deposit(w.carol, 401);
    assert_eq!((w.available(w.carol), w.available(w.p), w.available(w.q)), (1, 1000, 1000));
}

fn windowed(w: &mut World, id: &str, units: u64) -> Receipt {
    let order = Pay { mode: PayMode::Window, ..pay(w.p, id, w.q, "book", units) };
    w.by(w.alice, &[w.alice, w.p], Action::Pay(order))
}

#[test]
fn windows() {
    let mut base = shop();
    base.ok(base.p, lock(5000));
    assert!(windowed(&mut base, "1", 1000).applied());
    check(
        &base,
        &[
            ("lock by a user", |w| w.run(w.alice, lock(1)), (106, "sender")),
            ("lock nothing", |w| w.run(w.p, lock(0)), (201, "amount")),
            ("lock too much", |w| w.run(w.p, lock(5001)), (301, "sender")),
            ("lock the rest", |w| w.run(w.p, lock(5000)), APPLIED),
            ("close by a user", |w| w.run(w.alice, close_window(1)), (106, "sender")),
            ("close by a bystander", |w| w.run(w.risk, close_window(1)), (106, "window")),
            ("close by a creditor", |w| w.run(w.q, close_window(1)), APPLIED),
            ("close the next", |w| w.run(w.p, close_window(2)), (902, "window")),
            ("settle what is open", |w| w.run(w.p, settle_window(1)), (504, "window")),
            ("settle the next", |w| w.run(w.p, settle_window(2)), (902, "window")),
            ("refund what is cleared", |w| w.run(w.p, refund(w.p, "1", "r", 1)), (504, "order")),
            ("close with a position", |w| w.run(w.risk, set_status(w.carol, AccountStatus::Closed)), (504, "window")),
            (
                "close twice",
                |w| {
                    w.ok(w.p, close_window(1));
                    w.run(w.p, close_window(1))
                },
                (901, "window"),
            ),
            (
                "close an empty one",
                |w| {
                    w.ok(w.p, close_window(1));
                    w.run(w.p, close_window(2))
                },
                (106, "window"),
            ),
            (
                "settle by a bystander",
                |w| {
                    w.ok(w.p, close_window(1));
                    w.run(w.risk, settle_window(1))
                },
                APPLIED,
            ),
            (
                "settle by a user",
                |w| {
                    w.ok(w.p, close_window(1));
                    w.run(w.carol, settle_window(1))
                },
                (106, "sender"),
            ),
            (
                "settle twice",
                |w| {
                    w.ok(w.p, close_window(1));
                    w.ok(w.q, settle_window(1));
                    w.run(w.p, settle_window(1))
                },
                (504, "window"),
            ),
            (
                "first in, first out",
                |w| {
                    w.ok(w.p, close_window(1));
                    assert!(windowed(w, "2", 100).applied());
                    w.ok(w.p, close_window(2));
                    w.run(w.p, settle_window(2))
                },
                (902, "window"),
            ),
        ],
    );
    let mut w = base;
    assert_eq!((w.state(w.p, "1"), w.available(w.alice)), (OrderState::Cleared, 100_000));
    w.ok(w.p, close_window(1));
    w.ok(w.p, transfer(w.bob, 4900));
    w.ok(w.q, settle_window(1));
    assert_eq!(w.state(w.p, "1"), OrderState::Settled);
    assert_eq!([w.carol, w.q, w.fees].map(|a| w.available(a)), [700, 200, 20]);
    assert_eq!((w.available(w.p), w.collateral(w.p)), (0, 4180)); // 920: 100 available, then collateral
    // a refund goes back to the origin, which collected the money off the ledger; its own leg moves nothing
    w.ok(w.q, refund(w.p, "1", "r", 500));
    assert_eq!([w.carol, w.q, w.fees, w.p, w.alice].map(|a| w.available(a)), [350, 100, 10, 460, 100_000]);
    assert_eq!(w.state(w.p, "1"), OrderState::PartRefunded);
    w.ok(w.q, refund(w.p, "1", "r2", 500));
    assert_eq!((w.available(w.p), w.state(w.p, "1")), (920, OrderState::Refunded));
}

#[test]
fn a_window_closes_itself_and_an_order_to_oneself_is_settled() {
    let mut w = World::with(|p| p.window_ms = 1000, false);
    w.deposit(w.p, 10_000);
    w.ok(w.p, lock(5000));
    w.offer(w.p, "self", vec![leg(Payee::Origin, 1_000_000)], None);
    w.offer(w.q, "book", seventy(), None);
    let order = Pay { mode: PayMode::Window, ..pay(w.p, "0", w.p, "self", 1000) };
    assert!(w.by(w.alice, &[w.alice, w.p], Action::Pay(order)).applied());
    assert_eq!((w.state(w.p, "0"), read::window(&w.ledger, cny(), 1)), (OrderState::Settled, None));
    w.ok(w.p, refund(w.p, "0", "r", 1000));
    assert_eq!(w.available(w.p), 5000);
    assert!(windowed(&mut w, "1", 1000).applied());
    assert!(w.wait(500).is_empty());
    let receipts = w.wait(500);
    assert_eq!(receipts[0].cause, Cause::WindowDeadline { asset: cny(), window: 1 });
    assert_eq!(receipts[0].events, [Event::WindowClosed { asset: cny(), window: 1, obligations: 3 }]);
    assert!(windowed(&mut w, "2", 1000).applied());
    assert_eq!(w.order(w.p, "2").window, Some(2));
    // seventeen windows wait: the last one stays open
    for i in 3..20u32 {
        w.wait(1000);
        windowed(&mut w, &i.to_string(), 10);
    }
    w.wait(1000);
    let netting = read::netting(&w.ledger, cny());
    assert_eq!((netting.open, netting.settled), (17, 0));
    assert_eq!(w.no(w.p, close_window(17)), (902, "window".into()));
    w.ok(w.p, settle_window(1));
    w.wait(1000);
    assert_eq!(read::netting(&w.ledger, cny()).open, 18);
}

#[test]
fn a_full_window_gives_way_to_the_next() {
    use vostro_settlement::{Ledger, apply, netting::MAX_PARTICIPANTS, tables::WINDOWS};
    let mut w = shop();
    w.ok(w.p, lock(5000));
    assert!(windowed(&mut w, "1", 1000).applied());
    for (participants, window) in [(MAX_PARTICIPANTS, 1), (MAX_PARTICIPANTS - 3, 2)] {
        let mut w = w.clone();
        let crowded = read::Window { participants, ..read::window(&w.ledger, cny(), 1).unwrap() };
        w.ledger.put(WINDOWS.key(&(cny(), 1)), codec::encode(&(1u8, crowded)));
        // p, q and the network are in already; with dave's plan four more come
        let legs: Vec<PlanLeg> = [w.dave, w.alice, w.bob, w.tax].map(|a| leg(Payee::Account(a), 250_000)).into();
        w.ok_unchecked(w.q, plan("crowd", 1, legs));
        w.ok_unchecked(w.q, Action::RegisterItem(item("crowd", 1, w.carol)));
        let name = if window == 1 { "book" } else { "crowd" };
        let order = Pay { mode: PayMode::Window, ..pay(w.p, "2", w.q, name, 1000) };
        let body = w.body(w.alice, Payload::One(Action::Pay(order)));
        let tx = w.sign(body, &[w.alice, w.p]);
        let receipt = apply(&w.context(), &tx, &mut w.ledger);
        assert!(receipt.applied(), "{receipt:?}");
        assert_eq!(w.order(w.p, "2").window, Some(window));
        assert_eq!(read::netting(&w.ledger, cny()).open, window);
        let closed = Event::WindowClosed { asset: cny(), window: 1, obligations: 3 };
        assert_eq!(receipt.events.contains(&closed), window == 2);
    }
}

#[test]
fn claims_of_older_windows_do_not_stretch_cap_or_cover() {
    let mut w = World::with(|p| p.debit_cap = fen(500), false);
    for host in [w.p, w.q] {
        w.offer(host, "x", vec![leg(Payee::Host, 1_000_000)], None);
        w.deposit(host, 1000);
        w.ok(host, lock(500));
    }
    let owe = |w: &mut World, id: &str, from: AccountId, to: AccountId, units| {
        let order = Pay { mode: PayMode::Window, ..pay(from, id, to, "x", units) };
        refusal(&w.by(w.alice, &[w.alice, from], Action::Pay(order))).0
    };
    let (p, q) = (w.p, w.q);
    assert_eq!(owe(&mut w, "1", q, p, 300), 0);
    w.ok(w.p, close_window(1));
    // p is owed 300 by window 1, which settles first: its position of -300 may rise to 200 only
    assert_eq!(owe(&mut w, "2", p, q, 501), 304);
    assert_eq!(owe(&mut w, "3", p, q, 500), 0);
    assert_eq!(read::position(&w.ledger, p, cny()), 200);
    w.ok(w.p, close_window(2));
    w.ok(w.p, settle_window(1));
    assert_eq!(read::position(&w.ledger, p, cny()), 500);
    w.ok(w.q, settle_window(2));
    assert_eq!(read::position(&w.ledger, p, cny()), 0);
}

#[test]
fn a_settlement_tops_up_cover_before_it_pays_out() {
    let mut w = World::new();
    for host in [w.p, w.q] {
        w.offer(host, "x", vec![leg(Payee::Host, 1_000_000)], None);
        w.deposit(host, 1000);
    }
    w.ok(w.p, lock(450));
    w.ok(w.q, lock(1000));
    let owe = |w: &mut World, id: &str, from: AccountId, to: AccountId, units| {
        let order = Pay { mode: PayMode::Window, ..pay(from, id, to, "x", units) };
        assert!(w.by(w.alice, &[w.alice, from], Action::Pay(order)).applied());
    };
    let (p, q) = (w.p, w.q);
    for (window, (from, to, units)) in [(1, (p, q, 300)), (2, (q, p, 200)), (3, (p, q, 350))] {
        owe(&mut w, &window.to_string(), from, to, units);
        w.ok(p, close_window(window));
    }
    w.ok(p, transfer(w.bob, 550)); // nothing available is left
    w.ok(p, settle_window(1));
    assert_eq!((w.available(p), w.collateral(p)), (0, 150));
    w.ok(p, settle_window(2));
    assert_eq!((w.available(p), w.collateral(p)), (0, 350));
    w.ok(p, settle_window(3));
    assert_eq!((w.available(p), w.collateral(p)), (0, 0));
}

#[test]
fn batches_are_all_or_nothing() {
    let mut w = shop();
    let receipt = w.batch(w.alice, vec![transfer(w.bob, 60_000), transfer(w.bob, 60_000)]);
    assert_eq!(refusal(&receipt), (301, "sender actions[1]".into()));
    assert_eq!(w.available(w.alice), 100_000);
    let first = buy(&w, "1", PayMode::Escrow);
    let receipt = w.batch(w.alice, vec![first.clone(), confirm(w.p, "1"), transfer(w.carol, 5)]);
    assert!(receipt.applied(), "{receipt:?}");
    assert_eq!((w.state(w.p, "1"), w.available(w.carol)), (OrderState::Settled, 705));
    // a replay inside a batch does nothing; a batch of replays is one
    let Cause::Transaction(original) = receipt.cause else { panic!() };
    let again = w.batch(w.alice, vec![first.clone(), transfer(w.bob, 1)]);
    assert_eq!((again.applied(), again.postings.len()), (true, 2));
    assert_eq!(w.batch(w.alice, vec![first]).outcome, Outcome::Replayed { original });
    // later actions see what earlier ones did
    let receipt = w.batch(w.risk, vec![set_status(w.dave, AccountStatus::Closed), transfer(w.dave, 1)]);
    assert_eq!(refusal(&receipt), (404, "to actions[1]".into()));
}

#[test]
fn a_failed_action_does_not_use_up_its_business_key() {
    let mut w = shop();
    let order = |w: &World, units| Action::Pay(pay(w.p, "1", w.q, "book", units));
    assert_eq!(w.no(w.alice, order(&w, 100_001)).0, 301);
    w.ok(w.alice, order(&w, 100));
    assert_eq!(w.no(w.alice, order(&w, 100_001)), (502, "price expected_total".into()));
    assert_eq!(w.no(w.carol, withdraw("w", w.gw, 71)).0, 301);
    w.ok(w.carol, withdraw("w", w.gw, 70));
}

#[test]
fn an_entitlement_says_what_was_bought() {
    let mut w = shop();
    let terms = Terms { duration_ms: Some(1000), units: Some(3), scope: label("watch") };
    let offer = RegisterItem { plan: label("book"), terms, ..item("film", 1, w.carol) };
    w.ok(w.q, Action::RegisterItem(offer));
    w.ok(w.alice, Action::Pay(pay(w.p, "1", w.q, "film", 100)));
    let (state_key, got) = read::entitlement(&w.ledger, &key(w.p, "1")).unwrap();
    assert_eq!((got.from, got.until), (Time(w.time), Some(Time(w.time + 1000))));
    assert_eq!((got.units, got.scope, got.order), (Some(3), label("watch"), key(w.p, "1")));
    assert!(vostro_settlement::Reader::get(&w.ledger, &state_key).is_some());
}
