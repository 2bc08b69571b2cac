//! Campaigns and coupons: each refusal by its code, each effect to the unit.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::campaigns::*;
use common::*;
use vostro_settlement::{MAX_CAMPAIGN_MS, read};
use vostro_types::transaction::*;
use vostro_types::*;

const NOBODY: AccountId = AccountId([9; 32]);

fn open(w: &mut World, change: impl FnOnce(&mut CreateCampaign)) -> Receipt {
    let mut new = campaign(w, "new", &[(w.p, 600_000), (w.q, 400_000)]);
    change(&mut new);
    w.open_campaign(w.p, new)
}

fn sponsors(w: &mut World, sponsors: &[(AccountId, u32)]) -> Receipt {
    let new = campaign(w, "new", sponsors);
    w.open_campaign(w.p, new)
}

/// The shop, with 200.00 more for p and 400.00 for q.
fn market() -> World {
    let mut w = shop();
    w.deposit(w.p, 20_000);
    w.deposit(w.q, 40_000);
    w
}

/// The market with a campaign "sale" of p, paid 60/40 by p and q, and its coupons "1", "2" and, for bob, "bob".
fn sale() -> World {
    sale_with(|_| {})
}

fn sale_with(change: impl FnOnce(&mut CreateCampaign)) -> World {
    let mut w = market();
    let mut sale = campaign(&w, "sale", &[(w.p, 600_000), (w.q, 400_000)]);
    change(&mut sale);
    assert!(w.open_campaign(w.p, sale).applied());
    for (serial, holder) in [("1", None), ("2", None), ("bob", Some(w.bob))] {
        w.ok(w.p, issue("sale", serial, holder));
    }
    w
}

#[test]
fn opening_a_campaign() {
    use AccountStatus::{Closed, DebitFrozen, Frozen};
    const ONE: u32 = 1_000_000;
    check(
        &market(),
        &[
            ("a campaign", |w| open(w, |_| {}), APPLIED),
            ("without its sponsor's keys", |w| w.run(w.p, sole(w, w.q)), (107, "sponsor")),
            ("a platform alone", |w| w.run(w.p, sole(w, w.p)), APPLIED),
            ("a platform for another", |w| w.by(w.p, &[w.p, w.q], sole(w, w.q)), APPLIED),
            ("sponsored by a user", |w| sponsors(w, &[(w.alice, ONE)]), APPLIED),
            ("nobody", |w| open(w, |c| c.sponsors.clear()), (108, "sponsors")),
            ("shares below one", |w| sponsors(w, &[(w.p, ONE - 1)]), (108, "sponsors")),
            ("shares above one", |w| sponsors(w, &[(w.p, ONE), (w.q, 1)]), (108, "sponsors")),
            ("a share of zero", |w| sponsors(w, &[(w.p, ONE), (w.q, 0)]), (108, "sponsors")),
            ("twice the same", |w| sponsors(w, &[(w.p, ONE / 2), (w.p, ONE / 2)]), (108, "sponsors")),
            ("out of order", |w| open(w, |c| c.sponsors.reverse()), (108, "sponsors")),
            ("nine of them", |w| open(w, |c| c.sponsors = many(9)), (108, "sponsors")),
            ("eight that do not exist", |w| open(w, |c| c.sponsors = many(8)), (401, "sponsor")),
            ("no budget", |w| open(w, |c| c.budget = Amount::ZERO), (201, "budget")),
            ("no asset", |w| open(w, |c| c.asset = "EUR".parse().unwrap()), (203, "asset")),
            ("worth nothing", |w| open(w, |c| c.value = CouponValue::Fixed(Amount::ZERO)), (201, "value")),
            ("a rate of zero", |w| open(w, |c| c.value = rate(0, 1)), (201, "value")),
            ("a cap of zero", |w| open(w, |c| c.value = rate(1, 0)), (201, "value")),
            ("the whole", |w| open(w, |c| c.value = CouponValue::Rate { rate: Ppm::ONE, cap: Amount::MAX }), APPLIED),
            ("ends as it starts", |w| open(w, |c| c.starts = c.ends), (108, "ends")),
            ("over already", |w| open(w, |c| (c.starts, c.ends) = (Time(0), Time(c.starts.0 + 1))), (108, "ends")),
            ("for a moment", |w| open(w, |c| (c.starts, c.ends) = (Time(0), Time(c.starts.0 + 2))), APPLIED),
            ("for ever", |w| open(w, |c| c.ends = Time(u64::MAX)), (108, "ends")),
            ("never", |w| open(w, |c| (c.starts, c.ends) = (Time(u64::MAX), Time(u64::MAX))), (108, "ends")),
            ("too long", |w| open(w, |c| c.ends = Time(c.starts.0 + 2 + MAX_CAMPAIGN_MS)), (108, "ends")),
            ("for ten years", |w| open(w, |c| c.ends = Time(c.starts.0 + 1 + MAX_CAMPAIGN_MS)), APPLIED),
            ("more than p has", |w| open(w, |c| c.budget = fen(50_002)), (301, "sponsor")),
            ("all that p has", |w| open(w, |c| c.budget = fen(50_000)), APPLIED),
            ("more than there is", |w| open(w, |c| c.budget = Amount::MAX), (301, "sponsor")),
            ("a sponsor debit-frozen", |w| as_status(w, DebitFrozen), (402, "sponsor")),
            ("a sponsor frozen", |w| as_status(w, Frozen), (403, "sponsor")),
            ("a sponsor closed", |w| as_status(w, Closed), (404, "sponsor")),
        ],
    );
    let mut w = market();
    let receipt = open(&mut w, |_| {});
    let created = Event::CampaignCreated { platform: w.p, campaign: label("new"), asset: cny(), budget: fen(10_000) };
    assert_eq!(receipt.events, [created]);
    assert_eq!((w.available(w.p), w.available(w.q)), (24_000, 36_000));
    assert_eq!(w.campaign(w.p, "new").ends, Time(w.time - 1 + 10_000));
}

