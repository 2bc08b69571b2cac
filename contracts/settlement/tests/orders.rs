//! Holds, disputes, consumption and archiving: every refusal, every replay, every pair of state and event.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::*;
use vostro_settlement::machine::{self, Trigger};
use vostro_settlement::read;
use vostro_types::codec::encode;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

/// What is given and done, and the refusal expected: code and what it is about.
type Case = (&'static str, fn(&mut World) -> Receipt, (u16, &'static str));

fn check(base: &World, cases: &[Case]) {
    for (name, act, (code, about)) in cases {
        let mut world = base.clone();
        assert_eq!(refusal(&act(&mut world)), (*code, about.to_string()), "{name}");
    }
}

const APPLIED: (u16, &str) = (0, "applied");
const REPLAYED: (u16, &str) = (0, "replayed");
const LONG: u64 = 1_000_000;

/// alice and bob have 1000.00, p 100.00; q offers "book" (70/20/8/2), and "api" with 100 metered units for an hour.
fn shop() -> World {
    shop_with(|_| {})
}

fn shop_with(change: impl FnOnce(&mut genesis::Parameters)) -> World {
    let mut w = World::with(
        |p| {
            p.archive_ms = 50_000;
            change(p);
        },
        false,
    );
    for account in [w.alice, w.bob] {
        w.deposit(account, 100_000);
    }
    w.deposit(w.p, 10_000);
    w.offer(w.q, "book", seventy(), None);
    w.ok(w.q, plan("api", 1, seventy()));
    let api = RegisterItem { terms: metered(100, Some(HOUR)), ..item("api", 1, w.carol) };
    w.ok(w.q, Action::RegisterItem(api));
    w
}

fn buy(w: &World, id: &str, mode: PayMode) -> Action {
    Action::Pay(Pay { mode, ..pay(w.p, id, w.q, "book", 1000) })
}

fn reserve(w: &World, id: &str) -> Action {
    Action::Hold(hold(w.p, id, w.q, "book", 1000))
}

fn moved(w: &World, id: &str, from: OrderState, to: OrderState) -> Event {
    Event::OrderMoved { order: key(w.p, id), from: Some(from), to }
}

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

