//! Disputes: opened by the payer, ended by arbiters or by their time.

use crate::common::store::{buy, moved, reserve, shop};
use crate::common::*;
use vostro_settlement::read;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

#[test]
fn disputes_are_opened() {
    let mut base = shop();
    for (id, mode) in [("i", PayMode::Instant), ("e", PayMode::Escrow), ("m", PayMode::Maturing(9))] {
        base.ok(base.alice, buy(&base, id, mode));
    }
    base.ok(base.alice, reserve(&base, "h"));
    check(
        &base,
        &[
            ("no order", |w| w.run(w.alice, dispute(w.p, "none")), (503, "order")),
            ("by another", |w| w.run(w.bob, dispute(w.p, "i")), (106, "sender")),
            ("by the origin", |w| w.run(w.p, dispute(w.p, "i")), (106, "sender")),
            ("of a settled order", |w| w.run(w.alice, dispute(w.p, "i")), APPLIED),
            ("of an escrow", |w| w.run(w.alice, dispute(w.p, "e")), APPLIED),
            ("of a maturing order", |w| w.run(w.alice, dispute(w.p, "m")), APPLIED),
            ("of a hold", |w| w.run(w.alice, dispute(w.p, "h")), (504, "order")),
            (
                "of a partly refunded order",
                |w| {
                    w.ok(w.p, refund(w.p, "e", "r", 1));
                    w.run(w.alice, dispute(w.p, "e"))
                },
                (504, "order"),
            ),
            (
                "just in time",
                |w| {
                    w.time = w.order(w.p, "i").placed.plus(20_000).0 - 1;
                    w.run(w.alice, dispute(w.p, "i"))
                },
                APPLIED,
            ),
            (
                "too late",
                |w| {
                    w.time = w.order(w.p, "i").placed.plus(20_000).0;
                    w.run(w.alice, dispute(w.p, "i"))
                },
                (507, "order"),
            ),
            (
                "a hold in time after its capture",
                |w| {
                    w.time += 4000;
                    w.ok(w.p, capture(w.p, "h", 600));
                    w.time += 20_000 - 1;
                    w.run(w.alice, dispute(w.p, "h"))
                },
                APPLIED,
            ),
            (
                "a hold too late after its capture",
                |w| {
                    w.time += 4000;
                    w.ok(w.p, capture(w.p, "h", 600));
                    w.time += 20_000;
                    w.run(w.alice, dispute(w.p, "h"))
                },
                (507, "order"),
            ),
            (
                "again",
                |w| {
                    w.ok(w.alice, dispute(w.p, "i"));
                    w.run(w.alice, dispute(w.p, "i"))
                },
                REPLAYED,
            ),
            (
                "again when it is over",
                |w| {
                    w.ok(w.alice, dispute(w.p, "i"));
                    w.ok(w.arbiter, resolve(w.p, "i", 0));
                    w.run(w.alice, dispute(w.p, "i"))
                },
                REPLAYED,
            ),
            (
                "again for another reason",
                |w| {
                    w.ok(w.alice, dispute(w.p, "i"));
                    let order = key(w.p, "i");
                    let (reason, evidence) = (label("late"), Hash::ZERO);
                    w.run(w.alice, Action::OpenDispute(OpenDispute { order, reason, evidence }))
                },
                (502, "reason evidence"),
            ),
            (
                "refund meanwhile",
                |w| {
                    w.ok(w.alice, dispute(w.p, "i"));
                    w.run(w.p, refund(w.p, "i", "r", 1))
                },
                (504, "order"),
            ),
            (
                "confirm meanwhile",
                |w| {
                    w.ok(w.alice, dispute(w.p, "e"));
                    w.run(w.alice, confirm(w.p, "e"))
                },
                (504, "order"),
            ),
        ],
    );
    let mut w = base;
    let receipt = w.ok(w.alice, dispute(w.p, "e"));
    let (reason, evidence) = (label("broken"), Hash([7; 32]));
    let opened = Event::DisputeOpened { order: key(w.p, "e"), reason, evidence };
    assert_eq!(receipt.events, [opened, moved(&w, "e", OrderState::Escrowed, OrderState::Disputed)]);
    assert!(receipt.postings.is_empty());
    let order = w.order(w.p, "e");
    assert_eq!((order.pot, order.due), (fen(1000), Some(Time(w.time + 20_000))));
    // the escrow's own deadline is gone
    w.wait(6000);
    assert_eq!(w.state(w.p, "e"), OrderState::Disputed);
}

