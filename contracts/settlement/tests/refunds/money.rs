//! Property: whatever is refunded after it was paid out, in whatever parts and order, with coupons and fees, while payees
//! spend, earn, are frozen and owe, every balance and every receivable is what a second, naive book of accounts says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use vostro_settlement::read;
use vostro_types::transaction::*;
use vostro_types::*;

use crate::common::campaigns::{campaign, issue};
use crate::common::*;
use crate::naive;

/// One order's legs and sources with what is left of them; a leg's account is who bears its refunds.
#[derive(Clone, Debug)]
struct Paid {
    origin: AccountId,
    legs: Vec<(AccountId, u64)>,
    sources: Vec<(AccountId, u64)>,
}

/// A naive book: plain sums, no buckets shared with the contract's code.
#[derive(Clone, Debug, Default)]
struct Book {
    available: BTreeMap<AccountId, u64>,
    held: BTreeMap<AccountId, u64>,
    collateral: BTreeMap<AccountId, u64>,
    frozen: Vec<AccountId>,
    /// Debtor: creditors and amounts, oldest first.
    owes: BTreeMap<AccountId, Vec<(AccountId, u64)>>,
    orders: Vec<Paid>,
}

impl Book {
    /// What the ledger says of these accounts.
    fn read(w: &World, accounts: &[AccountId]) -> Self {
        let mut book = Book::default();
        for account in accounts {
            let balance = read::balance(&w.ledger, *account, cny());
            book.available.insert(*account, balance.available.units());
            book.held.insert(*account, balance.held.units());
            book.collateral.insert(*account, balance.collateral.units());
            let queue = read::receivables(&w.ledger, *account, cny());
            let queue: Vec<_> = queue.into_iter().map(|r| (r.creditor, r.amount.units())).collect();
            assert_eq!(queue.iter().map(|(_, a)| a).sum::<u64>(), balance.owed.units());
            if !queue.is_empty() {
                book.owes.insert(*account, queue);
            }
        }
        book
    }

    /// Money without debts lands where the account can have it.
    fn land(&mut self, account: AccountId, amount: u64) {
        let side = if self.frozen.contains(&account) { &mut self.held } else { &mut self.available };
        *side.entry(account).or_default() += amount;
    }

    fn pay_debts(&mut self, account: AccountId, mut amount: u64) -> u64 {
        let mut queue = self.owes.remove(&account).unwrap_or_default();
        while amount > 0 && !queue.is_empty() {
            let (creditor, owed) = queue[0];
            let paid = owed.min(amount);
            amount -= paid;
            self.land(creditor, paid);
            if paid == owed {
                queue.remove(0);
            } else {
                queue[0].1 -= paid;
            }
        }
        if !queue.is_empty() {
            self.owes.insert(account, queue);
        }
        amount
    }

    fn credit(&mut self, account: AccountId, amount: u64) {
        let left = self.pay_debts(account, amount);
        self.land(account, left);
    }

    fn thaw(&mut self, account: AccountId) {
        self.frozen.retain(|a| *a != account);
        let held = std::mem::take(self.held.entry(account).or_default());
        let all = std::mem::take(self.available.entry(account).or_default()) + held;
        let left = self.pay_debts(account, all);
        *self.available.entry(account).or_default() += left;
    }

    fn take(side: &mut BTreeMap<AccountId, u64>, account: AccountId, wanted: u64) -> u64 {
        let there = side.entry(account).or_default();
        let taken = wanted.min(*there);
        *there -= taken;
        wanted - taken
    }

