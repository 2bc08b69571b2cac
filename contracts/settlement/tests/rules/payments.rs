//! Payments: what they ask for, what they cost, when they settle.

use crate::common::store::buy;
use crate::common::*;
use vostro_settlement::read;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

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