#[test]
fn disputes_are_resolved() {
    let mut base = shop();
    for (id, mode) in [("i", PayMode::Instant), ("e", PayMode::Escrow)] {
        base.ok(base.alice, buy(&base, id, mode));
        base.ok(base.alice, dispute(base.p, id));
    }
    base.ok(base.alice, buy(&base, "s", PayMode::Instant));
    check(
        &base,
        &[
            ("no order", |w| w.run(w.arbiter, resolve(w.p, "none", 0)), (503, "order")),
            ("by the origin", |w| w.run(w.p, resolve(w.p, "i", 0)), (106, "sender")),
            ("by the payer", |w| w.run(w.alice, resolve(w.p, "i", 0)), (106, "sender")),
            ("by another role", |w| w.run(w.risk, resolve(w.p, "i", 0)), (106, "sender")),
            ("what nobody disputes", |w| w.run(w.arbiter, resolve(w.p, "s", 0)), (504, "order")),
            ("nothing back", |w| w.run(w.arbiter, resolve(w.p, "i", 0)), APPLIED),
            ("all back", |w| w.run(w.arbiter, resolve(w.p, "i", 1_000_000)), APPLIED),
            (
                "again",
                |w| {
                    w.ok(w.arbiter, resolve(w.p, "i", 400_000));
                    w.run(w.arbiter, resolve(w.p, "i", 400_000))
                },
                REPLAYED,
            ),
            (
                "again after a refund of the rest",
                |w| {
                    w.ok(w.arbiter, resolve(w.p, "i", 400_000));
                    w.ok(w.p, refund(w.p, "i", "r", 600));
                    w.run(w.arbiter, resolve(w.p, "i", 400_000))
                },
                REPLAYED,
            ),
            (
                "another share",
                |w| {
                    w.ok(w.arbiter, resolve(w.p, "i", 400_000));
                    w.run(w.arbiter, resolve(w.p, "i", 400_001))
                },
                (502, "refund"),
            ),
            (
                "after it lapsed",
                |w| {
                    w.wait(20_000);
                    w.run(w.arbiter, resolve(w.p, "i", 400_000))
                },
                (504, "order"),
            ),
            (
                "unfunded",
                |w| {
                    w.ok(w.carol, transfer(w.dave, 1400));
                    w.ok(w.p, transfer(w.dave, w.available(w.p)));
                    w.run(w.arbiter, resolve(w.p, "i", 1_000_000))
                },
                (302, "leg"),
            ),
            (
                "the origin may not pay",
                |w| {
                    w.ok(w.carol, transfer(w.dave, 1400));
                    w.status(w.p, AccountStatus::Frozen);
                    w.run(w.arbiter, resolve(w.p, "i", 1_000_000))
                },
                (302, "leg"),
            ),
            (
                "the origin stands in without its keys",
                |w| {
                    w.ok(w.carol, transfer(w.dave, 1400));
                    let receipt = w.run(w.arbiter, resolve(w.p, "i", 1_000_000));
                    assert_eq!(w.owed(w.carol), 700);
                    receipt
                },
                APPLIED,
            ),
        ],
    );
    // half a unit is rounded up; what is left is the payees'
    let mut w = base.clone();
    let receipt = w.ok(w.arbiter, resolve(w.p, "e", 500_500));
    let resolved = Event::DisputeResolved { order: key(w.p, "e"), by: Some(w.arbiter), refunded: fen(501) };
    assert_eq!(receipt.events, [resolved, moved(&w, "e", OrderState::Disputed, OrderState::PartRefunded)]);
    let order = w.order(w.p, "e");
    assert_eq!((order.pot, order.due, order.refunds), (fen(0), None, 0));
    assert_eq!((w.available(w.alice), w.available(w.carol)), (97_000 + 501, 1400 + 349));
    w.ok(w.p, refund(w.p, "e", "r", 499));
    assert_eq!(w.state(w.p, "e"), OrderState::Refunded);
    // all back: access ends
    let receipt = w.ok(w.arbiter, resolve(w.p, "i", 1_000_000));
    let entitlement = read::entitlement_id(&key(w.p, "i"));
    assert!(receipt.events.contains(&Event::EntitlementRevoked { entitlement }));
    assert_eq!((w.state(w.p, "i"), w.available(w.alice)), (OrderState::Refunded, 99_000));
    // nobody resolves them: nothing goes back, and the payees get what waits
    let mut w = base;
    let before = w.available(w.carol);
    let receipts = w.wait(20_000);
    let lapsed = Event::DisputeResolved { order: key(w.p, "e"), by: None, refunded: Amount::ZERO };
    assert_eq!(receipts[1].events, [lapsed, moved(&w, "e", OrderState::Disputed, OrderState::Settled)]);
    assert!(receipts[0].postings.is_empty());
    assert_eq!((w.state(w.p, "i"), w.state(w.p, "e")), (OrderState::Settled, OrderState::Settled));
    assert_eq!(w.available(w.carol), before + 700);
    let end = read::dispute(&w.ledger, &key(w.p, "e")).unwrap().end.unwrap();
    assert_eq!((end.by, end.refund), (None, Ppm::ZERO));
    w.ok(w.p, refund(w.p, "e", "r", 1000));
}

