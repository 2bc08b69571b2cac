//! Mandates: each refusal by its code, each effect to the unit.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::campaigns::*;
use common::*;
use vostro_settlement::{MAX_MANDATE_MS, read};
use vostro_types::transaction::*;
use vostro_types::*;

const NOBODY: AccountId = AccountId([9; 32]);

fn make(w: &mut World, change: impl FnOnce(&mut CreateMandate)) -> Receipt {
    let mut new = mandate(w, "new");
    change(&mut new);
    w.run(w.alice, Action::CreateMandate(new))
}

#[test]
fn making_a_mandate() {
    let mut base = shop();
    let dollars = RegisterItem { asset: usd(), plan: label("book"), ..item("dollars", 1, base.carol) };
    base.ok(base.q, Action::RegisterItem(dollars));
    check(
        &base,
        &[
            ("a mandate", |w| make(w, |_| {}), APPLIED),
            ("no charge", |w| make(w, |m| m.max_per_charge = Amount::ZERO), (201, "max_per_charge")),
            ("less a month", |w| make(w, |m| m.max_per_month = fen(2_999)), (108, "max_per_month")),
            ("one a month", |w| make(w, |m| m.max_per_month = fen(3_000)), APPLIED),
            ("any amount", |w| make(w, |m| (m.max_per_charge, m.max_per_month) = (Amount::MAX, Amount::MAX)), APPLIED),
            ("no interval", |w| make(w, |m| m.interval_ms = 0), (108, "interval_ms")),
            ("one period for ever", |w| make(w, |m| m.interval_ms = u64::MAX), APPLIED),
            ("ends as it starts", |w| make(w, |m| m.starts = m.ends), (108, "ends")),
            ("over already", |w| make(w, |m| (m.starts, m.ends) = (Time(0), Time(m.starts.0 + 1))), (108, "ends")),
            ("for a moment", |w| make(w, |m| (m.starts, m.ends) = (Time(0), Time(m.starts.0 + 2))), APPLIED),
            ("for ever", |w| make(w, |m| m.ends = Time(u64::MAX)), (108, "ends")),
            ("too long", |w| make(w, |m| m.ends = Time(m.starts.0 + 2 + MAX_MANDATE_MS)), (108, "ends")),
            ("for ten years", |w| make(w, |m| m.ends = Time(m.starts.0 + 1 + MAX_MANDATE_MS)), APPLIED),
            ("to a user", |w| make(w, |m| m.payee = w_bob()), (106, "payee")),
            ("to nobody", |w| make(w, |m| m.payee = NOBODY), (401, "payee")),
            ("to oneself", |w| w.run(w.p, Action::CreateMandate(mandate(w, "new"))), (406, "payee")),
            ("by the host", |w| w.run(w.q, Action::CreateMandate(mandate(w, "new"))), APPLIED),
            ("hosted by a user", |w| make(w, |m| m.host = w_bob()), (106, "host")),
            ("hosted by nobody", |w| make(w, |m| m.host = NOBODY), (401, "host")),
            ("no item", |w| make(w, |m| m.item = label("none")), (401, "item")),
            ("of another host", |w| make(w, |m| m.host = m.payee), (401, "item")),
            ("in another asset", |w| make(w, |m| m.asset = usd()), (203, "asset")),
            ("in no asset", |w| make(w, |m| m.asset = "EUR".parse().unwrap()), (203, "asset")),
            ("in dollars", |w| make(w, |m| (m.item, m.asset) = (label("dollars"), usd())), APPLIED),
            ("the payee closed", |w| closed(w, w.p), (404, "payee")),
            ("the host closed", |w| closed(w, w.q), (404, "host")),
        ],
    );
    let mut w = base.clone();
    let receipt = make(&mut w, |_| {});
    let made = Event::MandateCreated { payer: w.alice, mandate: label("new"), payee: w.p };
    assert_eq!((receipt.events, receipt.postings), (vec![made], vec![]));
    let first = read::mandate(&w.ledger, w.alice, &label("new")).unwrap();
    let change = move |m: &mut CreateMandate| (m.starts, m.ends) = (first.starts, first.ends);
    assert_eq!(refusal(&make(&mut w, change)), (0, "replayed".into()));
    let other = |m: &mut CreateMandate| {
        (m.payee, m.host, m.item, m.asset) = (NOBODY, NOBODY, label("x"), usd());
        (m.max_per_charge, m.max_per_month, m.interval_ms) = (fen(1), fen(1), 1);
    };
    let all = "payee host item asset max_per_charge max_per_month interval_ms starts ends";
    assert_eq!(refusal(&make(&mut w, other)), (502, all.into()));
}

