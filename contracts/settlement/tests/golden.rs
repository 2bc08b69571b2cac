//! The golden examples of the settlement rules, in fen.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::*;
use vostro_settlement::{netting, read};
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

#[test]
fn g1_tax_on_top_and_inside() {
    let mut w = World::new();
    w.deposit(w.alice, 100_000);
    let tax = |inclusive| Some(TaxRule { rate: ppm(50_000), inclusive, account: w.tax });
    let (on_top, inside) = (tax(false), tax(true));
    w.offer(w.q, "top", seventy(), on_top);
    w.offer(w.q, "in", seventy(), inside);
    for (id, name, price) in [("1", "top", 9000), ("2", "in", 9450)] {
        let order = Pay { expected_total: fen(9450), ..pay(w.p, id, w.q, name, price) };
        w.ok(w.alice, Action::Pay(order));
        assert_eq!(w.order(w.p, id).tax, fen(450));
        assert_eq!(w.legs(w.p, id), [6300, 1800, 720, 180, 450]);
    }
    assert_eq!(w.available(w.tax), 900);
    let wrong = Pay { expected_total: fen(9451), ..pay(w.p, "3", w.q, "top", 9000) };
    assert_eq!(w.no(w.alice, Action::Pay(wrong)), (205, "expected_total".into()));
}

#[test]
fn g2_who_bears_the_fee() {
    let mut w = World::with(|p| p.fee = fee(30_000), false);
    w.deposit(w.alice, 50_000);
    w.deposit(w.p, 1000);
    w.offer(w.q, "book", vec![leg(Payee::Creator, 1_000_000)], None);
    let order = |id: &str, fee_bearer, total| {
        let pay = pay(w.p, id, w.q, "book", 8000);
        Action::Pay(Pay { fee_bearer, expected_total: fen(total), ..pay })
    };
    let (payer, payee, platform) =
        (order("1", FeeBearer::PAYER, 8240), order("2", FeeBearer::PAYEE, 8000), order("3", FeeBearer::PLATFORM, 8000));
    let receipt = w.ok(w.alice, payer);
    assert_eq!(receipt.fee, fen(240));
    assert_eq!((w.available(w.alice), w.available(w.carol), w.available(w.fees)), (41_760, 8000, 240));
    w.ok(w.alice, payee);
    assert_eq!((w.available(w.alice), w.available(w.carol), w.available(w.fees)), (33_760, 15_760, 480));
    let receipt = w.by(w.alice, &[w.alice, w.p], platform);
    assert!(receipt.applied());
    assert_eq!((w.available(w.alice), w.available(w.p), w.available(w.fees)), (25_760, 760, 720));
    // the platform's part goes back to the platform
    w.ok(w.p, refund(w.p, "3", "r", 8240));
    assert_eq!((w.available(w.alice), w.available(w.p), w.available(w.fees)), (33_760, 1000, 480));
}

#[test]
fn g3_plan_on_the_net_price() {
    let mut w = World::new();
    w.deposit(w.alice, 9450);
    let tax = TaxRule { rate: ppm(50_000), inclusive: false, account: w.tax };
    w.offer(w.q, "course", seventy(), Some(tax));
    let order = Pay { expected_total: fen(9450), ..pay(w.p, "1", w.q, "course", 9000) };
    w.ok(w.alice, Action::Pay(order));
    let got = [w.carol, w.q, w.p, w.fees, w.tax, w.alice].map(|a| w.available(a));
    assert_eq!(got, [6300, 1800, 720, 180, 450, 0]);
}

