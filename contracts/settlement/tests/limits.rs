//! Limits by tier, cooling, fee tiers and the refund alarm.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{APPLIED, *};
use vostro_settlement::read;
use vostro_types::genesis::{FeeTier, Limits, Parameters};
use vostro_types::transaction::*;
use vostro_types::*;

const DAY: u64 = 24 * HOUR;
/// 2026-01-01T00:00:00+08:00.
const NEW_YEAR: u64 = 1_767_196_800_000;

fn limits(per_transaction: u64, daily: u64, velocity: u64, yearly: u64) -> Limits {
    Limits { per_transaction: fen(per_transaction), daily: fen(daily), velocity: fen(velocity), yearly: fen(yearly) }
}

/// Noon of a day in UTC+8, two years before the new year; everybody has 1000.00.
fn world(change: impl FnOnce(&mut Parameters)) -> World {
    let mut w = World::with(change, false);
    w.time = NEW_YEAR - 365 * DAY + 12 * HOUR;
    for account in [w.alice, w.bob, w.carol, w.p, w.q] {
        w.deposit(account, 100_000);
    }
    w.offer(w.q, "book", seventy(), None);
    w
}

fn spend(w: &mut World, units: u64) -> (u16, String) {
    let receipt = w.run(w.alice, transfer(w.bob, units));
    refusal(&receipt)
}

fn applied() -> (u16, String) {
    (0, "applied".into())
}

fn about_amount(code: u16) -> (u16, String) {
    (code, "amount".into())
}

#[test]
fn limits_are_asked_in_order() {
    let mut w = world(|p| p.limits[0] = limits(100, 250, 300, 400));
    assert_eq!(spend(&mut w, 101), about_amount(801));
    assert_eq!(spend(&mut w, 100), applied());
    assert_eq!(spend(&mut w, 100), applied());
    assert_eq!(spend(&mut w, 51), about_amount(802));
    assert_eq!(spend(&mut w, 50), applied());
    assert_eq!(spend(&mut w, 1), about_amount(802));
    w.time += 12 * HOUR; // the next day, but within 24 hours
    assert_eq!(spend(&mut w, 51), about_amount(803));
    assert_eq!(spend(&mut w, 50), applied());
    w.time += 12 * HOUR;
    assert_eq!(spend(&mut w, 100), applied());
    assert_eq!(spend(&mut w, 1), about_amount(405), "the year's");
    let spending = read::spending(&w.ledger, w.alice, cny());
    assert_eq!((spending.day.1, spending.year), (fen(150), (2025, fen(400))));
    assert_eq!(spending.hours.iter().map(|(_, a)| a.units()).collect::<Vec<_>>(), [50, 100]);
    w.time = NEW_YEAR - 2;
    assert_eq!(spend(&mut w, 1), about_amount(405), "the last millisecond of the year");
    assert_eq!(spend(&mut w, 1), applied(), "the first of the next");
    assert_eq!(read::spending(&w.ledger, w.alice, cny()).year, (2026, fen(1)));
    assert_eq!(w.available(w.alice), 100_000 - 401);
}

#[test]
fn velocity_slides_by_hours() {
    let mut w = world(|p| p.limits[0] = limits(0, 0, 100, 0));
    for _ in 0..4 {
        assert_eq!(spend(&mut w, 25), applied());
        w.time += HOUR;
    }
    w.time += 19 * HOUR; // 23 hours after the first
    assert_eq!(spend(&mut w, 1), about_amount(803));
    w.time += HOUR;
    assert_eq!(spend(&mut w, 26), about_amount(803));
    assert_eq!(spend(&mut w, 25), applied());
    assert_eq!(read::spending(&w.ledger, w.alice, cny()).hours.len(), 4);
    w.time += DAY;
    for _ in 0..60 {
        w.time += HOUR;
        assert_eq!(spend(&mut w, 4), applied());
        assert!(read::spending(&w.ledger, w.alice, cny()).hours.len() <= 24);
    }
    assert_eq!(spend(&mut w, 5), about_amount(803));
    assert_eq!(spend(&mut w, 4), applied());
}