/// bob's account is the same in every world.
fn w_bob() -> AccountId {
    World::new().bob
}

fn closed(w: &mut World, who: AccountId) -> Receipt {
    let all = w.available(who);
    if all > 0 {
        w.ok(who, transfer(w.bob, all));
    }
    w.status(who, AccountStatus::Closed);
    make(w, |_| {})
}

/// The shop with alice's mandate "m", which just began.
fn subscribed() -> World {
    let mut w = shop();
    let new = mandate(&w, "m");
    w.ok(w.alice, Action::CreateMandate(new));
    w
}

fn take(w: &mut World, period: u64, change: impl FnOnce(&mut Charge)) -> Receipt {
    let mut new = charge(w, w.alice, "m", period, &format!("c{period}"), 3_000);
    change(&mut new);
    w.run(w.p, Action::Charge(new))
}

#[test]
fn charging() {
    use AccountStatus::{Closed, DebitFrozen, Frozen};
    check(
        &subscribed(),
        &[
            ("the first period", |w| take(w, 0, |_| {}), APPLIED),
            ("no mandate", |w| take(w, 0, |c| c.mandate = label("x")), (401, "mandate")),
            ("nobody's", |w| take(w, 0, |c| c.payer = NOBODY), (401, "mandate")),
            ("too early", |w| take(w, 1, |_| {}), (622, "period")),
            ("far too early", |w| take(w, u64::MAX, |_| {}), (622, "period")),
            ("another item", |w| take(w, 0, |c| c.item.item = label("own")), (621, "item")),
            ("of another host", |w| take(w, 0, |c| (c.item.host, c.item.item) = (NOBODY, label("own"))), (621, "item")),
            ("no such version", |w| take(w, 0, |c| c.item.version = 2), (401, "item")),
            ("more than agreed", |w| take(w, 0, |c| priced(c, 3_001)), (621, "max_per_charge")),
            ("less than agreed", |w| take(w, 0, |c| priced(c, 1)), APPLIED),
            ("not the price", |w| take(w, 0, |c| c.expected_total = fen(2_999)), (205, "expected_total")),
            (
                "no money",
                |w| {
                    w.ok(w.alice, transfer(w.bob, 97_001));
                    take(w, 0, |_| {})
                },
                (301, "payer"),
            ),
            (
                "before it starts",
                |w| {
                    let later = CreateMandate { starts: Time(w.time + 500), ..mandate(w, "later") };
                    w.ok(w.alice, Action::CreateMandate(later));
                    take(w, 0, |c| c.mandate = label("later"))
                },
                (622, "period"),
            ),
            (
                "a period that is over",
                |w| {
                    w.wait(1_000);
                    take(w, 0, |_| {})
                },
                (507, "period"),
            ),
            (
                "after the end",
                |w| {
                    w.wait(10_000);
                    take(w, 10, |_| {})
                },
                (507, "ends"),
            ),
            (
                "cancelled",
                |w| {
                    w.ok(w.alice, cancel(w.alice, "m"));
                    take(w, 0, |_| {})
                },
                (623, "mandate"),
            ),
            ("a debit-frozen payer", |w| payer_as(w, DebitFrozen), (402, "payer")),
            ("a frozen payer", |w| payer_as(w, Frozen), (403, "payer")),
            ("a closed payer", |w| payer_as(w, Closed), (404, "payer")),
            (
                "a closed host",
                |w| {
                    w.status(w.q, Closed);
                    take(w, 0, |_| {})
                },
                (404, "host"),
            ),
            (
                "a later version in another asset",
                |w| {
                    let dollars = RegisterItem { asset: usd(), ..item("book", 2, w.carol) };
                    w.ok(w.q, Action::RegisterItem(dollars));
                    take(w, 0, |c| c.item.version = 2)
                },
                (203, "item"),
            ),
            (
                "a later version",
                |w| {
                    w.ok(w.q, Action::RegisterItem(item("book", 2, w.carol)));
                    take(w, 0, |c| c.item.version = 2)
                },
                APPLIED,
            ),
            (
                "an order of the payer's own",
                |w| {
                    w.ok(w.alice, Action::Pay(pay(w.p, "c0", w.q, "book", 3_000)));
                    take(w, 0, |_| {})
                },
                (502, "mandate"),
            ),
            (
                "an order of another mandate",
                |w| {
                    let new = mandate(w, "n");
                    w.ok(w.alice, Action::CreateMandate(new));
                    assert!(take(w, 0, |_| {}).applied());
                    take(w, 0, |c| c.mandate = label("n"))
                },
                (502, "mandate"),
            ),
        ],
    );
    let mut w = subscribed();
    let receipt = take(&mut w, 0, |_| {});
    let charged = Event::MandateCharged { payer: w.alice, mandate: label("m"), period: 0, order: key(w.p, "c0") };
    assert_eq!(receipt.events.last(), Some(&charged));
    assert_eq!((w.available(w.alice), w.available(w.carol)), (97_000, 2_100));
    let order = w.order(w.p, "c0");
    assert_eq!((order.payer, order.mandate), (w.alice, Some((label("m"), 0))));
    let record = read::charge(&w.ledger, w.alice, &label("m"), 0).unwrap();
    assert_eq!((record.tx, record.order), (order.tx, key(w.p, "c0")));
}

