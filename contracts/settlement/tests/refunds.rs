//! Property: any sequence of part refunds takes from legs and gives to sources exactly what a naive oracle says, and a
//! full refund brings every leg and every source to zero.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::*;
use proptest::prelude::*;
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