#[test]
fn g4_refunds_in_thirds_end_at_zero() {
    let mut w = World::new();
    w.deposit(w.alice, 9999);
    w.offer(w.q, "course", seventy(), None);
    w.ok(w.alice, Action::Pay(pay(w.p, "1", w.q, "course", 9999)));
    assert_eq!(w.legs(w.p, "1"), [6999, 2000, 800, 200]);
    for (refund_id, left) in [("a", [4666, 1333, 533, 134]), ("b", [2333, 666, 267, 67]), ("c", [0, 0, 0, 0])] {
        w.ok(w.q, refund(w.p, "1", refund_id, 3333));
        assert_eq!(w.legs(w.p, "1"), left);
        assert_eq!([w.carol, w.q, w.p, w.fees].map(|a| w.available(a)), left);
    }
    assert_eq!((w.available(w.alice), w.state(w.p, "1")), (9999, OrderState::Refunded));
    assert_eq!(w.no(w.q, refund(w.p, "1", "d", 1)), (504, "order".into()));
    // 1.00 in thirds
    let thirds = vec![leg(Payee::Creator, 333_334), leg(Payee::Host, 333_333), leg(Payee::Origin, 333_333)];
    w.offer(w.q, "thirds", thirds, None);
    w.ok(w.alice, Action::Pay(pay(w.p, "2", w.q, "thirds", 100)));
    assert_eq!(w.legs(w.p, "2"), [34, 33, 33]);
}

#[test]
fn g5_a_part_refund_leaves_a_round_sum() {
    let mut w = World::new();
    w.deposit(w.alice, 10_500);
    let tax = TaxRule { rate: ppm(50_000), inclusive: false, account: w.tax };
    w.offer(w.q, "course", seventy(), Some(tax));
    let order = Pay { expected_total: fen(10_500), ..pay(w.p, "1", w.q, "course", 10_000) };
    w.ok(w.alice, Action::Pay(order));
    assert_eq!(w.legs(w.p, "1"), [7000, 2000, 800, 200, 500]);
    w.ok(w.p, refund(w.p, "1", "r", 500));
    assert_eq!(w.legs(w.p, "1"), [6667, 1905, 762, 190, 476]);
    assert_eq!(w.legs(w.p, "1").iter().sum::<u64>(), 10_000);
    assert_eq!((w.available(w.alice), w.state(w.p, "1")), (500, OrderState::PartRefunded));
}

#[test]
fn g6_transfer_replay_conflict_and_too_much() {
    let mut w = World::new();
    let coming = deposit("bank", "1", w.alice, 100_000);
    let first = w.ok(w.gw, coming.clone());
    w.deposit(w.bob, 50_000);
    w.ok(w.alice, transfer(w.bob, 20_000));
    assert_eq!((w.available(w.alice), w.available(w.bob)), (80_000, 70_000));
    let Cause::Transaction(original) = first.cause else { panic!("{first:?}") };
    assert_eq!(w.run(w.gw, coming).outcome, Outcome::Replayed { original });
    assert_eq!(w.no(w.gw, deposit("bank", "1", w.alice, 100_001)), (502, "amount".into()));
    assert_eq!(w.no(w.alice, transfer(w.bob, 80_001)), (301, "sender".into()));
    assert_eq!((w.available(w.alice), w.available(w.bob)), (80_000, 70_000));
}

#[test]
fn g7_a_dispute_is_resolved_at_sixty_percent() {
    let mut w = World::new();
    w.deposit(w.alice, 10_000);
    w.offer(w.q, "course", seventy(), None);
    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Escrow, ..pay(w.p, "1", w.q, "course", 10_000) }));
    w.ok(w.alice, dispute(w.p, "1"));
    assert_eq!((w.available(w.alice), w.order(w.p, "1").pot), (0, fen(10_000)));
    w.ok(w.arbiter, resolve(w.p, "1", 600_000));
    assert_eq!([w.alice, w.carol, w.q, w.p, w.fees].map(|a| w.available(a)), [6000, 2800, 800, 320, 80]);
    assert_eq!((w.order(w.p, "1").pot, w.state(w.p, "1")), (Amount::ZERO, OrderState::PartRefunded));
}

