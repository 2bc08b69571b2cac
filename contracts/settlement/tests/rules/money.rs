//! Money comes in, goes out and moves on.

use crate::common::*;
use vostro_settlement::read;
use vostro_types::transaction::*;
use vostro_types::*;

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

/// A gateway that may not act answers nothing; then the risk desk, which saw to that, answers in its place.
#[test]
fn what_a_dead_gateway_was_to_pay_out_is_not_stuck() {
    let mut base = shop();
    base.ok(base.alice, withdraw("w", base.gw, 300));
    base.ok(base.bob, withdraw("w", base.gw, 200));
    base.ok(base.bob, withdraw("w2", base.gw, 100));
    base.ok(base.gw, result(base.bob, "w2", true, "paid"));
    assert_eq!(base.no(base.risk, result(base.alice, "w", false, "dead")), (106, "sender".into()));
    for status in [AccountStatus::DebitFrozen, AccountStatus::Frozen, AccountStatus::Closed] {
        let mut w = base.clone();
        w.status(w.gw, status);
        check(
            &w,
            &[
                ("by the risk desk", |w| w.run(w.risk, result(w.alice, "w", false, "dead")), APPLIED),
                ("by the owner", |w| w.run(w.alice, result(w.alice, "w", false, "dead")), (106, "sender")),
                ("by another gateway", |w| w.run(w.gw2, result(w.alice, "w", false, "dead")), (106, "sender")),
                ("by a platform", |w| w.run(w.p, result(w.alice, "w", false, "dead")), (106, "sender")),
                ("a used reference", |w| w.run(w.risk, result(w.alice, "w", true, "paid")), (701, "payout_ref")),
                ("what is answered", |w| w.run(w.risk, result(w.bob, "w2", false, "x")), (502, "ok payout_ref")),
            ],
        );
        w.ok(w.risk, result(w.alice, "w", false, "dead"));
        w.ok(w.risk, result(w.bob, "w", true, "bank says paid"));
        assert_eq!((w.available(w.alice), w.available(w.bob)), (100_000, 99_700));
        let mirror = read::gateway_custody(&w.ledger, w.gw, cny());
        assert_eq!((mirror.deposited, mirror.withdrawn), (210_000, 300));
        assert_eq!(read::custody(&w.ledger, cny()), mirror);
    }
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