#[test]
fn units_are_consumed() {
    let mut base = shop();
    base.ok(base.alice, Action::Pay(pay(base.p, "u", base.q, "api", 1000)));
    base.ok(base.alice, buy(&base, "unmetered", PayMode::Instant));
    base.ok(base.q, consume(base.p, "u", 0, 30));
    check(
        &base,
        &[
            ("no order", |w| w.run(w.q, consume(w.p, "none", 0, 1)), (503, "order")),
            ("by the origin", |w| w.run(w.p, consume(w.p, "u", 30, 1)), (106, "sender")),
            ("by the holder", |w| w.run(w.alice, consume(w.p, "u", 30, 1)), (106, "sender")),
            ("nothing", |w| w.run(w.q, consume(w.p, "u", 30, 0)), (201, "units")),
            ("unmetered", |w| w.run(w.q, consume(w.p, "unmetered", 0, 1)), (504, "units")),
            ("all that is left", |w| w.run(w.q, consume(w.p, "u", 30, 70)), APPLIED),
            ("too many", |w| w.run(w.q, consume(w.p, "u", 30, 71)), (506, "units")),
            ("far too many", |w| w.run(w.q, consume(w.p, "u", 30, u64::MAX)), (506, "units")),
            ("again", |w| w.run(w.q, consume(w.p, "u", 0, 30)), REPLAYED),
            ("again with other units", |w| w.run(w.q, consume(w.p, "u", 0, 31)), (502, "units")),
            ("out of turn", |w| w.run(w.q, consume(w.p, "u", 31, 1)), (502, "from")),
            (
                "an older one",
                |w| {
                    w.ok(w.q, consume(w.p, "u", 30, 10));
                    w.run(w.q, consume(w.p, "u", 0, 30))
                },
                (502, "from"),
            ),
            (
                "expired",
                |w| {
                    w.time = w.order(w.p, "u").placed.plus(HOUR).0 - 1;
                    w.run(w.q, consume(w.p, "u", 30, 1))
                },
                (507, "order"),
            ),
            (
                "in the last millisecond",
                |w| {
                    w.time = w.order(w.p, "u").placed.plus(HOUR).0 - 2;
                    w.run(w.q, consume(w.p, "u", 30, 1))
                },
                APPLIED,
            ),
            (
                "again when expired",
                |w| {
                    w.wait(HOUR);
                    w.run(w.q, consume(w.p, "u", 0, 30))
                },
                REPLAYED,
            ),
            (
                "partly refunded",
                |w| {
                    w.ok(w.p, refund(w.p, "u", "r", 900));
                    w.run(w.q, consume(w.p, "u", 30, 1))
                },
                APPLIED,
            ),
            (
                "revoked",
                |w| {
                    w.ok(w.p, refund(w.p, "u", "r", 1000));
                    w.run(w.q, consume(w.p, "u", 30, 1))
                },
                (504, "order"),
            ),
            (
                "disputed",
                |w| {
                    w.ok(w.alice, dispute(w.p, "u"));
                    w.run(w.q, consume(w.p, "u", 30, 1))
                },
                (504, "order"),
            ),
            (
                "held",
                |w| {
                    w.ok(w.alice, Action::Hold(hold(w.p, "h", w.q, "api", 10)));
                    w.run(w.q, consume(w.p, "h", 0, 1))
                },
                (504, "order"),
            ),
            (
                "voided",
                |w| {
                    w.ok(w.alice, Action::Hold(hold(w.p, "h", w.q, "api", 10)));
                    w.ok(w.p, void(w.p, "h"));
                    w.run(w.q, consume(w.p, "h", 0, 1))
                },
                (504, "order"),
            ),
            (
                "captured",
                |w| {
                    w.ok(w.alice, Action::Hold(hold(w.p, "h", w.q, "api", 10)));
                    w.ok(w.p, capture(w.p, "h", 1));
                    w.run(w.q, consume(w.p, "h", 0, 100))
                },
                APPLIED,
            ),
            ("two in a batch", |w| w.batch(w.q, vec![consume(w.p, "u", 30, 1), consume(w.p, "u", 31, 1)]), APPLIED),
        ],
    );
    let mut w = base;
    let receipt = w.ok(w.q, consume(w.p, "u", 30, 5));
    let entitlement = read::entitlement_id(&key(w.p, "u"));
    assert_eq!(receipt.events, [Event::UnitsConsumed { entitlement, units: 5, left: 65 }]);
    let (_, entitlement) = read::entitlement(&w.ledger, &key(w.p, "u")).unwrap();
    assert_eq!(entitlement.used, 35);
}

/// A world in which "i" is settled and old enough to be archived.
fn old() -> World {
    let mut w = shop();
    w.ok(w.alice, buy(&w, "i", PayMode::Instant));
    w.wait(50_000);
    w
}