#[test]
fn limits_are_those_of_the_tier_and_of_users_and_creators() {
    let mut w = world(|p| {
        p.limits = [limits(100, 0, 0, 0), limits(1000, 0, 0, 0), limits(0, 0, 0, 0)];
    });
    assert_eq!(w.no(w.alice, transfer(w.bob, 101)), about_amount(801));
    assert_eq!(w.no(w.carol, transfer(w.bob, 101)), about_amount(801));
    w.ok(w.p, transfer(w.bob, 50_000));
    w.ok(w.p, set_tier(w.alice, 2));
    w.ok(w.alice, transfer(w.bob, 1000));
    assert_eq!(w.no(w.alice, transfer(w.bob, 1001)), about_amount(801));
    let counted = read::spending(&w.ledger, w.alice, cny());
    w.ok(w.p, set_tier(w.alice, 3));
    w.ok(w.alice, transfer(w.bob, 5000));
    assert_eq!(read::spending(&w.ledger, w.alice, cny()), counted, "no limit, no record");
    assert_eq!(read::spending(&w.ledger, w.p, cny()), read::Spending::default());
}

#[test]
fn what_counts() {
    let base = world(|p| p.limits[0] = limits(0, 1000, 0, 0));
    check_cases(
        &base,
        &[
            ("a withdrawal", |w| w.run(w.alice, withdraw("x", w.gw, 1001)), (802, "amount")),
            ("a withdrawal within", |w| w.run(w.alice, withdraw("x", w.gw, 1000)), APPLIED),
            ("an order", |w| w.run(w.alice, Action::Pay(pay(w.p, "1", w.q, "book", 1001))), (802, "amount")),
            (
                "an escrow",
                |w| {
                    let order = Pay { mode: PayMode::Escrow, ..pay(w.p, "1", w.q, "book", 1001) };
                    w.run(w.alice, Action::Pay(order))
                },
                (802, "amount"),
            ),
            (
                "what the origin collected off the ledger does not",
                |w| {
                    w.ok(w.p, lock(5000));
                    let order = Pay { mode: PayMode::Window, ..pay(w.p, "1", w.q, "book", 1001) };
                    w.run(w.alice, Action::Pay(order))
                },
                APPLIED,
            ),
            (
                "a replay does not",
                |w| {
                    w.ok(w.alice, withdraw("x", w.gw, 600));
                    assert!(!w.run(w.alice, withdraw("x", w.gw, 600)).applied());
                    w.run(w.alice, transfer(w.bob, 400))
                },
                APPLIED,
            ),
            (
                "all of a batch does",
                |w| w.batch(w.alice, vec![transfer(w.bob, 600), transfer(w.carol, 401)]),
                (802, "amount actions[1]"),
            ),
            (
                "a withdrawal that failed still does",
                |w| {
                    w.ok(w.alice, withdraw("x", w.gw, 600));
                    w.ok(w.gw, result(w.alice, "x", false, "r"));
                    w.run(w.alice, transfer(w.bob, 401))
                },
                (802, "amount"),
            ),
            (
                "another asset on its own",
                |w| {
                    let Action::Deposit(d) = deposit("bank", "usd", w.alice, 1000) else { unreachable!() };
                    w.ok(w.gw, Action::Deposit(Deposit { asset: usd(), ..d }));
                    w.ok(w.alice, transfer(w.bob, 1000));
                    let Action::Transfer(t) = transfer(w.bob, 1000) else { unreachable!() };
                    w.run(w.alice, Action::Transfer(Transfer { asset: usd(), ..t }))
                },
                APPLIED,
            ),
            ("more than anybody has", |w| w.run(w.alice, transfer(w.bob, Amount::MAX.units())), (802, "amount")),
        ],
    );
    let mut refused = base.clone();
    assert_eq!(refused.no(refused.dave, transfer(refused.bob, 5)), (301, "sender".into()));
    assert_eq!(read::spending(&refused.ledger, refused.dave, cny()), read::Spending::default());
}