fn sole(w: &World, sponsor: AccountId) -> Action {
    Action::CreateCampaign(campaign(w, "new", &[(sponsor, 1_000_000)]))
}

fn rate(rate: u32, cap: u64) -> CouponValue {
    CouponValue::Rate { rate: ppm(rate), cap: fen(cap) }
}

fn many(count: u8) -> Vec<Sponsor> {
    let share = |i| ppm(if i == 0 { 1_000_000 - u32::from(count - 1) } else { 1 });
    (0..count).map(|i| Sponsor { account: AccountId([i; 32]), share: share(i) }).collect()
}

fn as_status(w: &mut World, status: AccountStatus) -> Receipt {
    w.status(w.dave, status);
    sponsors(w, &[(w.p, 500_000), (w.dave, 500_000)])
}

#[test]
fn a_campaign_is_opened_once() {
    let mut w = market();
    let first = campaign(&w, "new", &[(w.p, 600_000), (w.q, 400_000)]);
    assert!(w.open_campaign(w.p, first.clone()).applied());
    w.wait(60_000); // it has ended, and still answers
    assert_eq!(refusal(&w.by(w.p, &[w.p], Action::CreateCampaign(first.clone()))), (0, "replayed".into()));
    let mut other = campaign(&w, "new", &[(w.p, 500_000), (w.q, 500_000)]);
    other.asset = usd();
    other.budget = fen(1);
    other.value = CouponValue::Fixed(fen(1));
    other.min_price = fen(1);
    other.scope = CouponScope::Host(w.p);
    other.per_user = 1;
    let all = "asset sponsors budget value min_price scope per_user starts ends";
    assert_eq!(refusal(&w.open_campaign(w.p, other)), (502, all.into()));
    let later = CreateCampaign { ends: Time(first.ends.0 + 1), ..first.clone() };
    assert_eq!(refusal(&w.open_campaign(w.p, later)), (502, "ends".into()));
    let again = CreateCampaign { starts: Time(w.time), ends: Time(w.time + 9), ..first };
    assert!(w.open_campaign(w.q, again).applied(), "another platform's of the same name");
}

