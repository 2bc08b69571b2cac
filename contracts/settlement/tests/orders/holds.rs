//! Holds: captured whole or in part, voided, returned when their time is up.

use crate::common::store::{buy, moved, reserve, shop};
use crate::common::*;
use vostro_settlement::read;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

#[test]
fn holds_are_captured() {
    let mut base = shop();
    base.ok(base.alice, reserve(&base, "h"));
    assert_eq!((base.state(base.p, "h"), base.available(base.alice)), (OrderState::Held, 99_000));
    assert!(read::entitlement(&base.ledger, &key(base.p, "h")).is_none());
    check(
        &base,
        &[
            ("no order", |w| w.run(w.p, capture(w.p, "none", 1)), (503, "order")),
            ("by the host", |w| w.run(w.q, capture(w.p, "h", 1)), (106, "sender")),
            ("by the payer", |w| w.run(w.alice, capture(w.p, "h", 1)), (106, "sender")),
            ("nothing", |w| w.run(w.p, capture(w.p, "h", 0)), (201, "amount")),
            ("more than reserved", |w| w.run(w.p, capture(w.p, "h", 1001)), (506, "amount")),
            ("all", |w| w.run(w.p, capture(w.p, "h", 1000)), APPLIED),
            ("part", |w| w.run(w.p, capture(w.p, "h", 1)), APPLIED),
            (
                "again",
                |w| {
                    w.ok(w.p, capture(w.p, "h", 600));
                    w.run(w.p, capture(w.p, "h", 600))
                },
                REPLAYED,
            ),
            (
                "again after a refund",
                |w| {
                    w.ok(w.p, capture(w.p, "h", 600));
                    w.ok(w.p, refund(w.p, "h", "r", 600));
                    w.run(w.p, capture(w.p, "h", 600))
                },
                REPLAYED,
            ),
            (
                "again with another amount",
                |w| {
                    w.ok(w.p, capture(w.p, "h", 600));
                    w.run(w.p, capture(w.p, "h", 400))
                },
                (502, "amount"),
            ),
            (
                "what was voided",
                |w| {
                    w.ok(w.p, void(w.p, "h"));
                    w.run(w.p, capture(w.p, "h", 600))
                },
                (504, "order"),
            ),
            (
                "too late",
                |w| {
                    w.wait(5000);
                    w.run(w.p, capture(w.p, "h", 600))
                },
                (504, "order"),
            ),
            (
                "in the block that returns it",
                |w| {
                    w.time = w.order(w.p, "h").due.unwrap().0 - 1;
                    let receipt = w.run(w.p, capture(w.p, "h", 600));
                    assert_eq!((w.state(w.p, "h"), w.available(w.alice)), (OrderState::Voided, 100_000));
                    receipt
                },
                (507, "order"),
            ),
            (
                "just in time",
                |w| {
                    w.time = w.order(w.p, "h").due.unwrap().0 - 2;
                    w.run(w.p, capture(w.p, "h", 600))
                },
                APPLIED,
            ),
            (
                "what was paid",
                |w| {
                    w.ok(w.alice, buy(w, "i", PayMode::Instant));
                    w.run(w.p, capture(w.p, "i", 600))
                },
                (504, "order"),
            ),
            (
                "the hold itself again, after its capture",
                |w| {
                    w.ok(w.p, capture(w.p, "h", 600));
                    w.run(w.alice, reserve(w, "h"))
                },
                REPLAYED,
            ),
            ("a payment with the hold's key", |w| w.run(w.alice, buy(w, "h", PayMode::Instant)), (502, "mode")),
            (
                "without the payee",
                |w| {
                    w.status(w.carol, AccountStatus::Closed);
                    w.run(w.p, capture(w.p, "h", 600))
                },
                APPLIED,
            ),
        ],
    );
    let mut w = base;
    let receipt = w.ok(w.p, capture(w.p, "h", 501));
    assert!(receipt.events.contains(&Event::OrderCaptured { order: key(w.p, "h"), amount: fen(501) }));
    assert!(receipt.events.contains(&moved(&w, "h", OrderState::Held, OrderState::Settled)));
    // 350.7, 100.2, 40.08 and 10.02
    assert_eq!(w.legs(w.p, "h"), [351, 100, 40, 10]);
    assert_eq!([w.alice, w.carol, w.q, w.fees].map(|a| w.available(a)), [99_499, 351, 100, 10]);
    let order = w.order(w.p, "h");
    assert_eq!((order.state, order.total, order.due), (OrderState::Settled, fen(1000), None));
    let (_, entitlement) = read::entitlement(&w.ledger, &key(w.p, "h")).unwrap();
    assert_eq!(entitlement.from, Time(w.time));
    // what was captured can be refunded, and no more
    assert_eq!(w.no(w.p, refund(w.p, "h", "r", 502)), (505, "amount".into()));
    w.ok(w.p, refund(w.p, "h", "r", 501));
    assert_eq!((w.available(w.alice), w.state(w.p, "h")), (100_000, OrderState::Refunded));
}