fn priced(charge: &mut Charge, units: u64) {
    (charge.price, charge.expected_total) = (Some(fen(units)), fen(units));
}

fn payer_as(w: &mut World, status: AccountStatus) -> Receipt {
    if status == AccountStatus::Closed {
        w.ok(w.alice, transfer(w.bob, 100_000));
    }
    w.status(w.alice, status);
    take(w, 0, |_| {})
}

#[test]
fn a_period_is_charged_once() {
    let mut w = subscribed();
    assert_eq!(refusal(&take(&mut w, 0, |c| c.expected_total = fen(1))), (205, "expected_total".into()));
    assert!(take(&mut w, 0, |_| {}).applied(), "what was refused did not use the period");
    let base = w.clone();
    check(
        &base,
        &[
            ("again", |w| take(w, 0, |_| {}), REPLAYED),
            ("another price", |w| take(w, 0, |c| priced(c, 1)), (502, "price expected_total")),
            ("another bearer", |w| take(w, 0, |c| c.fee_bearer = FeeBearer::PAYEE), (502, "fee_bearer")),
            ("another version", |w| take(w, 0, |c| c.item.version = 2), (502, "item")),
            ("another order", |w| take(w, 0, |c| c.order_id = label("x")), (502, "order_id")),
            (
                "another everything",
                |w| {
                    take(w, 0, |c| {
                        priced(c, 1);
                        (c.order_id, c.item.version, c.fee_bearer) = (label("x"), 2, FeeBearer::PAYEE);
                    })
                },
                (502, "order_id item price fee_bearer expected_total"),
            ),
            (
                "again when it is over and cancelled",
                |w| {
                    w.ok(w.p, cancel(w.alice, "m"));
                    w.wait(60_000);
                    take(w, 0, |_| {})
                },
                REPLAYED,
            ),
            (
                "again after a refund",
                |w| {
                    w.ok(w.p, refund(w.p, "c0", "r", 3_000));
                    take(w, 0, |_| {})
                },
                REPLAYED,
            ),
            ("by paying for it", |w| w.run(w.alice, Action::Pay(pay(w.p, "c0", w.q, "book", 3_000))), (502, "mandate")),
        ],
    );
    let mut w = base;
    let starts = read::mandate(&w.ledger, w.alice, &label("m")).unwrap().starts.0;
    w.time = starts + 998; // a block is a millisecond later
    assert_eq!(refusal(&take(&mut w, 1, |_| {})), (622, "period".into()));
    assert!(take(&mut w, 1, |_| {}).applied(), "its first moment");
    assert_eq!(w.time, starts + 1_000);
}