#[test]
fn issuing() {
    check(
        &sale(),
        &[
            ("a coupon", |w| w.run(w.p, issue("sale", "3", None)), APPLIED),
            ("for a holder", |w| w.run(w.p, issue("sale", "3", Some(w.alice))), APPLIED),
            ("again", |w| w.run(w.p, issue("sale", "bob", Some(w.bob))), REPLAYED),
            ("again for another", |w| w.run(w.p, issue("sale", "bob", None)), (502, "holder")),
            ("again elsewhere", |w| w.run(w.p, issue("other", "1", Some(w.bob))), (502, "campaign holder")),
            ("of no campaign", |w| w.run(w.p, issue("other", "3", None)), (401, "campaign")),
            ("of another's campaign", |w| w.run(w.q, issue("sale", "3", None)), (401, "campaign")),
            ("for nobody", |w| w.run(w.p, issue("sale", "3", Some(NOBODY))), (401, "holder")),
            (
                "for a closed account",
                |w| {
                    w.status(w.dave, AccountStatus::Closed);
                    w.run(w.p, issue("sale", "3", Some(w.dave)))
                },
                (404, "holder"),
            ),
            (
                "of a campaign that ended",
                |w| {
                    w.wait(10_000);
                    w.run(w.p, issue("sale", "3", None))
                },
                (504, "campaign"),
            ),
            (
                "of a campaign that was ended",
                |w| {
                    w.ok(w.p, expire("sale"));
                    w.run(w.p, issue("sale", "3", None))
                },
                (504, "campaign"),
            ),
            (
                "again after the end",
                |w| {
                    w.ok(w.p, expire("sale"));
                    w.run(w.p, issue("sale", "1", None))
                },
                REPLAYED,
            ),
        ],
    );
    let mut w = sale();
    let receipt = w.ok(w.p, issue("sale", "3", Some(w.alice)));
    let coupon = CouponRef { platform: w.p, serial: label("3") };
    assert_eq!(receipt.events, [Event::CouponIssued { coupon, campaign: label("sale"), holder: Some(w.alice) }]);
}

/// alice buys q's "book" from p.
fn buy(w: &mut World, serial: &str, price: u64, worth: u64) -> Receipt {
    let id = format!("o{}", w.salt);
    w.run(w.alice, with_coupon(pay(w.p, &id, w.q, "book", price), serial, worth))
}

#[test]
fn paying_with_a_coupon() {
    check(
        &sale(),
        &[
            ("a coupon", |w| buy(w, "1", 19_900, 5_000), APPLIED),
            ("a part of it", |w| buy(w, "1", 4_999, 4_999), APPLIED),
            ("as much as it asks", |w| buy(w, "1", 19_900, 4_999), (205, "expected_total")),
            ("of none", |w| buy(w, "9", 19_900, 5_000), (611, "coupon")),
            (
                "of another platform",
                |w| {
                    let coupon = Some(CouponRef { platform: w.p, serial: label("1") });
                    let order = Pay { coupon, ..pay(w.q, "o", w.q, "book", 19_900) };
                    w.run(w.alice, Action::Pay(order))
                },
                (611, "coupon"),
            ),
            ("somebody else's", |w| buy(w, "bob", 19_900, 5_000), (611, "holder")),
            ("bob's", |w| w.run(w.bob, with_coupon(pay(w.p, "o", w.q, "book", 19_900), "bob", 5_000)), APPLIED),
            (
                "twice",
                |w| {
                    assert!(buy(w, "1", 19_900, 5_000).applied());
                    buy(w, "1", 19_900, 5_000)
                },
                (611, "used"),
            ),
            (
                "from an empty budget",
                |w| {
                    for serial in ["1", "2"] {
                        assert!(buy(w, serial, 19_900, 5_000).applied());
                    }
                    w.run(w.bob, with_coupon(pay(w.p, "o", w.q, "book", 19_900), "bob", 5_000))
                },
                (303, "coupon"),
            ),
            (
                "in a window",
                |w| {
                    let order = Pay { mode: PayMode::Window, ..pay(w.p, "o", w.q, "book", 19_900) };
                    w.run(w.alice, with_coupon(order, "1", 5_000))
                },
                (611, "mode"),
            ),
            (
                "after its end",
                |w| {
                    w.wait(10_000);
                    buy(w, "1", 19_900, 5_000)
                },
                (611, "campaign"),
            ),
            (
                "ended early",
                |w| {
                    w.ok(w.p, expire("sale"));
                    buy(w, "1", 19_900, 5_000)
                },
                (611, "campaign"),
            ),
            (
                "while its sponsor is frozen",
                |w| {
                    w.status(w.q, AccountStatus::Frozen);
                    w.run(w.alice, with_coupon(pay(w.p, "o", w.p, "own", 19_900), "1", 5_000))
                },
                APPLIED,
            ),
        ],
    );
}