#[test]
fn g7_the_waterfall_raises_a_receivable_that_the_next_credit_pays() {
    let mut w = World::new();
    w.deposit(w.alice, 6300);
    w.offer(w.q, "course", vec![leg(Payee::Creator, 1_000_000)], None);
    w.ok(w.alice, Action::Pay(pay(w.p, "1", w.q, "course", 6300)));
    w.ok(w.carol, transfer(w.dave, 5300));
    w.deposit(w.p, 10_000);
    let receipt = w.ok(w.p, refund(w.p, "1", "r", 6300));
    let raised = Event::ReceivableRaised { debtor: w.carol, creditor: w.p, asset: cny(), amount: fen(5300) };
    assert!(receipt.events.contains(&raised), "{receipt:?}");
    assert_eq!([w.carol, w.p, w.alice].map(|a| w.available(a)), [0, 4700, 6300]);
    assert_eq!(w.owed(w.carol), 5300);
    w.deposit(w.bob, 7000);
    let receipt = w.ok(w.bob, Action::Pay(pay(w.p, "2", w.q, "course", 7000)));
    let paid = Event::ReceivablePaid { debtor: w.carol, creditor: w.p, asset: cny(), amount: fen(5300) };
    assert!(receipt.events.contains(&paid), "{receipt:?}");
    assert_eq!([w.carol, w.p].map(|a| w.available(a)), [1700, 10_000]);
    assert!(read::receivables(&w.ledger, w.carol, cny()).is_empty());
}

#[test]
fn g8_three_platforms_net() {
    let mut w = World::new();
    let (a, b, c) = (w.p, w.q, w.risk);
    for platform in [a, b, c] {
        w.offer(platform, "x", vec![leg(Payee::Host, 1_000_000)], None);
        w.deposit(platform, 1_000);
        w.ok(platform, lock(500));
    }
    for (id, from, to, amount) in [("1", a, b, 120), ("2", b, a, 45), ("3", b, c, 90), ("4", c, a, 60), ("5", a, c, 25)]
    {
        let order = Pay { mode: PayMode::Window, ..pay(from, id, to, "x", amount) };
        let receipt = w.by(w.alice, &[w.alice, from], Action::Pay(order));
        assert!(receipt.applied(), "{receipt:?}");
        assert_eq!(w.state(from, id), OrderState::Cleared);
    }
    let obligations = read::window_obligations(&w.ledger, cny(), 1);
    let totals = netting::totals(obligations.into_iter().map(|(d, c, o)| (d, c, o.amount)));
    assert_eq!((totals.gross, totals.bilateral, totals.multilateral), (340, 200, 55));
    w.ok(a, close_window(1));
    let receipt = w.ok(b, settle_window(1));
    let settled = Event::WindowSettled { asset: cny(), window: 1, gross: 340, net: fen(55) };
    assert_eq!(receipt.events, [settled]);
    assert_eq!([a, b, c].map(|x| w.available(x)), [460, 485, 555]);
    assert_eq!(w.state(a, "1"), OrderState::Settled);
}

#[test]
fn g9_cap_and_collateral_admit_one_of_three() {
    let mut w = World::with(|p| p.debit_cap = fen(1000), false);
    w.offer(w.q, "x", vec![leg(Payee::Host, 1_000_000)], None);
    w.deposit(w.p, 1000);
    w.ok(w.p, lock(1000));
    let txs: Vec<_> = ["1", "2", "3"]
        .map(|id| {
            let order = Pay { mode: PayMode::Window, ..pay(w.p, id, w.q, "x", 600) };
            let body = w.body(w.alice, Payload::One(Action::Pay(order)));
            w.sign(body, &[w.alice, w.p])
        })
        .into();
    let receipts = w.block(&txs);
    assert!(receipts[0].applied());
    assert_eq!(receipts[1..].iter().map(|r| refusal(r).0).collect::<Vec<_>>(), [304, 304]);
    assert_eq!(read::position(&w.ledger, w.p, cny()), 600);
}