#[test]
fn a_month_has_its_own_limit() {
    let mut w = shop();
    let day = 86_400_000;
    let terms = mandate(&w, "m");
    let long = CreateMandate { interval_ms: 10 * day, ends: Time(w.time + 90 * day), ..terms };
    let starts = long.starts.0;
    w.ok(w.alice, Action::CreateMandate(long));
    assert!(take(&mut w, 0, |_| {}).applied());
    w.time = starts + 10 * day;
    assert!(take(&mut w, 1, |_| {}).applied());
    w.time = starts + 20 * day;
    assert_eq!(refusal(&take(&mut w, 2, |c| priced(c, 1_001))), (621, "max_per_month".into()));
    assert!(take(&mut w, 2, |c| priced(c, 1_000)).applied());
    let month = |w: &World| read::mandate(&w.ledger, w.alice, &label("m")).unwrap().month;
    assert_eq!(month(&w), (0, fen(7_000)));
    w.ok(w.p, refund(w.p, "c0", "r", 3_000));
    assert_eq!(month(&w), (0, fen(7_000)), "what is refunded was charged all the same");
    w.time = starts + MANDATE_SPAN_MS - 2;
    assert_eq!(refusal(&take(&mut w, 2, |c| (c.order_id, c.price) = (label("x"), None))).0, 502);
    assert!(take(&mut w, 3, |_| {}).applied(), "the next month");
    assert_eq!(month(&w), (1, fen(3_000)));
}

/// A subscription of a user of another platform, and one that a platform pays.
#[test]
fn anybody_may_be_charged_by_anybody_they_let() {
    let mut w = shop();
    w.deposit(w.dave, 5_000);
    w.deposit(w.q, 5_000);
    for payer in [w.dave, w.q] {
        let new = mandate(&w, "m");
        w.ok(payer, Action::CreateMandate(new));
        let new = charge(&w, payer, "m", 0, &format!("{}", w.salt), 3_000);
        assert!(w.run(w.p, Action::Charge(new)).applied());
    }
    // q has 20 % of both as the host.
    assert_eq!((w.available(w.dave), w.available(w.q)), (2_000, 2_000 + 1_200));
}

#[test]
fn a_charge_whose_order_is_archived_is_still_answered() {
    let mut w = World::with(|p| (p.archive_ms, p.dispute_ms) = (1, 1), false);
    w.deposit(w.alice, 10_000);
    w.offer(w.q, "book", seventy(), None);
    let new = mandate(&w, "m");
    w.ok(w.alice, Action::CreateMandate(new));
    assert!(take(&mut w, 0, |_| {}).applied());
    w.wait(5);
    w.ok(w.p, archive(&["c0"]));
    assert_eq!(refusal(&take(&mut w, 0, |_| {})), (0, "replayed".into()));
    assert_eq!(refusal(&take(&mut w, 0, |c| priced(c, 1))), (502, "archived".into()));
    assert_eq!(refusal(&take(&mut w, 0, |c| c.order_id = label("x"))), (502, "order_id".into()));
}