/// A coupon "1" of such a campaign, and alice's order of so much.
fn under(change: fn(&World, &mut CreateCampaign), price: u64, worth: u64) -> (u16, String) {
    let mut w = market();
    let mut sale = campaign(&w, "sale", &[(w.p, 1_000_000)]);
    change(&w, &mut sale);
    assert!(w.open_campaign(w.p, sale).applied());
    w.ok(w.p, issue("sale", "1", None));
    refusal(&buy(&mut w, "1", price, worth))
}

#[test]
fn what_coupons_are_good_for() {
    type Change = fn(&World, &mut CreateCampaign);
    let cases: &[(Change, u64, u64, (u16, &str))] = &[
        (|_, c| c.starts = Time(c.starts.0 + 100), 9_900, 5_000, (611, "campaign")),
        (|w, c| c.scope = CouponScope::Host(w.q), 9_900, 5_000, APPLIED),
        (|w, c| c.scope = CouponScope::Host(w.p), 9_900, 5_000, (611, "scope")),
        (|w, c| c.scope = CouponScope::Creator(w.carol), 9_900, 5_000, APPLIED),
        (|w, c| c.scope = CouponScope::Creator(w.dave), 9_900, 5_000, (611, "scope")),
        (|w, c| c.scope = CouponScope::Item { host: w.q, item: label("book") }, 9_900, 5_000, APPLIED),
        (|w, c| c.scope = CouponScope::Item { host: w.q, item: label("own") }, 9_900, 5_000, (611, "scope")),
        (|w, c| c.scope = CouponScope::Item { host: w.p, item: label("book") }, 9_900, 5_000, (611, "scope")),
        (|_, c| c.min_price = fen(9_900), 9_900, 5_000, APPLIED),
        (|_, c| c.min_price = fen(9_901), 9_900, 5_000, (611, "min_price")),
        (|_, c| c.value = rate(100_000, 800), 6_990, 699, APPLIED),
        (|_, c| c.value = rate(100_000, 600), 6_990, 600, APPLIED),
        (|_, c| c.value = rate(100_000, 600), 6_990, 699, (205, "expected_total")),
        (|_, c| c.value = rate(1_000_000, 10_000), 1, 1, APPLIED),
        (|_, c| c.value = rate(10, 10_000), 49_999, 0, (611, "value")),
        (|_, c| c.value = rate(10, 10_000), 50_000, 1, APPLIED),
        (|_, c| c.value = rate(1_000_000, 10_001), 20_000, 10_000, (303, "coupon")),
    ];
    for (i, (change, price, worth, (code, about))) in cases.iter().enumerate() {
        assert_eq!(under(*change, *price, *worth), (*code, about.to_string()), "{i}");
    }
    let mut w = market();
    w.deposit_usd(w.p, 5_000);
    let dollars = CreateCampaign { asset: usd(), ..campaign(&w, "sale", &[(w.p, 1_000_000)]) };
    let dollars = CreateCampaign { budget: fen(5_000), ..dollars };
    assert!(w.open_campaign(w.p, dollars).applied());
    w.ok(w.p, issue("sale", "1", None));
    assert_eq!(refusal(&buy(&mut w, "1", 19_900, 5_000)), (611, "asset".into()));
    assert_eq!(w.usd(w.p), 0);
}

