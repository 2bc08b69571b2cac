//! Orders in company: who may act on them, coupons, batches, orders with oneself, times near the end.

use crate::common::store::{buy, reserve, shop};
use crate::common::*;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

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
    use crate::common::campaigns::{campaign, issue, with_coupon};
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
    w.ok(p, crate::common::campaigns::expire("sale"));
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