/// The arbiter is the payer, the origin, the host, a payee, a bearer of refunds, or funds the order.
#[test]
fn a_party_does_not_resolve_its_own_dispute() {
    let mut w = shop();
    let arbiter = w.arbiter;
    w.deposit(arbiter, 10_000);
    let to_arbiter = vec![leg(Payee::Account(arbiter), 1_000_000)];
    w.offer(w.q, "paid", to_arbiter, None);
    let borne = vec![PlanLeg { refund: RefundPolicy::BorneBy(arbiter), ..leg(Payee::Creator, 1_000_000) }];
    assert!(w.by(w.q, &[w.q, arbiter], plan("borne", 1, borne)).applied());
    w.ok(w.q, Action::RegisterItem(item("borne", 1, w.carol)));
    w.offer(arbiter, "own", seventy(), None);
    let cases = [
        (arbiter, pay(w.p, "payer", w.q, "book", 100)),
        (w.alice, pay(arbiter, "origin", w.q, "book", 100)),
        (w.alice, pay(w.p, "host", arbiter, "own", 100)),
        (w.alice, pay(w.p, "payee", w.q, "paid", 100)),
        (w.alice, pay(w.p, "bearer", w.q, "borne", 100)),
    ];
    for (payer, pay) in cases {
        let order = key(pay.origin, pay.order_id.as_str());
        w.ok(payer, Action::Pay(pay));
        w.ok(payer, dispute(order.platform, order.order_id.as_str()));
        let resolved = w.no(arbiter, resolve(order.platform, order.order_id.as_str(), 0));
        assert_eq!(resolved, (106, "order".into()), "{}", order.order_id);
    }
    // their disputes end by themselves
    w.wait(20_000);
    assert_eq!(w.state(w.p, "payee"), OrderState::Settled);
}

#[test]
fn a_window_order_is_disputed_when_its_window_is_settled() {
    let mut w = shop();
    w.ok(w.p, lock(5000));
    for id in ["a", "b"] {
        w.ok(w.alice, buy(&w, id, PayMode::Window));
    }
    assert_eq!(w.no(w.alice, dispute(w.p, "a")), (504, "order".into()));
    w.ok(w.p, close_window(1));
    w.ok(w.q, settle_window(1));
    for id in ["a", "b"] {
        let receipt = w.ok(w.alice, dispute(w.p, id));
        assert!(receipt.events.contains(&moved(&w, id, OrderState::Settled, OrderState::Disputed)));
    }
    // carol has nothing left: the origin owns a receivable, and its own leg moves nothing
    w.ok(w.carol, transfer(w.bob, 1400));
    let before = w.available(w.p);
    w.ok(w.arbiter, resolve(w.p, "a", 500_000));
    assert_eq!((w.state(w.p, "a"), w.owed(w.carol)), (OrderState::PartRefunded, 350));
    assert_eq!(w.available(w.p), before + 100 + 10);
    w.wait(20_000);
    assert_eq!(w.state(w.p, "b"), OrderState::Settled);
}