#[test]
fn an_account_uses_at_most_its_number_of_coupons() {
    let mut w = sale_with(|c| (c.per_user, c.value) = (1, CouponValue::Fixed(fen(100))));
    let uses = |w: &World, who| read::coupon_uses(&w.ledger, w.p, &label("sale"), who);
    w.ok(w.alice, with_coupon(pay(w.p, "o", w.q, "book", 1_000), "1", 100));
    assert_eq!(refusal(&buy(&mut w, "2", 1_000, 100)), (611, "per_user".into()));
    assert!(w.run(w.bob, with_coupon(pay(w.p, "b", w.q, "book", 1_000), "2", 100)).applied());
    assert_eq!((uses(&w, w.alice), uses(&w, w.bob), uses(&w, w.dave)), (1, 1, 0));
    w.ok(w.p, refund(w.p, "o", "r", 1_000));
    assert_eq!(uses(&w, w.alice), 0);
    assert!(buy(&mut w, "1", 1_000, 100).applied(), "the refund gave the coupon back");
}

#[test]
fn g10_a_coupon_of_two_sponsors_and_its_refund() {
    let mut w = sale();
    w.offer(w.q, "x", vec![leg(Payee::Creator, 1_000_000)], None);
    let before = [w.alice, w.p, w.q].map(|a| w.available(a));
    let receipt = w.ok(w.alice, with_coupon(pay(w.p, "o", w.q, "x", 19_900), "1", 5_000));
    let coupon = CouponRef { platform: w.p, serial: label("1") };
    let used = Event::CouponUsed { coupon: coupon.clone(), order: key(w.p, "o"), amount: fen(5_000) };
    assert!(receipt.events.contains(&used), "{receipt:?}");
    assert_eq!(before[0] - w.available(w.alice), 14_900);
    let order = w.order(w.p, "o");
    let mut parts: Vec<_> = order.sources.iter().map(|s| (s.account, s.amount.units())).collect();
    parts[1..].sort_by_key(|part| std::cmp::Reverse(part.1));
    assert_eq!(parts, [(w.alice, 14_900), (w.p, 3_000), (w.q, 2_000)]);
    assert_eq!(w.available(w.carol), 19_900);
    let spent: u64 = w.sponsored(w.p, "sale").iter().map(|s| s[1]).sum();
    assert_eq!((spent, w.used(w.p, "1")), (5_000, Some(key(w.p, "o"))));
    let receipt = w.ok(w.p, refund(w.p, "o", "half", 9_950));
    assert!(!receipt.events.contains(&Event::CouponRestored { coupon: coupon.clone() }));
    let now = [w.alice, w.p, w.q].map(|a| w.available(a));
    assert_eq!([now[0] + 14_900 - before[0], now[1] - before[1], now[2] - before[2]], [7_450, 1_500, 1_000]);
    // The rest: everybody has everything back, the coupon is good again, and the budget stays spent.
    let receipt = w.ok(w.p, refund(w.p, "o", "rest", 9_950));
    assert!(receipt.events.contains(&Event::CouponRestored { coupon }));
    let now = [w.alice, w.p, w.q].map(|a| w.available(a));
    assert_eq!(now, [before[0], before[1] + 3_000, before[2] + 2_000]);
    assert_eq!(w.used(w.p, "1"), None);
    assert!(buy(&mut w, "1", 19_900, 5_000).applied());
    assert_eq!(refusal(&buy(&mut w, "2", 19_900, 5_000)), (303, "coupon".into()));
}