    /// The book after the refund, or nothing if nobody can fund it.
    fn refund(&self, order: usize, amount: u64) -> Option<Self> {
        let mut after = self.clone();
        let paid = self.orders[order].clone();
        let gives = naive(amount, &paid.legs.iter().map(|(_, left)| *left).collect::<Vec<_>>());
        for (i, give) in gives.into_iter().enumerate() {
            let bearer = paid.legs[i].0;
            let mut missing = give;
            if !after.frozen.contains(&bearer) {
                missing = Self::take(&mut after.available, bearer, missing);
                missing = Self::take(&mut after.collateral, bearer, missing);
            }
            if missing > 0 {
                let may = bearer != paid.origin && !after.frozen.contains(&paid.origin);
                if !may || Self::take(&mut after.available, paid.origin, missing) > 0 {
                    return None;
                }
                let queue = after.owes.entry(bearer).or_default();
                match queue.last_mut() {
                    Some(last) if last.0 == paid.origin => last.1 += missing,
                    _ => queue.push((paid.origin, missing)),
                }
            }
            after.orders[order].legs[i].1 -= give;
        }
        let gets = naive(amount, &paid.sources.iter().map(|(_, left)| *left).collect::<Vec<_>>());
        for (i, get) in gets.into_iter().enumerate() {
            after.orders[order].sources[i].1 -= get;
            after.credit(paid.sources[i].0, get);
        }
        Some(after)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Of which order, how many percent of what is left.
    Refund(usize, u64),
    /// Who spends how many percent of what it has.
    Spend(usize, u64),
    /// Who earns how much.
    Earn(usize, u64),
    /// Who is frozen, or let go if it is.
    Freeze(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4usize, prop_oneof![1..60u64, Just(100)]).prop_map(|(order, part)| Step::Refund(order, part)),
        3 => (0..6usize, prop_oneof![1..90u64, Just(100)]).prop_map(|(who, part)| Step::Spend(who, part)),
        2 => (0..6usize, 1..3_000u64).prop_map(|(who, amount)| Step::Earn(who, amount)),
        1 => (0..6usize).prop_map(Step::Freeze),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_balance_is_what_a_naive_book_says(
        prices in prop::collection::vec(1_000..20_000u64, 4),
        coupons in prop::collection::vec(0..900u64, 4),
        share in 1..1_000_000u32,
        bearers in prop::collection::vec(0..3u8, 4),
        cover in 0..2_000u64,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut w = World::with(|p| p.fee = fee(20_000), false);
        // who pays, sells, hosts, makes and sponsors
        let cast = [w.carol, w.q, w.p, w.dave, w.alice, w.fees];
        for account in [w.alice, w.dave, w.p, w.q] {
            w.deposit(account, 100_000);
        }
        for (name, borne) in [("a", true), ("b", false)] {
            let refund = if borne { RefundPolicy::BorneBy(w.q) } else { RefundPolicy::Proportional };
            let legs = vec![
                leg(Payee::Creator, 600_000),
                PlanLeg { refund, ..leg(Payee::Host, 200_000) },
                PlanLeg { refund, ..leg(Payee::Account(w.dave), 150_000) },
                leg(Payee::Origin, 50_000),
            ];
            w.offer(w.q, name, legs, None);
        }
        // coupons of p, funded by p and dave
        let sponsors = [(w.p, share), (w.dave, 1_000_000 - share)];
        for (i, worth) in coupons.iter().enumerate().filter(|(_, worth)| **worth > 0) {
            let worth = fen(*worth);
            let offer = CreateCampaign { value: CouponValue::Fixed(worth), ..campaign(&w, &format!("c{i}"), &sponsors) };
            prop_assert!(w.open_campaign(w.p, offer).applied());
            w.ok(w.p, issue(&format!("c{i}"), &format!("s{i}"), None));
        }
        let mut orders = Vec::new();
        for (i, price) in prices.iter().enumerate() {
            // the last one is sold by q
            let (origin, payer) = if i < 3 { (w.p, w.alice) } else { (w.q, w.dave) };
            let fee_bearer = [FeeBearer::PAYER, FeeBearer::PAYEE, FeeBearer::PLATFORM][usize::from(bearers[i])];
            let fee = if fee_bearer == FeeBearer::PAYER { (price * 20_000 + 500_000) / 1_000_000 } else { 0 };
            let worth = if origin == w.p { coupons[i] } else { 0 };
            let coupon = (worth > 0).then(|| CouponRef { platform: w.p, serial: label(&format!("s{i}")) });
            let name = if i % 2 == 0 { "a" } else { "b" };
            let order = Pay { fee_bearer, coupon, expected_total: fen(price + fee - worth), ..pay(origin, &i.to_string(), w.q, name, *price) };
            let receipt = w.by(payer, &[payer, origin], Action::Pay(order));
            prop_assert!(receipt.applied(), "{:?}", receipt);
            let placed = w.order(origin, &i.to_string());
            let bearer = |leg: &read::Leg| match leg.refund {
                RefundPolicy::BorneBy(bearer) => bearer,
                RefundPolicy::Proportional | RefundPolicy::NonRefundable => leg.account,
            };
            orders.push(Paid {
                origin,
                legs: placed.legs.iter().map(|leg| (bearer(leg), leg.left().units())).collect(),
                sources: placed.sources.iter().map(|s| (s.account, s.left().units())).collect(),
            });
        }
        w.ok(w.q, lock(cover.max(1)));
        let mut book = Book { orders, ..Book::read(&w, &cast) };
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Refund(order, percent) => {
                    let left: u64 = book.orders[order].legs.iter().map(|(_, left)| left).sum();
                    let (amount, origin) = (left * percent / 100, book.orders[order].origin);
                    if amount == 0 || book.frozen.contains(&origin) {
                        continue;
                    }
                    let receipt = w.run(origin, refund(origin, &order.to_string(), &format!("r{n}"), amount));
                    match book.refund(order, amount) {
                        Some(after) => {
                            prop_assert!(receipt.applied(), "{:?} of {:?}", receipt, book);
                            book = after;
                        }
                        // nothing can fail but the funding, and the 32nd refund is far
                        None => prop_assert_eq!(refusal(&receipt), (302, "leg".into())),
                    }
                }
                Step::Spend(who, percent) => {
                    let account = cast[who];
                    let amount = book.available[&account] * percent / 100;
                    if amount > 0 && !book.frozen.contains(&account) {
                        w.ok(account, transfer(w.bob, amount));
                        *book.available.entry(account).or_default() -= amount;
                    }
                }
                Step::Earn(who, amount) => {
                    w.deposit(cast[who], amount);
                    book.credit(cast[who], amount);
                }
                Step::Freeze(who) => {
                    let account = cast[who];
                    if book.frozen.contains(&account) {
                        w.status(account, AccountStatus::Active);
                        book.thaw(account);
                    } else {
                        w.status(account, AccountStatus::Frozen);
                        book.frozen.push(account);
                    }
                }
            }
            let now = Book::read(&w, &cast);
            prop_assert_eq!(&now.available, &book.available);
            prop_assert_eq!(&now.held, &book.held);
            prop_assert_eq!(&now.collateral, &book.collateral);
            prop_assert_eq!(&now.owes, &book.owes);
            for (i, paid) in book.orders.iter().enumerate() {
                let order = w.order(paid.origin, &i.to_string());
                let legs: Vec<u64> = order.legs.iter().map(|l| l.left().units()).collect();
                let sources: Vec<u64> = order.sources.iter().map(|s| s.left().units()).collect();
                prop_assert_eq!(legs, paid.legs.iter().map(|(_, left)| *left).collect::<Vec<_>>());
                prop_assert_eq!(sources, paid.sources.iter().map(|(_, left)| *left).collect::<Vec<_>>());
            }
        }
    }
}