#[test]
fn sums_above_any_amount_stay_at_the_highest() {
    let most = Amount::MAX.units();
    let mut w = World::with(
        |p| {
            p.limits[0] = limits(most, 0, 0, 0);
            p.gateway_daily_cap = Amount::MAX;
        },
        false,
    );
    w.deposit(w.alice, most);
    for _ in 0..3 {
        w.ok(w.alice, transfer(w.bob, most));
        w.ok(w.bob, transfer(w.alice, most));
    }
    assert_eq!(read::spending(&w.ledger, w.alice, cny()).day.1, Amount::MAX);
    w.set_parameters(|p| p.limits[0].daily = Amount::MAX);
    assert_eq!(spend(&mut w, 1), about_amount(802));
}

#[test]
fn a_new_account_cools() {
    let mut w = World::with(
        |p| {
            p.cooling_ms = DAY;
            p.cooling_amount = fen(100);
        },
        false,
    );
    w.time += DAY;
    w.deposit(w.alice, 10_000);
    let new = w.open(w.q, AccountKind::Creator, 50);
    let opened = w.time;
    let tax = w.open(w.q, AccountKind::Tax, 51);
    assert_eq!(w.no(w.alice, transfer(new, 101)), (804, "to".into()));
    w.ok(w.alice, transfer(new, 100));
    w.ok(w.alice, transfer(new, 100));
    w.ok(w.alice, transfer(w.bob, 101));
    w.ok(w.alice, transfer(tax, 101));
    w.time = opened + DAY - 2;
    assert_eq!(w.no(w.alice, transfer(new, 101)), (804, "to".into()), "a millisecond before the day is over");
    w.ok(w.alice, transfer(new, 101));
    let newest = w.open(w.q, AccountKind::User, 52);
    w.set_parameters(|p| p.cooling_ms = 0);
    w.ok(w.alice, transfer(newest, 5000));
}

const PERIOD: u64 = 30 * DAY;

/// 3 % by default; 2 % from a volume of 100.00, 1 % from 1000.00.
fn tiered(p: &mut Parameters) {
    p.fee = fee(30_000);
    p.fee.tiers = [
        FeeTier { volume: fen(10_000), rate: ppm(20_000) },
        FeeTier { volume: fen(100_000), rate: ppm(10_000) },
        FeeTier::default(),
    ];
    p.fee_period_ms = PERIOD;
}

/// Sells for a price with a fee that the payer bears; the receipt's fee.
fn sell(w: &mut World, id: &str, price: u64, fee: u64) {
    let order = Pay { expected_total: fen(price + fee), ..pay(w.p, id, w.q, "book", price) };
    let receipt = w.ok(w.alice, Action::Pay(order));
    assert_eq!(receipt.fee, fen(fee));
}

fn next_period(w: &mut World) {
    w.time = (w.time / PERIOD + 1) * PERIOD;
}

#[test]
fn fee_tiers_go_by_the_volume_of_the_period_before() {
    let mut w = world(tiered);
    let rate = |w: &World| read::fee_rate(&w.ledger, w.p, cny(), Time(w.time)).parts();
    sell(&mut w, "1", 8000, 240);
    sell(&mut w, "2", 1999, 60);
    next_period(&mut w);
    assert_eq!(rate(&w), 30_000, "a fen too little");
    sell(&mut w, "3", 10_000, 300);
    next_period(&mut w);
    assert_eq!(rate(&w), 20_000);
    sell(&mut w, "4", 8000, 160);
    assert_eq!(read::volume(&w.ledger, w.p, cny()).before, 10_000);
    // what the fee's order was charged stays, whatever the tier becomes
    assert_eq!(w.order(w.p, "1").fee, fen(240));
    // another platform and another asset have their own volumes
    assert_eq!(read::fee_rate(&w.ledger, w.q, cny(), Time(w.time)), ppm(30_000));
    assert_eq!(read::fee_rate(&w.ledger, w.p, usd(), Time(w.time)), ppm(30_000));
    next_period(&mut w);
    next_period(&mut w);
    assert_eq!(rate(&w), 30_000, "a period without a sale");
    w.deposit(w.alice, 500_000);
    sell(&mut w, "5", 100_000, 3000);
    next_period(&mut w);
    assert_eq!(rate(&w), 10_000);
    sell(&mut w, "6", 8000, 80);
    // a refund does not lower the volume that was reached
    w.ok(w.p, refund(w.p, "5", "r", 100_000));
    sell(&mut w, "7", 8000, 80);
}