#[test]
fn the_last_coupon_empties_a_campaign_to_the_unit() {
    let mut w = market();
    let thirds = [(w.p, 333_333), (w.q, 333_333), (w.alice, 333_334)];
    let sale = CreateCampaign { budget: fen(1_000), ..campaign(&w, "sale", &thirds) };
    assert!(w.open_campaign(w.p, CreateCampaign { value: CouponValue::Fixed(fen(77)), ..sale }).applied());
    for i in 0..13 {
        w.ok(w.p, issue("sale", &i.to_string(), None));
    }
    for i in 0..12 {
        assert!(buy(&mut w, &i.to_string(), 500, 77).applied());
    }
    assert_eq!(w.sponsored(w.p, "sale").iter().map(|s| s[0] - s[1]).sum::<u64>(), 1_000 - 12 * 77);
    assert_eq!(refusal(&buy(&mut w, "12", 77, 77)), (303, "coupon".into()));
    assert!(buy(&mut w, "12", 76, 76).applied());
    assert!(w.sponsored(w.p, "sale").iter().all(|s| s[0] == s[1]));
    let receipt = w.ok(w.p, expire("sale"));
    let ended = Event::CampaignEnded { platform: w.p, campaign: label("sale"), returned: Amount::ZERO };
    assert_eq!((receipt.events, receipt.postings), (vec![ended], vec![]));
}

#[test]
fn a_campaign_ends_once() {
    let mut w = sale();
    assert!(buy(&mut w, "1", 19_900, 5_000).applied());
    let base = w.clone();
    let before = [w.p, w.q].map(|a| w.available(a));
    let ends = w.campaign(w.p, "sale").ends.0;
    w.time = ends - 2; // a block is a millisecond later
    assert!(w.block(&[]).is_empty());
    let receipts = w.block(&[]);
    assert_eq!(receipts[0].cause, Cause::CampaignDeadline { platform: w.p, campaign: label("sale") });
    let ended = Event::CampaignEnded { platform: w.p, campaign: label("sale"), returned: fen(5_000) };
    assert_eq!(receipts[0].events, std::slice::from_ref(&ended));
    assert_eq!([w.p, w.q].map(|a| w.available(a)), [before[0] + 3_000, before[1] + 2_000]);
    assert!(w.campaign(w.p, "sale").ended);
    assert_eq!(w.no(w.p, expire("sale")), (504, "campaign".into()));

    let mut w = base.clone();
    assert_eq!(w.no(w.q, expire("sale")), (401, "campaign".into()));
    assert_eq!(w.ok(w.p, expire("sale")).events, [ended]);
    assert_eq!([w.p, w.q].map(|a| w.available(a)), [before[0] + 3_000, before[1] + 2_000]);
    let replay = w.run(w.p, expire("sale"));
    let Outcome::Replayed { original } = replay.outcome else { panic!("{replay:?}") };
    assert_eq!(w.campaign(w.p, "sale").ended_by, Some(original));
    assert!(w.wait(20_000).is_empty(), "nothing is left to fire");

    // Too much came due at once: it waits for its turn, and can be ended, but not used.
    let mut w = World::with(|p| p.max_due_per_block = 1, false);
    w.deposit(w.p, 10_000);
    w.deposit(w.alice, 10_000);
    w.offer(w.p, "own", seventy(), None);
    for name in ["a", "b", "c"] {
        let some = CreateCampaign { budget: fen(100), ..campaign(&w, name, &[(w.p, 1_000_000)]) };
        assert!(w.open_campaign(w.p, some).applied());
        w.ok(w.p, issue(name, name, None));
    }
    assert_eq!(w.wait(60_000).len(), 1);
    let order = with_coupon(pay(w.p, "o", w.p, "own", 5_000), "c", 5_000);
    let body = w.body(w.alice, Payload::One(order));
    let late = w.sign(body, &[w.alice, w.p]);
    let body = w.body(w.p, Payload::One(expire("c")));
    let early = w.sign(body, &[w.p]);
    let receipts = w.block(&[late, early]);
    assert_eq!(refusal(&receipts[0]), (611, "campaign".into()));
    assert!(receipts[1].applied());
    assert_eq!((receipts.len(), w.available(w.p)), (3, 10_000));
}

#[test]
fn frozen_and_closed_sponsors_get_back_what_is_theirs() {
    let mut w = World::with(|_| {}, true);
    w.deposit(w.alice, 5_000);
    w.deposit(w.bob, 5_000);
    let two = [(w.alice, 500_000), (w.bob, 500_000)];
    let sale = campaign(&w, "sale", &two);
    assert!(w.open_campaign(w.p, sale).applied());
    w.status(w.alice, AccountStatus::Frozen);
    w.status(w.bob, AccountStatus::Closed);
    let receipts = w.wait(10_000);
    let to = w.suspense.unwrap();
    let rerouted = Event::Rerouted { from: w.bob, to, asset: cny(), amount: fen(5_000) };
    assert!(receipts[0].events.contains(&rerouted), "{receipts:?}");
    assert_eq!((w.held(w.alice), w.available(to)), (5_000, 5_000));
}

