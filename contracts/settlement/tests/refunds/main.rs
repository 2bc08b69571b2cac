//! Property: any sequence of part refunds takes from legs and gives to sources exactly what a naive oracle says, and a
//! full refund brings every leg and every source to zero; also with captures, disputes and consumption in between. Whose
//! money it is that goes back, and what is owed for it, is in `money`.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod money;

use common::*;
use proptest::prelude::*;
use vostro_settlement::read;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;

/// The largest-remainder rule, written the slow way: hand out one unit after the other to whoever is furthest behind
/// its floor, the first among equals.
fn naive(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    let exact = |w: u64| u128::from(total) * u128::from(w);
    let mut shares: Vec<u64> = weights.iter().map(|w| u64::try_from(exact(*w) / sum).unwrap()).collect();
    let mut served = vec![false; weights.len()];
    while shares.iter().sum::<u64>() < total {
        let remainder = |i: usize| exact(weights[i]) % sum;
        let mut best: Option<usize> = None;
        for (i, _) in served.iter().enumerate().filter(|(_, served)| !**served) {
            if best.is_none_or(|b| remainder(i) > remainder(b)) {
                best = Some(i);
            }
        }
        let best = best.unwrap();
        served[best] = true;
        shares[best] += 1;
    }
    shares
}

fn rates() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(1..1000u64, 1..7).prop_map(|weights| {
        let rates = naive(1_000_000, &weights);
        rates.into_iter().map(|r| r as u32).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn legs_and_sources_follow_the_oracle(
        rates in rates(),
        policies in prop::collection::vec(0..4u8, 6),
        price in 10..500_000u64,
        tax_rate in prop_oneof![Just(0u32), 1..200_000u32],
        (payer, payee) in (0..=500_000u32, 0..=500_000u32),
        parts in prop::collection::vec(1..60u64, 0..6),
        mode in prop_oneof![Just(PayMode::Instant), Just(PayMode::Escrow), Just(PayMode::Maturing(2))],
    ) {
        let mut w = World::with(|p| p.fee = fee(25_000), false);
        w.deposit(w.alice, 2_000_000);
        w.deposit(w.p, 2_000_000);
        w.deposit(w.q, 2_000_000);
        let payees = [Payee::Creator, Payee::Host, Payee::Origin, Payee::Network, Payee::Account(w.dave), Payee::Creator];
        let legs: Vec<PlanLeg> = rates.iter().zip(payees).zip(policies).map(|((rate, payee), policy)| {
            let refund = match policy {
                0 => RefundPolicy::NonRefundable,
                1 => RefundPolicy::BorneBy(w.q),
                _ => RefundPolicy::Proportional,
            };
            PlanLeg { refund, ..leg(payee, *rate) }
        }).collect();
        let tax = TaxRule { rate: ppm(tax_rate), inclusive: false, account: w.tax };
        w.offer(w.q, "x", legs, Some(tax));
        let bearer = FeeBearer { payer: ppm(payer), payee: ppm(payee), platform: ppm(1_000_000 - payer - payee) };
        // the oracle's own price
        let hu = |amount: u64, rate: u32| ((u128::from(amount) * u128::from(rate) + 500_000) / 1_000_000) as u64;
        let (tax, fee) = (hu(price, tax_rate), hu(price, 25_000).min(1_000_000));
        let borne = naive(fee, &[payer, payee, 1_000_000 - payer - payee].map(u64::from));
        let total = price + tax + borne[0];
        let split = naive(price, &rates.iter().map(|r| u64::from(*r)).collect::<Vec<_>>());
        let cut = naive(borne[1], &split);
        let mut expect: Vec<u64> = split.iter().zip(&cut).map(|(s, c)| s - c).collect();
        expect.extend([tax, fee].into_iter().filter(|a| *a > 0));
        let order = pay(w.p, "1", w.q, "x", price);
        let order = Pay { mode, fee_bearer: bearer, expected_total: fen(total), ..order };
        let receipt = w.by(w.alice, &[w.alice, w.p], Action::Pay(order));
        prop_assert!(receipt.applied(), "{:?}", receipt);
        prop_assert_eq!(w.legs(w.p, "1"), expect.clone());
        let mut sources: Vec<u64> = w.order(w.p, "1").sources.iter().map(|s| s.left().units()).collect();
        prop_assert_eq!(sources.iter().sum::<u64>(), expect.iter().sum::<u64>());
        prop_assert_eq!(w.available(w.alice), 2_000_000 - total);

        let order = w.order(w.p, "1");
        let gives: Vec<bool> = order.legs.iter().map(|l| l.refund != RefundPolicy::NonRefundable).collect();
        let whole: u64 = expect.iter().zip(&gives).filter(|(_, g)| **g).map(|(e, _)| *e).sum();
        let mut left = whole;
        let parts: Vec<u64> = parts.into_iter().map(|percent| whole * percent / 100).chain([u64::MAX]).collect();
        for (i, part) in parts.into_iter().enumerate() {
            let part = part.min(left);
            if part == 0 {
                continue;
            }
            let weights: Vec<u64> = expect.iter().zip(&gives).map(|(e, g)| if *g { *e } else { 0 }).collect();
            for (leg, back) in expect.iter_mut().zip(naive(part, &weights)) {
                *leg -= back;
            }
            let weights = sources.clone();
            for (source, back) in sources.iter_mut().zip(naive(part, &weights)) {
                *source -= back;
            }
            let receipt = w.run(w.p, refund(w.p, "1", &format!("r{i}"), part));
            prop_assert!(receipt.applied(), "{:?}", receipt);
            left -= part;
            let order = w.order(w.p, "1");
            prop_assert_eq!(order.legs.iter().map(|l| l.left().units()).collect::<Vec<_>>(), expect.clone());
            prop_assert_eq!(order.sources.iter().map(|s| s.left().units()).collect::<Vec<_>>(), sources.clone());
            prop_assert_eq!(w.available(w.alice), 2_000_000 - sources[0]);
            let state = if left == 0 { OrderState::Refunded } else { OrderState::PartRefunded };
            prop_assert_eq!(order.state, state);
        }
        prop_assert!(whole == 0 || expect.iter().zip(&gives).all(|(e, g)| !*g || *e == 0));
    }
}

/// What legs and sources have left, kept the slow way.
struct Oracle {
    /// Left, and whether refunds take from it.
    legs: Vec<(u64, bool)>,
    sources: Vec<u64>,
}

impl Oracle {
    fn of(order: &read::Order) -> Self {
        let gives = |leg: &read::Leg| leg.refund != RefundPolicy::NonRefundable;
        Oracle {
            legs: order.legs.iter().map(|l| (l.left().units(), gives(l))).collect(),
            sources: order.sources.iter().map(|s| s.left().units()).collect(),
        }
    }

    fn refundable(&self) -> u64 {
        self.legs.iter().filter(|(_, gives)| *gives).map(|(left, _)| left).sum()
    }

    fn capture(&mut self, amount: u64, plan: usize) {
        let keeps = naive(amount, &self.legs.iter().map(|(left, _)| *left).collect::<Vec<_>>());
        for (leg, keep) in self.legs.iter_mut().zip(keeps) {
            leg.0 = keep;
        }
        // a charge that nothing is left of has no leg
        let charges = self.legs.split_off(plan);
        self.legs.extend(charges.into_iter().filter(|(left, _)| *left > 0));
        self.sources = naive(amount, &self.sources);
    }

    fn give_back(&mut self, amount: u64) {
        if amount == 0 {
            return;
        }
        let weights: Vec<u64> = self.legs.iter().map(|(left, gives)| if *gives { *left } else { 0 }).collect();
        for (leg, back) in self.legs.iter_mut().zip(naive(amount, &weights)) {
            leg.0 -= back;
        }
        let backs = naive(amount, &self.sources);
        for (source, back) in self.sources.iter_mut().zip(backs) {
            *source -= back;
        }
    }

    fn agrees(&self, w: &World) -> Result<(), TestCaseError> {
        let now = Oracle::of(&w.order(w.p, "1"));
        prop_assert_eq!(&now.legs, &self.legs);
        prop_assert_eq!(&now.sources, &self.sources);
        prop_assert_eq!(w.available(w.alice), 2_000_000 - self.sources[0]);
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// This share of what is left, in percent.
    Refund(u64),
    Consume(u64),
    /// Disputed, used, and resolved with this share.
    Dispute(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..70u64).prop_map(Step::Refund),
        2 => (1..20u64).prop_map(Step::Consume),
        2 => prop_oneof![Just(0), Just(1_000_000), 1..1_000_000u32].prop_map(Step::Dispute),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Captures, refunds, disputes and consumption in any order, with more than one source.
    #[test]
    fn an_order_follows_the_oracle_all_its_life(
        rates in rates(),
        policies in prop::collection::vec(0..5u8, 6),
        price in 10..500_000u64,
        tax_rate in prop_oneof![Just(0u32), 1..200_000u32],
        bearer in (0..=1_000_000u32, 0..=1_000_000u32),
        captured in 1..=100u64,
        steps in prop::collection::vec(step(), 0..8),
        mode in prop_oneof![
            3 => Just(PayMode::Hold), 1 => Just(PayMode::Instant), 1 => Just(PayMode::Escrow),
            1 => Just(PayMode::Maturing(2))
        ],
    ) {
        let mut w = World::with(|p| p.fee = fee(25_000), false);
        for account in [w.alice, w.p, w.q] {
            w.deposit(account, 2_000_000);
        }
        let payees = [Payee::Creator, Payee::Host, Payee::Origin, Payee::Network, Payee::Account(w.dave), Payee::Host];
        let legs: Vec<PlanLeg> = rates.iter().zip(payees).zip(policies).map(|((rate, payee), policy)| {
            let refund = match policy {
                0 => RefundPolicy::NonRefundable,
                1 => RefundPolicy::BorneBy(w.q),
                _ => RefundPolicy::Proportional,
            };
            PlanLeg { refund, ..leg(payee, *rate) }
        }).collect();
        let tax = TaxRule { rate: ppm(tax_rate), inclusive: false, account: w.tax };
        w.ok(w.q, plan("x", 1, legs));
        let terms = metered(100, None);
        w.ok(w.q, Action::RegisterItem(RegisterItem { tax: Some(tax), terms, ..item("x", 1, w.carol) }));
        let (payer, payee) = (bearer.0 / 2, bearer.1 / 2);
        let fee_bearer = FeeBearer { payer: ppm(payer), payee: ppm(payee), platform: ppm(1_000_000 - payer - payee) };
        let hu = |amount: u64, rate: u32| ((u128::from(amount) * u128::from(rate) + 500_000) / 1_000_000) as u64;
        let borne = naive(hu(price, 25_000), &[payer, payee, 1_000_000 - payer - payee].map(u64::from));
        let expected_total = fen(price + hu(price, tax_rate) + borne[0]);
        let order = if mode == PayMode::Hold {
            Action::Hold(Hold { fee_bearer, expected_total, ..hold(w.p, "1", w.q, "x", price) })
        } else {
            Action::Pay(Pay { mode, fee_bearer, expected_total, ..pay(w.p, "1", w.q, "x", price) })
        };
        w.ok(w.alice, order);
        let mut oracle = Oracle::of(&w.order(w.p, "1"));
        oracle.agrees(&w)?;
        if mode == PayMode::Hold {
            let reserved: u64 = oracle.sources.iter().sum();
            let amount = (reserved * captured / 100).max(1);
            w.ok(w.p, capture(w.p, "1", amount));
            oracle.capture(amount, rates.len());
            oracle.agrees(&w)?;
        }
        let (mut touched, mut disputed, mut used) = (false, false, 0);
        let mut over = oracle.refundable() == 0;
        for (i, step) in steps.into_iter().enumerate() {
            match step {
                Step::Refund(percent) => {
                    let part = oracle.refundable() * percent / 100;
                    if part > 0 {
                        w.ok(w.p, refund(w.p, "1", &format!("r{i}"), part));
                        oracle.give_back(part);
                        touched = true;
                    }
                }
                Step::Consume(units) if over && touched => {
                    prop_assert_eq!(w.no(w.q, consume(w.p, "1", used, units)), (504, "order".into()));
                }
                Step::Consume(units) => {
                    if used + units <= 100 {
                        w.ok(w.q, consume(w.p, "1", used, units));
                        used += units;
                    }
                }
                Step::Dispute(_) if touched || disputed => {
                    let again = refusal(&w.run(w.alice, dispute(w.p, "1")));
                    prop_assert_eq!(again.0, if disputed { 0 } else { 504 });
                }
                Step::Dispute(share) => {
                    w.ok(w.alice, dispute(w.p, "1"));
                    prop_assert_eq!(w.no(w.q, consume(w.p, "1", used, 1)).0, 504);
                    prop_assert_eq!(w.no(w.p, refund(w.p, "1", "no", 1)).0, 504);
                    w.ok(w.arbiter, resolve(w.p, "1", share));
                    let part = hu(oracle.refundable(), share);
                    oracle.give_back(part);
                    (touched, disputed) = (part > 0, true);
                }
            }
            over = oracle.refundable() == 0;
            oracle.agrees(&w)?;
            let state = w.state(w.p, "1");
            prop_assert_eq!(state == OrderState::Refunded, touched && over);
        }
        let left = oracle.refundable();
        if left > 0 {
            w.ok(w.p, refund(w.p, "1", "last", left));
            oracle.give_back(left);
            oracle.agrees(&w)?;
        }
        prop_assert!(oracle.legs.iter().all(|(left, gives)| !*gives || *left == 0));
    }
}