#[test]
fn orders_are_archived() {
    let base = old();
    check(
        &base,
        &[
            ("by a user", |w| w.run(w.alice, archive(&["i"])), (106, "sender")),
            ("by the host, who has no such order", |w| w.run(w.q, archive(&["i"])), (503, "order")),
            ("none", |w| w.run(w.p, archive(&[])), (108, "orders")),
            ("twice the same", |w| w.run(w.p, archive(&["i", "i"])), (108, "orders")),
            (
                "too many",
                |w| {
                    let ids: Vec<String> = (0..=MAX_ARCHIVED).map(|i| i.to_string()).collect();
                    w.run(w.p, archive(&ids.iter().map(String::as_str).collect::<Vec<_>>()))
                },
                (108, "orders"),
            ),
            ("one that is not there", |w| w.run(w.p, archive(&["i", "none"])), (503, "order")),
            ("it is", |w| w.run(w.p, archive(&["i"])), APPLIED),
            (
                "too early",
                |w| {
                    w.ok(w.alice, buy(w, "j", PayMode::Instant));
                    let placed = w.time;
                    w.time = placed + 49_998;
                    w.run(w.p, archive(&["j"]))
                },
                (622, "order"),
            ),
            (
                "just in time",
                |w| {
                    w.ok(w.alice, buy(w, "j", PayMode::Instant));
                    let placed = w.time;
                    w.time = placed + 49_999;
                    w.run(w.p, archive(&["j"]))
                },
                APPLIED,
            ),
            (
                "disputed long ago",
                |w| {
                    w.ok(w.alice, buy(w, "d", PayMode::Instant));
                    w.ok(w.alice, dispute(w.p, "d"));
                    w.time += 50_000;
                    w.run(w.p, archive(&["d"]))
                },
                (504, "order"),
            ),
            (
                "an escrow whose deadline is not fired yet",
                |w| {
                    w.ok(w.alice, buy(w, "e", PayMode::Escrow));
                    w.time += 50_000;
                    w.run(w.p, archive(&["e"]))
                },
                (504, "order"),
            ),
            (
                "a part of one that waits was refunded",
                |w| {
                    w.ok(w.alice, buy(w, "m", PayMode::Maturing(100)));
                    w.ok(w.p, refund(w.p, "m", "r", 1));
                    w.wait(60_000);
                    w.run(w.p, archive(&["m"]))
                },
                (504, "order"),
            ),
            (
                "units are left",
                |w| {
                    w.ok(w.alice, Action::Pay(pay(w.p, "u", w.q, "api", 1000)));
                    w.wait(60_000);
                    w.run(w.p, archive(&["u"]))
                },
                (504, "units"),
            ),
            (
                "units were left when the time was over",
                |w| {
                    w.ok(w.alice, Action::Pay(pay(w.p, "u", w.q, "api", 1000)));
                    w.wait(HOUR);
                    w.run(w.p, archive(&["u"]))
                },
                APPLIED,
            ),
            (
                "units were left when it was refunded",
                |w| {
                    w.ok(w.alice, Action::Pay(pay(w.p, "u", w.q, "api", 1000)));
                    w.ok(w.p, refund(w.p, "u", "r", 1000));
                    w.wait(60_000);
                    w.run(w.p, archive(&["u"]))
                },
                APPLIED,
            ),
            (
                "no units are left",
                |w| {
                    w.ok(w.alice, Action::Pay(pay(w.p, "u", w.q, "api", 1000)));
                    w.ok(w.q, consume(w.p, "u", 0, 100));
                    w.wait(60_000);
                    w.run(w.p, archive(&["u"]))
                },
                APPLIED,
            ),
            (
                "it could still be disputed",
                |w| {
                    let mut network = read::network(&w.ledger);
                    network.parameters.dispute_ms = 100_000;
                    let at = vostro_settlement::tables::NETWORK.key(&());
                    vostro_settlement::Ledger::put(&mut w.ledger, at, encode(&(1u8, network)));
                    w.run(w.p, archive(&["i"]))
                },
                (622, "order"),
            ),
        ],
    );
    let mut w = base;
    w.ok(w.p, refund(w.p, "i", "r", 400));
    let (kept, key) = (w.order(w.p, "i"), key(w.p, "i"));
    let receipt = w.ok(w.p, archive(&["i"]));
    let digest = read::order_digest(&kept);
    assert_eq!(receipt.events, [Event::OrderArchived { order: key.clone(), digest }]);
    let archived = read::archived(&w.ledger, &key).unwrap();
    assert_eq!((archived.tx, archived.digest, archived.state), (kept.tx, digest, OrderState::PartRefunded));
    assert_eq!(read::order(&w.ledger, &key), None);
    // access stays, and its holder finds it
    assert_eq!(read::entitlements(&w.ledger, w.alice, w.q, &label("book"), None, 9).len(), 1);
    assert_eq!(read::entitlement(&w.ledger, &key), None);
    check(
        &w,
        &[
            ("again", |w| w.run(w.p, archive(&["i"])), APPLIED),
            ("the payment again", |w| w.run(w.alice, buy(w, "i", PayMode::Instant)), REPLAYED),
            ("another payment", |w| w.run(w.alice, buy(w, "i", PayMode::Escrow)), (502, "archived")),
            ("a hold", |w| w.run(w.alice, reserve(w, "i")), (502, "archived")),
            ("a refund", |w| w.run(w.p, refund(w.p, "i", "r2", 1)), (504, "archived")),
            ("an old refund again", |w| w.run(w.p, refund(w.p, "i", "r", 400)), REPLAYED),
            ("an old refund by another", |w| w.run(w.q, refund(w.p, "i", "r", 401)), (502, "sender amount")),
            ("confirm", |w| w.run(w.alice, confirm(w.p, "i")), (504, "archived")),
            ("capture", |w| w.run(w.p, capture(w.p, "i", 1)), (504, "archived")),
            ("void", |w| w.run(w.p, void(w.p, "i")), (504, "archived")),
            ("dispute", |w| w.run(w.alice, dispute(w.p, "i")), (504, "archived")),
            ("resolve", |w| w.run(w.arbiter, resolve(w.p, "i", 1)), (504, "archived")),
            ("consume", |w| w.run(w.q, consume(w.p, "i", 0, 1)), (504, "archived")),
        ],
    );
    // again, with one that is new
    w.ok(w.alice, reserve(&w, "h"));
    w.ok(w.p, void(w.p, "h"));
    w.wait(60_000);
    assert_eq!(w.ok(w.p, archive(&["i", "h"])).events.len(), 1);
    assert_eq!(w.no(w.alice, buy(&w, "h", PayMode::Instant)), (502, "archived".into()));
    assert_eq!(refusal(&w.run(w.alice, reserve(&w, "h"))), (0, "replayed".into()));
}