#[test]
fn charges_count_toward_the_payers_limits() {
    let mut w = World::with(|p| p.limits[0].daily = fen(5_000), false);
    w.deposit(w.alice, 10_000);
    w.offer(w.q, "book", seventy(), None);
    let new = mandate(&w, "m");
    w.ok(w.alice, Action::CreateMandate(new));
    assert!(take(&mut w, 0, |_| {}).applied());
    w.wait(1_000);
    assert_eq!(refusal(&take(&mut w, 1, |_| {})), (802, "amount".into()));
    assert!(take(&mut w, 1, |c| priced(c, 2_000)).applied(), "the period was not used");
}

#[test]
fn cancelling() {
    check(
        &subscribed(),
        &[
            ("by the payer", |w| w.run(w.alice, cancel(w.alice, "m")), APPLIED),
            ("by the payee", |w| w.run(w.p, cancel(w.alice, "m")), APPLIED),
            ("no mandate", |w| w.run(w.alice, cancel(w.alice, "x")), (401, "mandate")),
            ("somebody else's", |w| w.run(w.alice, cancel(w.bob, "m")), (401, "mandate")),
            (
                "again",
                |w| {
                    w.ok(w.alice, cancel(w.alice, "m"));
                    w.run(w.p, cancel(w.alice, "m"))
                },
                REPLAYED,
            ),
            (
                "when it is over",
                |w| {
                    w.wait(60_000);
                    w.run(w.alice, cancel(w.alice, "m"))
                },
                APPLIED,
            ),
        ],
    );
    let mut w = subscribed();
    let receipt = w.ok(w.p, cancel(w.alice, "m"));
    assert_eq!(receipt.events, [Event::MandateCancelled { payer: w.alice, mandate: label("m"), by: w.p }]);
    assert!(read::mandate(&w.ledger, w.alice, &label("m")).unwrap().cancelled.is_some());
}

#[test]
fn a_batch_charges_many_and_one_once() {
    let mut w = subscribed();
    let new = mandate(&w, "m");
    w.ok(w.bob, Action::CreateMandate(new));
    let of = |w: &World, payer, id| Action::Charge(charge(w, payer, "m", 0, id, 3_000));
    let both = vec![of(&w, w.alice, "a"), of(&w, w.bob, "b")];
    let twice = vec![of(&w, w.alice, "a"), of(&w, w.alice, "x")];
    assert_eq!(refusal(&w.batch(w.p, twice)), (502, "order_id actions[1]".into()));
    let ended = vec![cancel(w.alice, "m"), of(&w, w.alice, "a")];
    assert_eq!(refusal(&w.batch(w.p, ended)), (623, "mandate actions[1]".into()));
    assert!(w.batch(w.p, both.clone()).applied());
    assert_eq!(refusal(&w.batch(w.p, both)), (0, "replayed".into()));
    assert_eq!((w.available(w.alice), w.available(w.bob)), (97_000, 97_000));
}

/// Every kind of account tries every action.
#[test]
fn who_may() {
    let base = subscribed();
    for who in [base.p, base.q, base.gw, base.fees, base.tax, base.alice, base.bob, base.carol] {
        let mut w = base.clone();
        let charged = charge(&w, w.alice, "m", 0, "c", 3_000);
        let expected = if who == w.p { (0, "applied".into()) } else { (106, "sender".into()) };
        assert_eq!(refusal(&w.run(who, Action::Charge(charged))), expected);
        let party = [w.p, w.alice].contains(&who);
        let expected = if party { (0, "applied".into()) } else { (106, "sender".into()) };
        assert_eq!(refusal(&w.run(who, cancel(w.alice, "m"))), expected);
        let new = mandate(&w, "mine");
        let expected = if who == w.p { (406, "payee".into()) } else { (0, "applied".into()) };
        assert_eq!(refusal(&w.run(who, Action::CreateMandate(new))), expected);
    }
}