#[test]
fn a_capture_keeps_its_part_of_tax_and_fee() {
    let mut w = World::with(|p| p.fee = fee(30_000), false);
    w.deposit(w.alice, 100_000);
    w.deposit(w.p, 100_000);
    let tax = TaxRule { rate: ppm(60_000), inclusive: false, account: w.tax };
    w.offer(w.q, "course", seventy(), Some(tax));
    let fee_bearer = FeeBearer { payer: ppm(500_000), payee: ppm(0), platform: ppm(500_000) };
    let reserve = |w: &World, id| Hold { fee_bearer, expected_total: fen(1075), ..hold(w.p, id, w.q, "course", 1000) };
    for (id, amount, legs, sources) in [
        // net 1000, tax 60, fee 30, of which the payer bears 15
        ("all", 1090, vec![700, 200, 80, 20, 60, 30], [1075, 15]),
        ("half", 545, vec![350, 100, 40, 10, 30, 15], [538, 7]),
        ("little", 20, vec![13, 4, 1, 0, 1, 1], [20, 0]),
        // the parts of tax and fee are below half a unit: their legs are gone
        ("one", 1, vec![1, 0, 0, 0], [1, 0]),
    ] {
        w.ok(w.alice, Action::Hold(reserve(&w, id)));
        let (alice, p) = (w.available(w.alice), w.available(w.p));
        let receipt = w.ok(w.p, capture(w.p, id, amount));
        let order = w.order(w.p, id);
        assert_eq!(order.legs.iter().map(|l| l.amount.units()).collect::<Vec<_>>(), legs, "{id}");
        assert_eq!(order.sources.iter().map(|s| s.amount.units()).collect::<Vec<_>>(), sources, "{id}");
        assert_eq!(w.available(w.alice), alice + 1075 - sources[0]);
        assert_eq!(w.available(w.p), p + 15 - sources[1] + legs[2]);
        let kept = |at: usize| legs.get(at).copied().unwrap_or_default();
        assert_eq!((order.tax, order.fee, receipt.fee), (fen(kept(4)), fen(kept(5)), fen(kept(5))));
        w.ok(w.p, refund(w.p, id, "r", amount));
    }
    assert_eq!((w.available(w.alice), w.available(w.p)), (100_000, 100_000));
}

#[test]
fn holds_are_returned() {
    let mut base = shop();
    base.ok(base.alice, reserve(&base, "h"));
    check(
        &base,
        &[
            ("no order", |w| w.run(w.p, void(w.p, "none")), (503, "order")),
            ("by the payer", |w| w.run(w.alice, void(w.p, "h")), (106, "sender")),
            ("by a third platform", |w| w.run(w.risk, void(w.p, "h")), (106, "sender")),
            ("by the origin", |w| w.run(w.p, void(w.p, "h")), APPLIED),
            ("by the host", |w| w.run(w.q, void(w.p, "h")), APPLIED),
            (
                "again",
                |w| {
                    w.ok(w.p, void(w.p, "h"));
                    w.run(w.q, void(w.p, "h"))
                },
                REPLAYED,
            ),
            (
                "what was captured",
                |w| {
                    w.ok(w.p, capture(w.p, "h", 1));
                    w.run(w.p, void(w.p, "h"))
                },
                (504, "order"),
            ),
            (
                "what timed out",
                |w| {
                    w.wait(5000);
                    w.run(w.p, void(w.p, "h"))
                },
                (504, "order"),
            ),
            (
                "what was paid",
                |w| {
                    w.ok(w.alice, buy(w, "e", PayMode::Escrow));
                    w.run(w.p, void(w.p, "e"))
                },
                (504, "order"),
            ),
        ],
    );
    let mut w = base.clone();
    let receipt = w.ok(w.q, void(w.p, "h"));
    assert!(receipt.events.contains(&Event::OrderVoided { order: key(w.p, "h"), reason: label("out of stock") }));
    assert!(receipt.events.contains(&moved(&w, "h", OrderState::Held, OrderState::Voided)));
    assert_eq!((w.state(w.p, "h"), w.available(w.alice)), (OrderState::Voided, 100_000));
    assert!(read::entitlement(&w.ledger, &key(w.p, "h")).is_none());
    assert_eq!(vostro_settlement::next_deadline(&w.ledger), None);
    // its time is up: the same, and nobody voided it
    let mut w = base;
    w.status(w.alice, AccountStatus::Frozen);
    let receipts = w.wait(5000);
    assert_eq!(receipts[0].cause, Cause::Deadline(key(w.p, "h")));
    assert_eq!(receipts[0].events, [moved(&w, "h", OrderState::Held, OrderState::Voided)]);
    assert_eq!((w.available(w.alice), w.held(w.alice)), (99_000, 1000));
    assert_eq!(w.state(w.p, "h"), OrderState::Voided);
}