#[test]
fn a_coupon_is_restored_only_by_a_full_refund_while_its_campaign_runs() {
    let mut w = sale();
    let order = Pay { mode: PayMode::Escrow, ..pay(w.p, "e", w.q, "book", 19_900) };
    w.ok(w.alice, with_coupon(order, "1", 5_000));
    w.ok(w.p, refund(w.p, "e", "1", 100));
    assert!(w.used(w.p, "1").is_some());
    let mut ended = w.clone();
    w.ok(w.p, refund(w.p, "e", "2", 19_800));
    assert_eq!(w.used(w.p, "1"), None);
    ended.ok(ended.p, expire("sale"));
    let sponsors = [ended.p, ended.q].map(|a| ended.available(a));
    ended.ok(ended.p, refund(ended.p, "e", "2", 19_800));
    assert_eq!(ended.used(ended.p, "1"), Some(key(ended.p, "e")));
    let now = [ended.p, ended.q].map(|a| ended.available(a));
    assert!(sponsors[0] < now[0] && sponsors[1] < now[1], "the sponsors are paid back all the same");
    // Before the end the order gave all its money back and the coupon was used again: nothing else can restore it.
    assert!(buy(&mut w, "1", 19_900, 5_000).applied());
    assert_eq!(w.no(w.p, refund(w.p, "e", "3", 1)), (504, "order".into()));
    assert!(w.used(w.p, "1").is_some());
}

/// alice reserves q's "x", which is all carol's, at p for 199.00 with a coupon of 50.00: p pays 30.00 of it, q 20.00.
fn held() -> World {
    let mut w = sale();
    w.offer(w.q, "x", vec![leg(Payee::Creator, 1_000_000)], None);
    let coupon = Some(CouponRef { platform: w.p, serial: label("1") });
    let order = Hold { coupon, expected_total: fen(14_900), ..hold(w.p, "h", w.q, "x", 19_900) };
    w.ok(w.alice, Action::Hold(order));
    assert_eq!((w.available(w.alice), w.used(w.p, "1")), (85_100, Some(key(w.p, "h"))));
    w
}

#[test]
fn a_hold_with_a_coupon_is_captured_in_part_voided_or_timed_out() {
    let base = held();
    let before = [base.p, base.q].map(|a| base.available(a));
    let all = [before[0] + 3_000, before[1] + 2_000];
    let sponsors = |w: &World| [w.p, w.q].map(|a| w.available(a));

    let mut w = base.clone();
    w.ok(w.p, capture(w.p, "h", 9_950));
    assert_eq!((w.available(w.alice), sponsors(&w)), (92_550, [before[0] + 1_500, before[1] + 1_000]));
    assert!(w.used(w.p, "1").is_some());
    let receipt = w.ok(w.p, refund(w.p, "h", "r", 9_950));
    assert!(receipt.events.iter().any(|e| matches!(e, Event::CouponRestored { .. })), "{receipt:?}");
    assert_eq!((w.available(w.alice), sponsors(&w), w.used(w.p, "1")), (100_000, all, None));

    let mut w = base.clone();
    w.ok(w.p, void(w.p, "h"));
    assert_eq!((w.available(w.alice), sponsors(&w), w.used(w.p, "1")), (100_000, all, None));
    assert!(buy(&mut w, "1", 19_900, 5_000).applied());

    let mut w = base.clone();
    w.wait(5_001); // of 10 s that the campaign runs
    assert_eq!((w.available(w.alice), sponsors(&w), w.used(w.p, "1")), (100_000, all, None));

    // The hold outlives the campaign: its money comes back, its coupon does not.
    let mut w = base.clone();
    w.ok(w.p, expire("sale"));
    w.wait(5_001);
    assert_eq!(w.available(w.alice), 100_000);
    assert_eq!(sponsors(&w), [all[0] + 3_000, all[1] + 2_000]);
    assert!(w.used(w.p, "1").is_some());
}