/// A window order's obligation stays, and so does what a dispute said.
#[test]
fn window_orders_and_disputes_are_archived() {
    let mut w = shop();
    w.ok(w.p, lock(5000));
    w.ok(w.alice, buy(&w, "w", PayMode::Window));
    w.ok(w.alice, buy(&w, "d", PayMode::Instant));
    w.ok(w.alice, dispute(w.p, "d"));
    w.ok(w.arbiter, resolve(w.p, "d", 250_000));
    w.wait(60_000);
    assert_eq!(w.no(w.p, archive(&["w"])), (504, "order".into()));
    w.ok(w.p, close_window(1));
    w.ok(w.q, settle_window(1));
    let kept = w.order(w.p, "w");
    assert_eq!(kept.state, OrderState::Settled);
    w.ok(w.p, archive(&["w", "d"]));
    let archived = read::archived(&w.ledger, &key(w.p, "w")).unwrap();
    assert_eq!((archived.state, archived.digest), (OrderState::Settled, read::order_digest(&kept)));
    assert_eq!(read::window_obligations(&w.ledger, cny(), 1).len(), 3);
    assert_eq!(refusal(&w.run(w.arbiter, resolve(w.p, "d", 250_000))), (0, "replayed".into()));
    assert_eq!(w.no(w.arbiter, resolve(w.p, "d", 250_001)), (502, "refund".into()));
    assert!(read::dispute(&w.ledger, &key(w.p, "d")).is_some());
}

/// What an order costs in the state, and what its archive does.
#[test]
fn archiving_frees_most_of_what_an_order_costs() {
    let bytes = |w: &World| w.ledger.entries().map(|(k, v)| k.len() + v.len()).sum::<usize>();
    let id = "2026-11-21-000000042"; // a usual length
    let mut w = shop();
    let before = bytes(&w);
    w.ok(w.alice, buy(&w, id, PayMode::Instant));
    // the first sale opens balances, which are not the order's
    let at = vostro_settlement::tables::ORDERS.key(&key(w.p, id));
    let order = at.len() + encode(&(1u8, w.order(w.p, id))).len();
    let (at, entitlement) = read::entitlement(&w.ledger, &key(w.p, id)).unwrap();
    let access = at.len() + encode(&(1u8, entitlement)).len();
    assert!(order + access <= bytes(&w) - before);
    w.wait(50_000);
    let full = bytes(&w);
    w.ok(w.p, archive(&[id]));
    let archived = order - (full - bytes(&w));
    println!("order {order} bytes, its entitlement {access}, archived {archived}");
    // docs/contract.md says so
    assert_eq!((order, access, archived), (525, 202, 155));
}