#[test]
fn tiers_keep_the_least_and_the_highest_fee() {
    let mut w = world(|p| {
        tiered(p);
        p.fee.min = fen(50);
        p.fee.cap = fen(100);
    });
    sell(&mut w, "1", 10_000, 100);
    next_period(&mut w);
    sell(&mut w, "2", 2000, 50);
    sell(&mut w, "3", 3000, 60);
    sell(&mut w, "4", 9000, 100);
}

#[test]
fn bearers_share_a_tiers_fee() {
    let mut w = world(tiered);
    sell(&mut w, "1", 10_000, 300);
    next_period(&mut w);
    let bearer = FeeBearer { payer: ppm(500_000), payee: ppm(250_000), platform: ppm(250_000) };
    let before = (w.available(w.alice), w.available(w.p), w.available(w.fees));
    let order = Pay { fee_bearer: bearer, expected_total: fen(8080), ..pay(w.p, "2", w.q, "book", 8000) };
    let receipt = w.ok(w.alice, Action::Pay(order));
    assert_eq!(receipt.fee, fen(160));
    assert_eq!(w.legs(w.p, "2"), [5572, 1592, 637, 159, 160]);
    assert_eq!(w.available(w.alice), before.0 - 8080);
    assert_eq!(w.available(w.p), before.1 - 40 + 637);
    assert_eq!(w.available(w.fees), before.2 + 159 + 160);
}

#[test]
fn periods_of_another_length_count_anew() {
    let mut w = world(tiered);
    sell(&mut w, "1", 10_000, 300);
    next_period(&mut w);
    sell(&mut w, "2", 10_000, 200);
    let now = read::volume(&w.ledger, w.p, cny()).period;
    w.vote(Parameter::FeePeriodMs, 10 * PERIOD);
    sell(&mut w, "3", 10_000, 300);
    let volume = read::volume(&w.ledger, w.p, cny());
    assert!(volume.period < now);
    assert_eq!((volume.sold, volume.before), (10_000, 0));
    w.vote(Parameter::FeePeriodMs, 1);
    sell(&mut w, "4", 1000, 30);
    w.vote(Parameter::FeePeriodMs, 3652 * DAY);
    sell(&mut w, "5", 1000, 30);
}

#[test]
fn refunds_raise_an_alarm_once_a_period() {
    let mut w = world(|p| {
        p.refund_alarm = ppm(250_000);
        p.fee_period_ms = PERIOD;
    });
    for id in ["1", "2"] {
        sell(&mut w, id, 10_000, 0);
    }
    let alarms = |receipt: &Receipt| {
        let alarm = |e: &Event| match e {
            Event::RefundAlarm { refunded, volume, .. } => Some((*refunded, *volume)),
            _ => None,
        };
        receipt.events.iter().filter_map(alarm).collect::<Vec<_>>()
    };
    assert_eq!(alarms(&w.ok(w.p, refund(w.p, "1", "a", 4999))), []);
    assert_eq!(alarms(&w.ok(w.q, refund(w.p, "1", "b", 1))), [(5000, 20_000)]);
    assert_eq!(alarms(&w.ok(w.p, refund(w.p, "1", "c", 5000))), []);
    assert!(read::volume(&w.ledger, w.p, cny()).alarmed);
    next_period(&mut w);
    assert_eq!(alarms(&w.ok(w.p, refund(w.p, "2", "a", 1))), [(1, 0)], "refunds without sales");
    assert_eq!(read::volume(&w.ledger, w.p, cny()).before, 20_000);
}

#[test]
fn without_tiers_and_alarm_nothing_is_counted() {
    let mut w = world(|p| p.fee = fee(30_000));
    sell(&mut w, "1", 8000, 240);
    w.ok(w.p, refund(w.p, "1", "r", 100));
    assert_eq!(read::volume(&w.ledger, w.p, cny()), read::Volume::default());
    assert_eq!(read::spending(&w.ledger, w.alice, cny()), read::Spending::default());
}
