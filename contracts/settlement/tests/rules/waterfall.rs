//! Refunds: what they ask for, and who pays for them.

use crate::common::store::buy;
use crate::common::*;
use vostro_settlement::read;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

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