/// An order in each state, by the shortest way; some states in more than one.
fn in_every_state(w: &mut World) -> Vec<(&'static str, OrderState)> {
    use OrderState::*;
    w.ok(w.p, lock(8000));
    for (id, mode) in [
        ("cleared-settled", PayMode::Window),
        ("escrowed", PayMode::Escrow),
        ("maturing", PayMode::Maturing(100)),
        ("settled", PayMode::Instant),
        ("disputed", PayMode::Escrow),
        ("disputed-paid", PayMode::Instant),
        ("part", PayMode::Escrow),
        ("part-maturing", PayMode::Maturing(100)),
        ("part-paid", PayMode::Instant),
        ("refunded", PayMode::Escrow),
    ] {
        w.ok(w.alice, Action::Pay(Pay { mode, ..pay(w.p, id, w.q, "brief", 100) }));
    }
    for id in ["held", "voided", "captured"] {
        w.ok(w.alice, Action::Hold(hold(w.p, id, w.q, "brief", 100)));
    }
    w.ok(w.p, close_window(1));
    w.ok(w.p, settle_window(1));
    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "cleared", w.q, "brief", 100) }));
    w.ok(w.alice, dispute(w.p, "disputed"));
    w.ok(w.alice, dispute(w.p, "disputed-paid"));
    for id in ["part", "part-maturing", "part-paid"] {
        w.ok(w.p, refund(w.p, id, "some", 40));
    }
    w.ok(w.p, refund(w.p, "refunded", "whole", 100));
    w.ok(w.q, void(w.p, "voided"));
    w.ok(w.p, capture(w.p, "captured", 60));
    vec![
        ("held", Held),
        ("escrowed", Escrowed),
        ("maturing", Maturing),
        ("cleared", Cleared),
        ("cleared-settled", Settled),
        ("settled", Settled),
        ("captured", Settled),
        ("disputed", Disputed),
        ("disputed-paid", Disputed),
        ("part", PartRefunded),
        ("part-maturing", PartRefunded),
        ("part-paid", PartRefunded),
        ("refunded", Refunded),
        ("voided", Voided),
    ]
}

/// Does what a trigger stands for by a real action, on an order of `in_every_state`.
fn pull(w: &mut World, id: &str, by: Trigger) -> Receipt {
    let left = w.order(w.p, id).refundable().units();
    match by {
        Trigger::Capture => w.run(w.p, capture(w.p, id, 50)),
        Trigger::Void => w.run(w.p, void(w.p, id)),
        Trigger::Confirm => w.run(w.alice, confirm(w.p, id)),
        Trigger::RefundPart => w.run(w.p, refund(w.p, id, "new", 1)),
        Trigger::RefundWhole => w.run(w.p, refund(w.p, id, "new", left.max(1))),
        Trigger::OpenDispute => w.run(w.alice, dispute(w.p, id)),
        Trigger::ResolveNone => w.run(w.arbiter, resolve(w.p, id, 0)),
        Trigger::ResolvePart => w.run(w.arbiter, resolve(w.p, id, 500_000)),
        Trigger::ResolveWhole => w.run(w.arbiter, resolve(w.p, id, 1_000_000)),
        Trigger::Consume => w.run(w.q, consume(w.p, id, 0, 1)),
        Trigger::SettleWindow => {
            w.ok(w.p, close_window(2));
            w.run(w.q, settle_window(2))
        }
        Trigger::Archive => {
            w.time += 50_000; // and no deadline fires before it
            w.run(w.p, archive(&[id]))
        }
        Trigger::Due => w.wait(LONG).into_iter().find(|r| r.cause == Cause::Deadline(key(w.p, id))).unwrap(),
        Trigger::PayInstant
        | Trigger::PayEscrow
        | Trigger::PayMaturing
        | Trigger::PayWindow
        | Trigger::PayWindowOwn
        | Trigger::Hold => unreachable!("places an order"),
    }
}

fn move_of(from: Option<OrderState>, by: Trigger) -> Option<&'static machine::Row> {
    machine::TABLE.iter().find(|row| row.from == from && row.by == by)
}

