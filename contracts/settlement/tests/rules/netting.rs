//! Netting windows: cap, cover, closing, settling.

use crate::common::*;
use vostro_settlement::read;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

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
        w.ledger.put(&WINDOWS.key(&(cny(), 1)), &codec::encode(&(1u8, crowded)));
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