#[test]
fn a_dispute_that_gives_all_back_restores_the_coupon() {
    for (share, restored) in [(1_000_000, true), (500_000, false)] {
        let mut w = sale();
        let order = Pay { mode: PayMode::Escrow, ..pay(w.p, "e", w.q, "book", 19_900) };
        w.ok(w.alice, with_coupon(order, "1", 5_000));
        w.ok(w.alice, dispute(w.p, "e"));
        w.ok(w.arbiter, resolve(w.p, "e", share));
        assert_eq!(w.used(w.p, "1").is_none(), restored);
    }
}

#[test]
fn an_archived_order_keeps_its_coupon() {
    let mut w = World::with(|p| (p.archive_ms, p.dispute_ms) = (1, 1), false);
    w.deposit(w.alice, 20_000);
    w.deposit(w.p, 10_000);
    w.offer(w.p, "own", seventy(), None);
    let new = campaign(&w, "sale", &[(w.p, 1_000_000)]);
    assert!(w.open_campaign(w.p, new).applied());
    w.ok(w.p, issue("sale", "1", None));
    let order = with_coupon(pay(w.p, "o", w.p, "own", 19_900), "1", 5_000);
    w.ok(w.alice, order.clone());
    w.wait(5);
    w.ok(w.p, archive(&["o"]));
    assert_eq!(refusal(&w.run(w.alice, order)), (0, "replayed".into()));
    assert_eq!(w.used(w.p, "1"), Some(key(w.p, "o")));
    let again = with_coupon(pay(w.p, "x", w.p, "own", 5_000), "1", 5_000);
    assert_eq!(w.no(w.alice, again), (611, "used".into()));
}

#[test]
fn sponsors_that_are_users_keep_to_their_limits() {
    let mut w = World::with(|p| p.limits[0].daily = fen(6_000), false);
    w.deposit(w.alice, 20_000);
    w.deposit(w.p, 20_000);
    let shares = |w: &World| [(w.alice, 500_000), (w.p, 500_000)];
    for (name, expected) in [("a", (0, "applied")), ("b", (802, "amount"))] {
        let new = campaign(&w, name, &shares(&w));
        let receipt = w.open_campaign(w.p, new);
        assert_eq!(refusal(&receipt), (expected.0, expected.1.to_string()));
    }
}

#[test]
fn a_batch_opens_issues_and_redeems() {
    let mut w = market();
    let sale = Action::CreateCampaign(campaign(&w, "sale", &[(w.p, 1_000_000)]));
    let order = |id: &str| with_coupon(pay(w.p, id, w.p, "own", 19_900), "1", 5_000);
    let (first, second) = (order("a"), order("b"));
    let all = vec![sale, issue("sale", "1", None), first, expire("sale")];
    let twice = [&all[..3], &[second], &all[3..]].concat();
    assert_eq!(refusal(&w.batch(w.p, twice)), (611, "used actions[3]".into()));
    assert!(w.batch(w.p, all).applied());
    assert_eq!(w.sponsored(w.p, "sale"), [[10_000, 5_000, 5_000]]);
}

/// Every kind of account tries every action on the platform's campaign.
#[test]
fn who_may() {
    let base = sale();
    let kinds = [base.p, base.q, base.gw, base.fees, base.tax, base.alice, base.carol];
    for who in kinds {
        let platform = [base.p, base.q].contains(&who);
        let mut w = base.clone();
        let sole = campaign(&w, "mine", &[(w.p, 1_000_000)]);
        let opened = w.open_campaign(who, sole);
        assert_eq!(refusal(&opened).0, if platform { 0 } else { 106 });
        let expected = if who == base.p { (0, "applied".into()) } else { (401, "campaign".into()) };
        assert_eq!(refusal(&w.run(who, issue("sale", "mine", None))), expected);
        assert_eq!(refusal(&w.run(who, expire("sale"))), expected);
    }
}