#[test]
fn every_pair_of_state_and_event_is_as_the_table_says() {
    use machine::When;
    let mut base = shop_with(|p| p.escrow_ms = LONG);
    // metered access that is over when its order is archived
    let brief = RegisterItem { plan: label("api"), terms: metered(100, Some(40_000)), ..item("brief", 1, base.carol) };
    base.ok(base.q, Action::RegisterItem(brief));
    let orders = in_every_state(&mut base);
    let mut refused = 0;
    for (id, from) in &orders {
        assert_eq!(base.state(base.p, id), *from, "{id}");
        let order = base.order(base.p, id);
        for by in Trigger::ALL {
            let holds = |row: &&machine::Row| match row.when {
                When::Always => true,
                When::Waits => order.due.is_some(),
                When::WaitsInEscrow => order.due.is_some() && order.mode == PayMode::Escrow,
                When::Rests => order.due.is_none(),
            };
            let row = move_of(Some(*from), *by).filter(holds);
            let case = format!("{id}: {by:?}");
            let mut w = base.clone();
            match by {
                // an order that is there is not placed again
                Trigger::PayInstant | Trigger::PayEscrow | Trigger::PayMaturing | Trigger::PayWindow => {
                    assert_eq!(row, None);
                    let other = pay(w.p, id, w.q, "brief", 101);
                    assert_eq!(refusal(&w.run(w.alice, Action::Pay(other))).0, 502, "{case}");
                    continue;
                }
                Trigger::PayWindowOwn | Trigger::Hold => {
                    assert_eq!(row, None);
                    let other = hold(w.p, id, w.q, "brief", 101);
                    assert_eq!(refusal(&w.run(w.alice, Action::Hold(other))).0, 502, "{case}");
                    continue;
                }
                Trigger::Due => {
                    assert_eq!(row.is_some(), order.due.is_some(), "{case}");
                    if row.is_none() {
                        continue;
                    }
                }
                // nobody settles an order's window but with all of its orders
                Trigger::SettleWindow if row.is_none() => {
                    pull(&mut w, id, *by);
                    assert_eq!(w.state(w.p, id), *from, "{case}");
                    continue;
                }
                _ => {}
            }
            let receipt = pull(&mut w, id, *by);
            match row {
                Some(row) => {
                    assert!(receipt.applied(), "{case}: {receipt:?}");
                    let to = read::order(&w.ledger, &key(w.p, id)).map(|o| o.state);
                    let to = to.or_else(|| read::archived(&w.ledger, &key(w.p, id)).map(|a| a.state));
                    assert_eq!(to, Some(row.to), "{case}");
                }
                // once captured or voided, or disputed, the same again is a replay
                None if !matches!(receipt.outcome, Outcome::Rejected { .. }) => {
                    let known = [("voided", Trigger::Void), ("disputed", Trigger::OpenDispute)];
                    let known = known.iter().any(|(prefix, again)| id.starts_with(prefix) && by == again);
                    assert!(known && matches!(receipt.outcome, Outcome::Replayed { .. }), "{case}: {receipt:?}");
                }
                None => {
                    let expected = match (*id, by) {
                        ("captured", Trigger::Capture) => (502, "amount"),
                        _ => (504, "order"),
                    };
                    assert_eq!(refusal(&receipt), (expected.0, expected.1.to_string()), "{case}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 90, "{refused}");
}

#[test]
fn the_page_shows_the_machine() {
    let page = include_str!("../../../docs/contract.md");
    assert!(page.contains(&machine::render()), "put this into docs/contract.md:\n{}", machine::render());
    // what a table of pairs cannot say
    for (n, row) in machine::TABLE.iter().enumerate() {
        assert!(!machine::TABLE[..n].iter().any(|r| (r.from, r.by) == (row.from, row.by)), "{row:?} twice");
    }
    let unreachable = |from, to| assert!(!machine::reachable(from, to));
    unreachable(OrderState::Refunded, OrderState::Settled);
    unreachable(OrderState::PartRefunded, OrderState::Disputed);
    unreachable(OrderState::Settled, OrderState::Escrowed);
    unreachable(OrderState::Held, OrderState::Escrowed);
    assert!(machine::reachable(OrderState::Held, OrderState::Refunded));
    assert!(machine::STATES.iter().all(|state| machine::reachable(*state, *state)));
}

/// Each kind of account tries each action on orders of others.
#[test]
fn who_may_do_what() {
    let mut w = shop();
    w.ok(w.alice, reserve(&w, "held"));
    w.ok(w.alice, buy(&w, "settled", PayMode::Instant));
    w.ok(w.alice, buy(&w, "disputed", PayMode::Instant));
    w.ok(w.alice, dispute(w.p, "disputed"));
    w.ok(w.alice, Action::Pay(pay(w.p, "u", w.q, "api", 100)));
    let actions: [(&str, Action); 7] = [
        ("capture", capture(w.p, "held", 10)),
        ("void", void(w.p, "held")),
        ("dispute", dispute(w.p, "settled")),
        ("resolve", resolve(w.p, "disputed", 0)),
        ("consume", consume(w.p, "u", 0, 1)),
        ("archive", archive(&["settled"])),
        ("refund", refund(w.p, "settled", "r", 1)),
    ];
    let everyone = [
        ("alice", w.alice),
        ("bob", w.bob),
        ("carol", w.carol),
        ("dave", w.dave),
        ("p", w.p),
        ("q", w.q),
        ("risk", w.risk),
        ("arbiter", w.arbiter),
        ("auditor", w.auditor),
        ("gw", w.gw),
        ("fees", w.fees),
        ("tax", w.tax),
    ];
    let may = "capture p, void p, void q, dispute alice, resolve arbiter, consume q, refund p, refund q";
    let mut did = Vec::new();
    for (name, action) in &actions {
        for (who, account) in everyone {
            let mut w = w.clone();
            let receipt = w.run(account, action.clone());
            match refusal(&receipt) {
                _ if receipt.applied() => did.push(format!("{name} {who}")),
                // a platform's label is an order of its own only
                (503, about) if *name == "archive" => assert_eq!(about, "order"),
                (622, about) if *name == "archive" && who == "p" => assert_eq!(about, "order"),
                refused => assert_eq!(refused, (106, "sender".into()), "{name} by {who}"),
            }
        }
    }
    assert_eq!(did.join(", "), may);
}

/// Payer, origin, host, payee and bearer of the fee are one account; the dispute ends by itself.
#[test]
fn an_order_with_oneself_holds_no_money_for_ever() {
    let mut w = shop();
    w.offer(w.p, "own", vec![leg(Payee::Origin, 1_000_000)], None);
    let before = w.available(w.p);
    let pay = Pay { mode: PayMode::Escrow, ..pay(w.p, "self", w.p, "own", 500) };
    w.ok(w.p, Action::Pay(pay));
    w.ok(w.p, dispute(w.p, "self"));
    assert_eq!(w.no(w.p, resolve(w.p, "self", 0)), (106, "sender".into()));
    w.wait(20_000);
    assert_eq!((w.state(w.p, "self"), w.available(w.p)), (OrderState::Settled, before));
    w.ok(w.p, Action::Hold(hold(w.p, "held", w.p, "own", 500)));
    w.ok(w.p, capture(w.p, "held", 200));
    assert_eq!(w.available(w.p), before);
}

/// A coupon of two sponsors pays 50.00 of a hold of 199.00.
#[test]
fn coupons_pay_parts_of_holds_and_disputed_orders() {
    use common::campaigns::{campaign, issue, with_coupon};
    let mut base = shop();
    for sponsor in [base.p, base.q, base.arbiter] {
        base.deposit(sponsor, 50_000);
    }
    let (p, q, arbiter) = (base.p, base.q, base.arbiter);
    for (name, sponsors) in [("sale", [(p, 600_000), (q, 400_000)]), ("own", [(p, 500_000), (arbiter, 500_000)])] {
        let new = campaign(&base, name, &sponsors);
        assert!(base.open_campaign(p, new).applied());
        base.ok(p, issue(name, name, None));
    }
    let coupon = CouponRef { platform: p, serial: label("sale") };
    let held = Hold { coupon: Some(coupon.clone()), ..hold(p, "h", q, "book", 19_900) };
    let held = Action::Hold(Hold { expected_total: fen(14_900), ..held });
    let restored = Event::CouponRestored { coupon: coupon.clone() };
    let before = [base.alice, p, q].map(|a| base.available(a));
    let after = |w: &World| [w.alice, w.p, w.q].map(|a| w.available(a));
    base.ok(base.alice, held.clone());
    assert_eq!((base.order(p, "h").pot, base.used(p, "sale")), (fen(19_900), Some(key(p, "h"))));
    assert_eq!(refusal(&base.run(base.alice, held.clone())), (0, "replayed".into()));
    // half is captured: half of each source goes back, the sponsors' to themselves, and the coupon stays used
    let mut w = base.clone();
    let receipt = w.ok(p, capture(p, "h", 9_950));
    assert!(!receipt.events.contains(&restored));
    let mut parts: Vec<u64> = w.order(p, "h").sources.iter().map(|s| s.amount.units()).collect();
    parts.sort();
    assert_eq!(parts, [1_000, 1_500, 7_450]);
    assert_eq!(after(&w), [before[0] - 7_450, before[1] + 1_500 + 796, before[2] + 1_000 + 1_990]);
    assert_eq!(w.used(p, "sale"), Some(key(p, "h")));
    // the whole refund of it gives the coupon back
    let receipt = w.ok(p, refund(p, "h", "r", 9_950));
    assert!(receipt.events.contains(&restored));
    assert_eq!(after(&w), [before[0], before[1] + 3_000, before[2] + 2_000]);
    // voided and timed out: the same
    let mut w = base.clone();
    assert!(w.ok(q, void(p, "h")).events.contains(&restored));
    assert_eq!(after(&w), [before[0], before[1] + 3_000, before[2] + 2_000]);
    assert_eq!(w.used(p, "sale"), None);
    let mut w = base.clone();
    assert!(w.wait(5000)[0].events.contains(&restored));
    assert_eq!(after(&w), [before[0], before[1] + 3_000, before[2] + 2_000]);
    // its campaign is over when it times out: the money is back, the coupon is not
    let mut w = base.clone();
    w.ok(p, common::campaigns::expire("sale"));
    assert!(!w.wait(5000)[0].events.contains(&restored));
    assert_eq!((w.available(w.alice), w.used(p, "sale")), (before[0], Some(key(p, "h"))));
    // a dispute gives sponsors their shares; the whole restores the coupon; a sponsor does not resolve it
    let mut w = base;
    w.ok(q, void(p, "h"));
    for (id, serial) in [("sale", "sale"), ("own", "own")] {
        let order = Pay { mode: PayMode::Escrow, ..pay(p, id, q, "book", 19_900) };
        w.ok(w.alice, with_coupon(order, serial, 5_000));
        w.ok(w.alice, dispute(p, id));
    }
    assert_eq!(w.no(arbiter, resolve(p, "own", 0)), (106, "order".into()));
    let sponsors = [w.available(p), w.available(q)];
    let mut half = w.clone();
    half.ok(arbiter, resolve(p, "sale", 500_000));
    // 99.50 went back; of the other half, q hosts and p sells
    let gained = [half.available(p) - sponsors[0], half.available(q) - sponsors[1]];
    assert_eq!(gained, [1_500 + 796, 1_000 + 1_990]);
    let receipt = w.ok(arbiter, resolve(p, "sale", 1_000_000));
    assert!(receipt.events.contains(&restored));
    assert_eq!([w.available(p) - sponsors[0], w.available(q) - sponsors[1]], [3_000, 2_000]);
}

/// Actions of a batch see each other, and it is all or nothing.
#[test]
fn batches_of_order_actions() {
    let mut w = shop();
    let (book, p) = (w.q, w.p);
    let place = |id| Action::Hold(hold(p, id, book, "book", 100));
    w.ok(w.alice, place("a"));
    w.ok(w.alice, place("b"));
    let receipt = w.batch(w.p, vec![capture(w.p, "a", 40), void(w.p, "b"), refund(w.p, "a", "r", 40)]);
    assert!(receipt.applied(), "{receipt:?}");
    assert_eq!((w.state(w.p, "a"), w.state(w.p, "b")), (OrderState::Refunded, OrderState::Voided));
    assert_eq!(w.available(w.alice), 100_000);
    w.ok(w.alice, place("c"));
    let receipt = w.batch(w.p, vec![capture(w.p, "c", 40), void(w.p, "c")]);
    assert_eq!(refusal(&receipt), (504, "order actions[1]".into()));
    assert_eq!(w.state(w.p, "c"), OrderState::Held);
}

/// The end of time: deadlines saturate there and nothing panics.
#[test]
fn times_near_the_end() {
    let mut w = shop();
    w.time = u64::MAX - 100_000;
    w.ok(w.alice, reserve(&w, "h"));
    w.ok(w.alice, buy(&w, "i", PayMode::Instant));
    w.ok(w.alice, Action::Pay(pay(w.p, "u", w.q, "api", 100)));
    w.ok(w.alice, dispute(w.p, "i"));
    w.time = u64::MAX - 60_010;
    w.ok(w.q, consume(w.p, "u", 0, 1));
    w.ok(w.alice, reserve(&w, "k"));
    assert_eq!(w.state(w.p, "h"), OrderState::Voided);
}
